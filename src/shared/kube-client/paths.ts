import type { KindReader } from '#shared/k8s'
import type { ApiObjectId, ApiResource } from './types.ts'

type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** `/api/v1/namespaces/shop/pods`; an empty namespace means all of them, or none for cluster-scoped kinds. */
export function collectionPath({ apiVersion, resource, namespaced }: ApiResource, namespace: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const scope = namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${scope}/${resource}`
}

export function objectPath(resource: ApiResource, { namespace, name }: ApiObjectId, subresource = ''): string {
  const path = `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`
  return subresource === '' ? path : `${path}/${subresource}`
}

/** Leaves out what is undefined or empty. */
export function withQuery(path: string, query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  )
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}

/** A kind as its reader knows it, under its first version or another of them. */
export function resourceOf(reader: KindReader, apiVersion: string = reader.apiVersions[0]): ApiResource {
  const { kind, resource, namespaced } = reader
  return { apiVersion, kind, resource, namespaced }
}
