import { parseAllDocuments } from 'yaml'
import { isRecord } from '#shared/document'
import { reasonOf } from '#shared/errors'
import { configMapKind, type Gateway, type KindReader, type KubeObject, objectKey } from '#shared/k8s'

/** What can be changed of what is made for a Gateway, by the keys of its parameters ConfigMap. */
export const OVERLAY_KEYS = [
  'serviceAccount',
  'deployment',
  'service',
  'horizontalPodAutoscaler',
  'podDisruptionBudget',
] as const
export type OverlayKey = (typeof OVERLAY_KEYS)[number]

/** A ConfigMap, as far as it can be one of parameters. */
export interface ParametersMap extends KubeObject {
  readonly kind: 'ConfigMap'
  /** What it says under the keys that are known, as text; other keys by their name only. */
  readonly overlays: Readonly<Partial<Record<OverlayKey, string>>>
  readonly unknownKeys: readonly string[]
}

/** Strategic merge patches by the object that they are for. */
export type Overlay = Readonly<Partial<Record<OverlayKey, Readonly<Record<string, unknown>>>>>

export type Parameters =
  | { readonly kind: 'read'; readonly overlays: readonly Overlay[] }
  | { readonly kind: 'invalid'; readonly problem: string }

const DEFAULTS_LABEL = 'gateway.istio.io/defaults-for-class'
/** Names of unknown keys that are kept: clusters hold ConfigMaps of all sorts. */
const MAX_UNKNOWN = 4
/** Aliases a patch may resolve to; more is an expansion attack. */
const MAX_ALIASES = 100

/** Reads of a ConfigMap only what may be parameters, since there are many and most are none. */
export const parametersKind: KindReader = {
  ...configMapKind,
  body: (document) => {
    const data = isRecord(document.data) ? document.data : {}
    const known = OVERLAY_KEYS.filter((key) => typeof data[key] === 'string')
    const unknownKeys = Object.keys(data).filter((key) => !known.some((each) => each === key))
    return {
      overlays: Object.fromEntries(known.map((key) => [key, data[key]])),
      unknownKeys: unknownKeys.slice(0, MAX_UNKNOWN),
    }
  },
}

/** The class whose Gateways take their defaults from the ConfigMap, if it is one of the root namespace. */
export function defaultsClass({ metadata }: ParametersMap, rootNamespace: string): readonly string[] {
  const name = metadata.labels[DEFAULTS_LABEL]
  return name === undefined || metadata.namespace !== rootNamespace ? [] : [name]
}

/**
 * Everything that is to be changed of what is made for a Gateway: what its class says, then what it says itself.
 *
 * @param defaults ConfigMaps for its class, of which the oldest counts
 * @param mapOf by `namespace/name`
 * @see istio-control-plane c.1
 */
export function readParameters(
  { metadata, spec }: Gateway,
  defaults: readonly ParametersMap[],
  mapOf: (key: string) => ParametersMap | undefined,
): Parameters {
  const reference = spec.infrastructure?.parametersRef
  if (reference !== undefined && (reference.group !== '' || reference.kind !== 'ConfigMap'))
    return invalid(`spec.infrastructure.parametersRef: must be a ConfigMap, is a ${reference.kind}.${reference.group}`)
  const key = `${metadata.namespace}/${reference?.name}`
  const own = reference === undefined ? undefined : mapOf(key)
  if (reference !== undefined && own === undefined)
    return invalid(`spec.infrastructure.parametersRef: there is no ConfigMap ${key}`)
  const oldest = [...defaults].sort(byAge)[0]
  const read = [oldest, own].flatMap((map) => (map === undefined ? [] : [readOverlay(map)]))
  const bad = read.find((each) => each.kind === 'invalid')
  return bad ?? { kind: 'read', overlays: read.flatMap((each) => (each.kind === 'read' ? each.overlays : [])) }
}

function readOverlay(map: ParametersMap): Parameters {
  const where = `ConfigMap ${objectKey(map)}`
  const [unknown] = map.unknownKeys
  if (unknown !== undefined)
    return invalid(`${where}: data.${unknown}: unknown key; there are ${OVERLAY_KEYS.join(', ')}`)
  const overlay: Partial<Record<OverlayKey, Readonly<Record<string, unknown>>>> = {}
  for (const key of OVERLAY_KEYS) {
    const text = map.overlays[key]
    if (text === undefined) continue
    const patch = readPatch(text)
    if (typeof patch === 'string') return invalid(`${where}: data.${key}: ${patch}`)
    overlay[key] = patch
  }
  return { kind: 'read', overlays: [overlay] }
}

/** The patch, or what is wrong with its text. An empty text is a patch that changes nothing. */
function readPatch(text: string): Readonly<Record<string, unknown>> | string {
  const [document, second] = parseAllDocuments(text, { prettyErrors: false })
  if (document === undefined) return {}
  if (second !== undefined) return 'holds several documents'
  const [error] = document.errors
  if (error !== undefined) return `is no YAML: ${error.message}`
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {}
    return isRecord(value) ? value : 'is no map'
  } catch (cause) {
    return `is no YAML: ${reasonOf(cause)}`
  }
}

function byAge(a: ParametersMap, b: ParametersMap): number {
  const [first, second] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp ?? ''} ${metadata.name}`)
  return (first ?? '') < (second ?? '') ? -1 : 1
}

function invalid(problem: string): Parameters {
  return { kind: 'invalid', problem }
}
