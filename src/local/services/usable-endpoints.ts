import { type IpFamily, ipFamily, type SocketAddress } from '#shared/net'
import type { EndpointRecord, LiveServiceRecord, ServicePort } from './types.ts'

/**
 * Where connections to a port of a service may go now: ready endpoints, and when there is none, those that still
 * answer on their way out (as kube-proxy does, so that the last pod of a rollout loses nothing).
 *
 * @param node only endpoints there; undefined: everywhere
 */
export function usableEndpoints(
  { endpoints }: LiveServiceRecord,
  port: ServicePort,
  family: IpFamily,
  node?: string,
): readonly (SocketAddress & { readonly node: string })[] {
  const here = endpoints.filter((endpoint) => node === undefined || endpoint.node === node)
  const ready = here.flatMap((endpoint) => (endpoint.isReady ? targetsOf(endpoint, port, family) : []))
  if (ready.length > 0) return ready
  return here.flatMap((endpoint) =>
    endpoint.isServing && endpoint.isTerminating ? targetsOf(endpoint, port, family) : [],
  )
}

function targetsOf(
  { ips, ports, node }: EndpointRecord,
  { name, protocol }: ServicePort,
  family: IpFamily,
): readonly (SocketAddress & { readonly node: string })[] {
  const port = ports.find((each) => each.name === name && each.protocol === protocol)?.port
  if (port === undefined) return []
  return ips.flatMap((ip) => (ipFamily(ip) === family ? [{ ip, port, node }] : []))
}
