import type { ResourceDefinition, ResourceRegistry, ReviewDefinition, VersionDefinition } from '../definition-types.ts'
import type { Schema } from '../schema/types.ts'
import { withTexts } from './texts/index.ts'

/** A kind of one group and version, as documents describe it. */
export interface Described {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly isNamespaced: boolean
  readonly schema: Schema
  /** What is answered to: objects that are kept, or a question that is asked with POST. */
  readonly operations:
    | { readonly kind: 'objects'; readonly listKind: string; readonly subresources: readonly string[] }
    | { readonly kind: 'review' }
  readonly origin: ResourceDefinition['origin']
  /** The registry's own record: as long as it is the same, so is the description. */
  readonly source: VersionDefinition | ReviewDefinition
}

/** Everything that is served, by the path of its group and version below the root: `api/v1`, `apis/apps/v1`. */
export function describedByPath(registry: ResourceRegistry): ReadonlyMap<string, readonly Described[]> {
  const byPath = new Map<string, Described[]>()
  const add = (described: Described): void => {
    const path = pathOf(described.group, described.version)
    const list = byPath.get(path) ?? []
    byPath.set(path, list)
    list.push(described)
  }
  for (const definition of registry.definitions()) {
    for (const version of definition.versions) if (version.isServed) add(ofResource(definition, version))
  }
  for (const review of registry.reviews()) {
    for (const version of review.versions) add(ofReview(review, version))
  }
  return byPath
}

export function pathOf(group: string, version: string): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`
}

function ofResource(definition: ResourceDefinition, version: VersionDefinition): Described {
  const { group, kind, plural, isNamespaced, listKind, subresources, origin } = definition
  return {
    group,
    version: version.name,
    kind,
    plural,
    isNamespaced,
    schema: origin === 'builtin' ? withTexts(kind, version.schema) : version.schema,
    operations: { kind: 'objects', listKind, subresources: subresources.has('status') ? ['status'] : [] },
    origin,
    source: version,
  }
}

function ofReview(review: ReviewDefinition, version: string): Described {
  const { group, kind, plural, isNamespaced, schema } = review
  const operations = { kind: 'review' } as const
  return { group, version, kind, plural, isNamespaced, schema, operations, origin: 'builtin', source: review }
}
