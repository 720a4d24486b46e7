import { parseDocument } from 'yaml'
import { anyMap, list, oneOf, optional, type Report, record, type Shape, text, textMap } from '#shared/document'
import { reasonOf } from '#shared/errors'
import type { KindBody } from './core-kinds.ts'
import type { MeshConfig, VisibilityRules } from './entry-types.ts'
import { metadataSelector } from './metadata-selector.ts'

const visibility = oneOf(['PUBLIC', 'NAMESPACE', 'NONE'], 'PUBLIC')

const visibilityFields = record({
  defaultVisibility: visibility,
  policies: list(
    record({ visibility, matchingRules: list(record({ namespaceSelector: optional(metadataSelector) })) }),
  ),
})

const visibilityRules: Shape<VisibilityRules> = (value, path, report) => {
  const { defaultVisibility, policies } = visibilityFields(value, path, report)
  return {
    otherwise: defaultVisibility,
    policies: policies.map((policy) => ({
      visibility: policy.visibility,
      namespaces: policy.matchingRules.map((rule) => rule.namespaceSelector),
    })),
  }
}

const fields = {
  trustDomain: optional(text()),
  rootNamespace: optional(text()),
  discoverySelectors: list(metadataSelector),
  serviceEntryVisibility: optional(visibilityRules),
}
const meshConfig = record(fields)

/** Reads the key `mesh` of a ConfigMap (istio-control-plane d.6); without it nothing is said. */
export const meshConfigBody: KindBody<Pick<MeshConfig, 'spec'>> = (document, report) => {
  const { mesh = '' } = textMap(document.data ?? undefined, ['data'], report)
  const value = readYaml(mesh, report)
  const within: Report = (path, problem) => report(['data', 'mesh', ...path], problem)
  const written = anyMap(value ?? {}, [], within)
  const unread = Object.keys(written).filter((key) => !Object.hasOwn(fields, key))
  return { spec: { ...meshConfig(written, [], within), unread: unread.sort() } }
}

function readYaml(source: string, report: Report): unknown {
  const document = parseDocument(source, { prettyErrors: false })
  try {
    const [error] = document.errors
    if (error !== undefined) throw error
    return document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (error) {
    report(['data', 'mesh'], `is no YAML: ${reasonOf(error)}`)
    return undefined
  }
}

/** Aliases it may resolve to; more is an expansion attack. */
const MAX_ALIASES = 100
