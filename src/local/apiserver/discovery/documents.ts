import { apiVersionOf } from '../registry.ts'
import type { ResourceDefinition, ResourceRegistry } from '../types.ts'
import { bodyOf, definitionsIn, groupsOf, resourcesIn, reviewsIn, verbsOf } from './resources.ts'

/** `/api`. */
export function apiVersions(): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }
}

/** `/apis`. */
export function apiGroupList(registry: ResourceRegistry): object {
  const groups = groupsOf(registry).filter(({ name }) => name !== '')
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(({ name, versions }) => groupOf(name, versions)) }
}

/** `/apis/GROUP`; undefined when there is none. */
export function apiGroup(registry: ResourceRegistry, group: string): object | undefined {
  const found = groupsOf(registry).find(({ name }) => name === group && name !== '')
  if (found === undefined) return undefined
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(found.name, found.versions) }
}

/** `/api/v1`, `/apis/GROUP/VERSION`; undefined when there is none. */
export function apiResourceList(registry: ResourceRegistry, group: string, version: string): object | undefined {
  const resources = resourcesIn(registry, group, version)
  if (resources.length === 0) return undefined
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf(group, version), resources }
}

/** All of `/api` or `/apis` in one answer. */
export function aggregatedDiscovery(registry: ResourceRegistry, form: 'v2' | 'v2beta1', root: 'api' | 'apis'): object {
  const groups = groupsOf(registry).filter(({ name }) => (name === '') === (root === 'api'))
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${form}`,
    metadata: {},
    items: groups.map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map((version) => ({
        version,
        resources: aggregatedResources(registry, name, version),
        freshness: 'Current',
      })),
    })),
  }
}

function aggregatedResources(registry: ResourceRegistry, group: string, version: string): object[] {
  const definitions = definitionsIn(registry, group, version).map((one) => aggregatedResource(one, version))
  const reviews = reviewsIn(registry, group, version).map((review) => ({
    resource: review.plural,
    responseKind: { group, version, kind: review.kind },
    scope: review.isNamespaced ? 'Namespaced' : 'Cluster',
    singularResource: review.singular,
    verbs: ['create'],
  }))
  return [...definitions, ...reviews]
}

function aggregatedResource(definition: ResourceDefinition, version: string): object {
  const { group, plural, kind, singular, isNamespaced, verbs, shortNames, categories, subresources } = definition
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: isNamespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs: [...verbs].sort(),
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    ...(subresources.size === 0
      ? {}
      : {
          subresources: [...subresources].map(([subresource, its]) => ({
            subresource,
            responseKind: bodyOf(its, definition, version),
            verbs: verbsOf(its),
          })),
        }),
  }
}

function groupOf(name: string, versions: readonly string[]): object {
  const all = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }))
  return { name, versions: all, preferredVersion: all[0] }
}
