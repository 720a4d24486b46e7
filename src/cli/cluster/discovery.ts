import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ApiResource, KubeConnection } from '#shared/kube-client'

/** A kind as the server tells of it. */
export interface ServedResource extends ApiResource {
  readonly group: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly verbs: readonly string[]
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const AGGREGATED_BETA = AGGREGATED.replace('v=v2', 'v=v2beta1')

/**
 * Every kind that the server has, the preferred versions first; two requests.
 * @throws MeshError `COMMAND_FAILED` when the server is older than Kubernetes 1.27
 */
export async function discover(connection: Pick<KubeConnection, 'json'>): Promise<readonly ServedResource[]> {
  const accept = `${AGGREGATED},${AGGREGATED_BETA},application/json`
  const lists = await Promise.all(
    ['/api', '/apis'].map(async (path) => readDiscovery(await connection.json({ method: 'GET', path, accept }))),
  )
  return lists.flat()
}

/** Kinds of an `APIGroupDiscoveryList`. */
export function readDiscovery(answer: unknown): readonly ServedResource[] {
  const { kind, items } = isRecord(answer) ? answer : {}
  if (kind !== 'APIGroupDiscoveryList' || !Array.isArray(items))
    throw new MeshError(
      'COMMAND_FAILED',
      'the API server does not list its kinds at once; Kubernetes 1.27 or newer does',
    )
  return records(items).flatMap((item) => {
    const group = text(isRecord(item.metadata) ? item.metadata.name : '')
    return records(item.versions).flatMap(({ version, resources }) =>
      records(resources).map((resource) => served(group, text(version), resource)),
    )
  })
}

function served(group: string, version: string, found: Readonly<Record<string, unknown>>): ServedResource {
  const kind = isRecord(found.responseKind) ? text(found.responseKind.kind) : ''
  return {
    apiVersion: group === '' ? version : `${group}/${version}`,
    group,
    kind,
    resource: text(found.resource),
    singular: text(found.singularResource) || kind.toLowerCase(),
    namespaced: found.scope === 'Namespaced',
    shortNames: texts(found.shortNames),
    categories: texts(found.categories),
    verbs: texts(found.verbs),
  }
}

/**
 * What a user calls a kind: `pods`, `pod`, `po`, `Pod`, `deployments.apps`, `deployments.v1.apps`; `all` and other
 * categories are several.
 * @throws MeshError `NOT_FOUND`
 */
export function findResources(all: readonly ServedResource[], name: string): readonly ServedResource[] {
  const [first = '', ...rest] = name.toLowerCase().split('.')
  const suffix = rest.join('.')
  const isIn = ({ group, apiVersion }: ServedResource): boolean =>
    suffix === '' || group === suffix || `${apiVersion.split('/').at(-1)}.${group}` === suffix
  const isCalled = ({ resource, singular, shortNames, kind }: ServedResource): boolean =>
    [resource, singular, ...shortNames, kind.toLowerCase()].includes(first)
  const one = all.find((each) => isIn(each) && isCalled(each))
  if (one !== undefined) return [one]
  const several = suffix === '' ? all.filter(({ categories }) => categories.includes(first)) : []
  if (several.length > 0) return several.filter((each, i) => several.findIndex((other) => sameKind(each, other)) === i)
  throw new MeshError('NOT_FOUND', `the server has no kind ${name}; "ambit kubectl api-resources" lists them`)
}

/** @throws MeshError `NOT_FOUND`, also for a category */
export function findResource(all: readonly ServedResource[], name: string): ServedResource {
  const [one, ...more] = findResources(all, name)
  if (one === undefined || more.length > 0)
    throw new MeshError('NOT_FOUND', `${name} is several kinds; name one of them`)
  return one
}

/** `pod/web`, `deployment.apps/web`: what kubectl calls an object in its messages. */
export function objectName({ kind, group }: Pick<ServedResource, 'kind' | 'group'>, name: string): string {
  return `${kind.toLowerCase()}${group === '' ? '' : `.${group}`}/${name}`
}

function sameKind(a: ServedResource, b: ServedResource): boolean {
  return a.group === b.group && a.resource === b.resource
}

function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
