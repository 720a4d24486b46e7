import { ApiError } from '../api-error.ts'

/** What the client wants the objects as. */
export type Form = 'Object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'

export interface WantedAnswer {
  readonly form: Form
  readonly syntax: 'json' | 'yaml'
}

interface MediaRange {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
}

const FORMS: ReadonlySet<string> = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'])

/**
 * The first media type of `Accept` that the server can give. Protobuf is never given: clients that list it list JSON
 * behind it.
 *
 * @throws ApiError NotAcceptable
 */
export function wantedAnswer(accept: string): WantedAnswer {
  if (accept === '') return { form: 'Object', syntax: 'json' }
  for (const { type, parameters } of parseAccept(accept)) {
    const syntax = SYNTAX_OF_TYPE.get(type)
    if (syntax === undefined) continue
    const as = parameters.get('as')
    if (as === undefined) return { form: 'Object', syntax }
    const isKnown = FORMS.has(as) && parameters.get('g') === 'meta.k8s.io' && parameters.get('v') === 'v1'
    // Checked to be a member of FORMS just before.
    if (isKnown) return { form: as as Form, syntax }
  }
  throw new ApiError('NotAcceptable', 'only the following media types are accepted: application/json, application/yaml')
}

/** The version in which aggregated discovery is wanted; undefined: not at all. */
export function wantedDiscovery(accept: string): 'v2' | 'v2beta1' | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== 'application/json' && type !== '*/*') continue
    const version = parameters.get('v')
    if (parameters.get('as') !== 'APIGroupDiscoveryList' || parameters.get('g') !== 'apidiscovery.k8s.io') {
      if (parameters.get('as') === undefined) return undefined
      continue
    }
    if (version === 'v2' || version === 'v2beta1') return version
  }
  return undefined
}

const SYNTAX_OF_TYPE: ReadonlyMap<string, 'json' | 'yaml'> = new Map([
  ['application/json', 'json'],
  ['application/yaml', 'yaml'],
  ['*/*', 'json'],
  ['application/*', 'json'],
  // What watches are asked in by some clients.
  ['application/json;stream=watch', 'json'],
])

function parseAccept(accept: string): MediaRange[] {
  return accept
    .slice(0, 4096)
    .split(',')
    .map((range) => {
      const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
      return {
        type: type.toLowerCase(),
        parameters: new Map(parameters.map((parameter) => splitOnce(parameter))),
      }
    })
}

function splitOnce(parameter: string): [string, string] {
  const at = parameter.indexOf('=')
  return at === -1 ? [parameter, ''] : [parameter.slice(0, at), parameter.slice(at + 1)]
}
