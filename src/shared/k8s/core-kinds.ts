import { isIP } from 'node:net'
import {
  anyMap,
  checkedText,
  flag,
  integer,
  list,
  oneOf,
  optional,
  type Path,
  type Report,
  record,
  type Shape,
  shown,
  text,
  textMap,
} from '#shared/document'
import type { ConfigMap, EndpointSlice, Pod, PodStatus, Service, ServicePort, ServiceSpec } from './types.ts'

export const MAX_PORT = 65_535

/** What a kind has besides `metadata`; the rest of the document comes in whole. */
export type KindBody<T> = (document: Readonly<Record<string, unknown>>, report: Report) => T

function ipProblem(address: string): string | undefined {
  return isIP(address) === 0 || address.includes('%') ? 'is no IP address' : undefined
}

const protocol = oneOf(['TCP', 'UDP', 'SCTP'], 'TCP')
const ipText = checkedText(ipProblem)

const container = record({
  name: text(),
  image: text(''),
  command: list(text()),
  args: list(text()),
  workingDir: text(''),
  env: list(record({ name: text(), value: text('') })),
  ports: list(record({ name: text(''), containerPort: integer(1, MAX_PORT), protocol })),
  restartPolicy: text(''),
  readinessProbe: optional(anyMap),
})

const podSpec = record({
  nodeName: text(''),
  serviceAccountName: text('default'),
  hostNetwork: flag,
  containers: list(container),
  initContainers: list(container),
})

const podStatus = record({
  phase: oneOf(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'], 'Pending'),
  podIP: checkedText((ip) => (ip === '' ? undefined : ipProblem(ip)), ''),
  podIPs: list(record({ ip: ipText })),
  conditions: list(record({ type: text(), status: text() })),
})

export const podBody: KindBody<Pick<Pod, 'spec' | 'status'>> = (document, report) => {
  const spec = podSpec(document.spec ?? {}, ['spec'], report)
  const status = podStatus(document.status ?? {}, ['status'], report)
  const ips = [status.podIP, ...status.podIPs.map((entry) => entry.ip)].filter((ip) => ip !== '')
  const read: PodStatus = { phase: status.phase, podIPs: [...new Set(ips)], conditions: status.conditions }
  return { spec, status: read }
}

const portOrName: Shape<number | string | undefined> = (value, path, report) => {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  return integer(0, MAX_PORT)(value, path, report)
}

const serviceSpec = record({
  type: oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], 'ClusterIP'),
  clusterIP: text(''),
  clusterIPs: list(text()),
  selector: textMap,
  ports: list(
    record({
      name: text(''),
      port: integer(1, MAX_PORT),
      targetPort: portOrName,
      protocol,
      appProtocol: text(''),
    }),
  ),
  publishNotReadyAddresses: flag,
  internalTrafficPolicy: oneOf(['Cluster', 'Local'], 'Cluster'),
  trafficDistribution: text(''),
  ipFamilies: list(oneOf(['IPv4', 'IPv6'], undefined)),
})

export const serviceBody: KindBody<Pick<Service, 'spec'>> = (document, report) => {
  const { clusterIP, clusterIPs, ports, ...rest } = serviceSpec(document.spec ?? {}, ['spec'], report)
  const spec: ServiceSpec = {
    ...rest,
    clusterIPs: readClusterIps(clusterIP, clusterIPs, report),
    // 0 and nothing both mean "the same as port" (Kubernetes ServicePort.targetPort).
    ports: ports.map((port): ServicePort => ({ ...port, targetPort: port.targetPort || port.port })),
  }
  ports.forEach((port, i) => {
    if (port.name === '' && ports.length > 1)
      report(['spec', 'ports', i, 'name'], 'is missing; needed with several ports')
    const twin = ports.findIndex((other) => other.port === port.port && other.protocol === port.protocol)
    if (twin < i) report(['spec', 'ports', i, 'port'], `is the same as of spec.ports[${twin}]`)
  })
  return { spec }
}

function readClusterIps(single: string, several: readonly string[], report: Report): readonly string[] {
  const written = several.length > 0 ? several : [single]
  const path: Path = several.length > 0 ? ['spec', 'clusterIPs'] : ['spec', 'clusterIP']
  const ips = written.filter((ip) => ip !== '' && ip !== 'None')
  for (const ip of ips) {
    const problem = ipProblem(ip)
    if (problem !== undefined) report(path, `${problem}: ${shown(ip)}`)
  }
  return [...new Set(ips)]
}

const slice = record({
  addressType: oneOf(['IPv4', 'IPv6', 'FQDN'], undefined),
  endpoints: list(
    record({
      addresses: list(text()),
      conditions: record({ ready: optional(flag) }),
      nodeName: text(''),
      targetRef: optional(record({ kind: text(''), namespace: text(''), name: text('') })),
    }),
  ),
  ports: list(record({ name: text(''), port: optional(integer(1, MAX_PORT)), protocol })),
})

export const endpointSliceBody: KindBody<Pick<EndpointSlice, 'addressType' | 'endpoints' | 'ports'>> = (
  document,
  report,
) => {
  const { addressType, endpoints, ports } = slice(document, [], report)
  endpoints.forEach((endpoint, i) => {
    endpoint.addresses.forEach((address, j) => {
      const problem = addressType === 'FQDN' ? undefined : ipProblem(address)
      if (problem !== undefined) report(['endpoints', i, 'addresses', j], `${problem}: ${shown(address)}`)
    })
  })
  return {
    addressType,
    endpoints: endpoints.map(({ conditions, ...rest }) => ({ ...rest, ready: conditions.ready ?? true })),
    ports,
  }
}

export const configMapBody: KindBody<Pick<ConfigMap, 'data'>> = (document, report) => {
  return { data: textMap(document.data ?? undefined, ['data'], report) }
}
