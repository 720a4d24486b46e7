import { createHash } from 'node:crypto'
import { apiVersionOf } from '../registry.ts'
import type { ResourceDefinition, ResourceRegistry, ReviewDefinition, Subresource, Verb } from '../types.ts'

/** One row of APIResourceList. */
export interface ApiResource {
  readonly name: string
  readonly singularName: string
  readonly namespaced: boolean
  readonly group?: string
  readonly version?: string
  readonly kind: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly storageVersionHash?: string
}

/** What a group offers, preferred version first. */
export interface ApiGroup {
  readonly name: string
  readonly versions: readonly string[]
}

/** Groups in the order in which kubectl shall look names up: core first, then Kubernetes' own, then custom ones. */
export function groupsOf(registry: ResourceRegistry): ApiGroup[] {
  const groups = new Map<string, Set<string>>()
  const add = (group: string, versions: readonly string[]): void => {
    const known = groups.get(group) ?? new Set()
    for (const version of versions) known.add(version)
    groups.set(group, known)
  }
  for (const { group, versions } of registry.definitions())
    add(
      group,
      versions.filter(({ isServed }) => isServed).map(({ name }) => name),
    )
  for (const { group, versions } of registry.reviews()) add(group, versions)
  return [...groups]
    .filter(([, versions]) => versions.size > 0)
    .map(([name, versions]) => ({ name, versions: [...versions].sort(byPriority) }))
}

export function definitionsIn(registry: ResourceRegistry, group: string, version: string): ResourceDefinition[] {
  return registry
    .definitions()
    .filter((one) => one.group === group && one.versions.some(({ name, isServed }) => isServed && name === version))
}

export function reviewsIn(registry: ResourceRegistry, group: string, version: string): ReviewDefinition[] {
  return registry.reviews().filter((one) => one.group === group && one.versions.includes(version))
}

export function resourcesIn(registry: ResourceRegistry, group: string, version: string): ApiResource[] {
  return [
    ...definitionsIn(registry, group, version).flatMap((one) => [resourceOf(one), ...subresourcesOf(one, version)]),
    ...reviewsIn(registry, group, version).map(reviewOf),
  ]
}

function resourceOf(definition: ResourceDefinition): ApiResource {
  const { plural, singular, isNamespaced, kind, verbs, shortNames, categories, group, storageVersion } = definition
  const id = `${group}/${storageVersion}/${kind}`
  return {
    name: plural,
    singularName: singular,
    namespaced: isNamespaced,
    kind,
    verbs: [...verbs].sort(),
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    storageVersionHash: createHash('sha256').update(id).digest('base64').slice(0, 12),
  }
}

function subresourcesOf(definition: ResourceDefinition, version: string): ApiResource[] {
  const { plural, isNamespaced } = definition
  return [...definition.subresources].map(([name, subresource]) => {
    const { group, version: bodyVersion, kind } = bodyOf(subresource, definition, version)
    const isOther = apiVersionOf(group, bodyVersion) !== apiVersionOf(definition.group, version)
    return {
      name: `${plural}/${name}`,
      singularName: '',
      namespaced: isNamespaced,
      ...(isOther ? { group, version: bodyVersion } : {}),
      kind,
      verbs: verbsOf(subresource),
    }
  })
}

export function bodyOf(
  subresource: Subresource,
  { group, kind }: ResourceDefinition,
  version: string,
): { readonly group: string; readonly version: string; readonly kind: string } {
  if (subresource.kind === 'scale') return { group: 'autoscaling', version: 'v1', kind: 'Scale' }
  return subresource.kind === 'action' ? subresource.accepts : { group, version, kind }
}

export function verbsOf(subresource: Subresource): readonly Verb[] {
  if (subresource.kind === 'action') return [subresource.method === 'POST' ? 'create' : 'update']
  return subresource.kind === 'stream' ? subresource.verbs : ['get', 'patch', 'update']
}

function reviewOf({ plural, singular, isNamespaced, kind }: ReviewDefinition): ApiResource {
  return { name: plural, singularName: singular, namespaced: isNamespaced, kind, verbs: ['create'] }
}

/** Kubernetes' order: v2 before v1 before v1beta2 before v1beta1 before v1alpha1. */
function byPriority(a: string, b: string): number {
  const [majorA, rankA, minorA] = priorityOf(a)
  const [majorB, rankB, minorB] = priorityOf(b)
  return rankB - rankA || majorB - majorA || minorB - minorA || (a < b ? -1 : 1)
}

function priorityOf(version: string): readonly [major: number, rank: number, minor: number] {
  const parts = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
  if (parts === null) return [0, -1, 0]
  const rank = parts[2] === undefined ? 2 : parts[2] === 'beta' ? 1 : 0
  return [Number(parts[1]), rank, Number(parts[3] ?? 0)]
}
