import { flag, integer, list, oneOf, optional, record, type Shape, text } from '#shared/document'
import { type IpAddress, parseIp } from '#shared/net'
import type { ApiObject } from '../apiserver/index.ts'
import type { EndpointRecord, ServiceRecord } from './types.ts'

const MAX_PORT = 65_535
const protocol = oneOf(['TCP', 'UDP', 'SCTP'], 'TCP')
const policy = oneOf(['Cluster', 'Local'], 'Cluster')

const serviceSpec = record({
  type: oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], 'ClusterIP'),
  clusterIP: text(''),
  clusterIPs: list(text()),
  externalName: text(''),
  ports: list(
    record({ name: text(''), port: integer(1, MAX_PORT), protocol, nodePort: optional(integer(0, MAX_PORT)) }),
  ),
  internalTrafficPolicy: policy,
  externalTrafficPolicy: policy,
  loadBalancerClass: text(''),
})

const slice = record({
  endpoints: list(
    record({
      addresses: list(text()),
      conditions: record({ ready: optional(flag), serving: optional(flag), terminating: flag }),
      hostname: text(''),
      nodeName: text(''),
    }),
  ),
  ports: list(record({ name: text(''), port: optional(integer(1, MAX_PORT)), protocol })),
})

const podStatus = record({ podIPs: list(record({ ip: text('') })) })

/** The API has checked its objects; what is wrong all the same counts as not written. */
export function readService(object: ApiObject): ServiceRecord {
  const { name, namespace = '' } = object.metadata
  const spec = read(serviceSpec, object.spec)
  const isExternal = spec.type === 'ExternalName'
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    type: spec.type,
    clusterIps: isExternal ? [] : ips(spec.clusterIPs.length > 0 ? spec.clusterIPs : [spec.clusterIP]),
    externalName: isExternal ? spec.externalName : '',
    ports: spec.ports.map(({ nodePort, ...port }) => ({ ...port, nodePort: nodePort ?? 0 })),
    internalTrafficPolicy: spec.internalTrafficPolicy,
    externalTrafficPolicy: spec.externalTrafficPolicy,
    isOfOtherClass: spec.loadBalancerClass !== '',
    object,
  }
}

/** What a slice says; a condition that it does not know means yes (Kubernetes EndpointConditions). */
export function readSlice(object: ApiObject): readonly EndpointRecord[] {
  const { endpoints, ports } = read(slice, object)
  const known = ports.flatMap(({ port, ...rest }) => (port === undefined ? [] : [{ ...rest, port }]))
  return endpoints.map(({ addresses, conditions, hostname, nodeName }) => {
    const isReady = conditions.ready ?? true
    return {
      ips: ips(addresses),
      isReady,
      isServing: conditions.serving ?? isReady,
      isTerminating: conditions.terminating,
      hostname,
      node: nodeName,
      ports: known,
    }
  })
}

/** `namespace/name` of the service that a slice belongs to; undefined when it belongs to none. */
export function serviceOfSlice({ metadata }: ApiObject): string | undefined {
  const name = metadata.labels?.['kubernetes.io/service-name']
  return name === undefined ? undefined : `${metadata.namespace}/${name}`
}

export function readPodIps({ status }: ApiObject): readonly IpAddress[] {
  return ips(read(podStatus, status).podIPs.map(({ ip }) => ip))
}

function ips(texts: readonly string[]): readonly IpAddress[] {
  return texts.flatMap((each) => parseIp(each) ?? [])
}

function read<T>(shape: Shape<T>, value: unknown): T {
  return shape(value ?? undefined, [], () => {})
}
