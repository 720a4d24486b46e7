import type { EndpointSlice, Service } from '#shared/k8s'
import { ipFamily, parseIp, type SocketAddress } from '#shared/net'
import type { ProxiedPort } from '../network/index.ts'

/** Where each service address leads: through slices, whoever wrote them. */
export function proxiedPorts(services: readonly Service[], all: readonly EndpointSlice[]): readonly ProxiedPort[] {
  const slices = new Map<string, EndpointSlice[]>()
  for (const slice of all) {
    const key = `${slice.metadata.namespace}/${slice.metadata.labels['kubernetes.io/service-name'] ?? ''}`
    slices.set(key, [...(slices.get(key) ?? []), slice])
  }
  return services.flatMap((service) => {
    const key = `${service.metadata.namespace}/${service.metadata.name}`
    return service.spec.clusterIPs.flatMap((text) => {
      const ip = parseIp(text)
      if (ip === undefined) return []
      return service.spec.ports.flatMap(({ name, port, protocol }): readonly ProxiedPort[] => {
        // Nobody here speaks SCTP.
        if (protocol === 'SCTP') return []
        const endpoints = (slices.get(key) ?? []).flatMap((slice) => endpointsOf(slice, name, protocol, ipFamily(ip)))
        return [{ service: key, protocol: protocol === 'TCP' ? 'tcp' : 'udp', address: { ip, port }, endpoints }]
      })
    })
  })
}

function endpointsOf(
  slice: EndpointSlice,
  portName: string,
  protocol: string,
  family: 4 | 6,
): readonly SocketAddress[] {
  const port = slice.ports.find((each) => each.name === portName && each.protocol === protocol)?.port
  if (port === undefined) return []
  return slice.endpoints.flatMap(({ addresses, ready }) =>
    addresses.flatMap((text) => {
      const ip = parseIp(text)
      return ready && ip !== undefined && ipFamily(ip) === family ? [{ ip, port }] : []
    }),
  )
}
