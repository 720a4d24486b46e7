import type { IpAddress } from '#shared/net'
import type { ApiObject, ObjectAccess } from '../apiserver/index.ts'

export interface ApiServiceSettings {
  /** What pods call it by. */
  readonly address: IpAddress
  /** Where the API listens, of the same family. */
  readonly endpoint: IpAddress
  readonly endpointPort: number
}

const NAME = 'kubernetes'
const NAMESPACE = 'default'
const PORT_NAME = 'https'
const PORT = 443

/** The service by which programs in pods find the API, as in every cluster; what is there stays. */
export async function makeApiService(
  access: ObjectAccess,
  { address, endpoint, endpointPort }: ApiServiceSettings,
): Promise<void> {
  const family = address.includes(':') ? 'IPv6' : 'IPv4'
  const labels = { component: 'apiserver', provider: 'kubernetes' }
  const service: ApiObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: NAME, namespace: NAMESPACE, labels },
    spec: {
      type: 'ClusterIP',
      clusterIP: address,
      clusterIPs: [address],
      ipFamilies: [family],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: PORT_NAME, port: PORT, targetPort: endpointPort, protocol: 'TCP' }],
    },
  }
  const slice: ApiObject = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: NAME, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': NAME } },
    addressType: family,
    endpoints: [{ addresses: [endpoint], conditions: { ready: true } }],
    ports: [{ name: PORT_NAME, port: endpointPort, protocol: 'TCP' }],
  }
  const wanted = [
    ['', 'services', service],
    ['discovery.k8s.io', 'endpointslices', slice],
  ] as const
  for (const [group, resource, object] of wanted) {
    if (access.get({ group, resource, namespace: NAMESPACE, name: NAME }) === undefined) await access.create(object)
  }
}
