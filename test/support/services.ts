import type { ApiObject } from '../../src/local/apiserver/index.ts'

/** A Service of the API. */
export function serviceObject(key: string, spec: object): ApiObject {
  const [namespace = '', name = ''] = key.split('/')
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ...spec } }
}

interface GivenEndpoint {
  readonly addresses: readonly string[]
  readonly conditions?: object
  readonly hostname?: string
  readonly nodeName?: string
}

/** An EndpointSlice of the service `key`. */
export function sliceObject(
  key: string,
  name: string,
  ports: readonly object[],
  endpoints: readonly GivenEndpoint[],
): ApiObject {
  const [namespace = '', service = ''] = key.split('/')
  const addressType = endpoints[0]?.addresses[0]?.includes(':') ? 'IPv6' : 'IPv4'
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': service } },
    addressType,
    ports,
    endpoints,
  }
}

export function namespaceObject(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

export function podObject(key: string, ips: readonly string[]): ApiObject {
  const [namespace = '', name = ''] = key.split('/')
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {},
    status: { podIPs: ips.map((ip) => ({ ip })) },
  }
}
