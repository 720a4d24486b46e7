import { type Endpoint, gatewayIncludes, type MeshView } from '#shared/mesh-state'
import { type Service, serviceKey, type Workload } from '#shared/model'
import { type IpAddress, ipFamily, isLoopback, parseIp, type SocketAddress } from '#shared/net'
import type { InboundPlan, PlaintextRequest, TunnelledRequest } from './types.ts'

type Refusal = Extract<InboundPlan, { kind: 'refuse' }>

/** A port of the pod, and the service that led to it when the client named one. */
interface ResolvedPort {
  readonly port: number
  readonly service: Service | undefined
}

/**
 * What to do with one CONNECT that a pod's tunnel listener took (hbone-and-ztunnel e.3, 3–6): is this pod meant, which
 * port is it, and where does the application listen? Traffic always goes to the pod itself, whatever address the
 * authority names.
 */
export function planTunnelled(view: MeshView, request: TunnelledRequest): InboundPlan {
  const { workload, acceptedOn, target } = request
  if (target.kind === 'address' && !isMeant(view, request, target.ip)) {
    return refuse(400, `ip mismatch: ${acceptedOn.ip} != ${target.ip}`)
  }
  const resolved = resolvePort(view, request)
  if ('kind' in resolved) return resolved
  if (request.ownPorts.has(resolved.port)) return refuse(503, 'attempted recursive call to ourselves')

  const tunnel = workload.applicationTunnel
  const socket: SocketAddress = {
    ip: acceptedOn.ip,
    port: (tunnel?.port ?? 0) > 0 ? (tunnel?.port ?? 0) : resolved.port,
  }
  const isProxied = tunnel?.protocol === 'PROXY'
  const proxiedDestination = isProxied ? proxiedAddress(request, resolved.service) : undefined
  if (isProxied && proxiedDestination === undefined) {
    return refuse(503, `service ${resolved.service?.hostname ?? ''} has no address to name in a PROXY header`)
  }
  const dial = isProxied && request.isAppTunnelOnLoopback ? { ...socket, ip: loopbackLike(socket.ip) } : socket
  return {
    kind: 'deliver',
    target: socket,
    dial,
    sourceIp: sourceToKeep(request.source.ip, dial.ip),
    service: resolved.service ?? countedService(view, workload, resolved.port, request.forwardedHost),
    proxiedDestination,
  }
}

/** What to do with plain TCP to a pod (e.4): straight to where it wanted to go. */
export function planPlaintext(view: MeshView, request: PlaintextRequest): InboundPlan {
  const { workload, source, originalDestination: to } = request
  if (request.ownPorts.has(to.port)) return refuse(503, 'attempted recursive call to ourselves')
  return {
    kind: 'deliver',
    target: to,
    dial: to,
    sourceIp: sourceToKeep(source.ip, to.ip),
    service: countedService(view, workload, to.port, undefined),
    proxiedDestination: undefined,
  }
}

/** Its own address, anything when the application unwraps tunnels itself, or an address whose waypoint it is. */
function isMeant(view: MeshView, request: TunnelledRequest, asked: IpAddress): boolean {
  const { workload, acceptedOn, network } = request
  if (asked === acceptedOn.ip || workload.applicationTunnel !== undefined) return true
  const owner = view.workloadByIp(network, asked) ?? view.serviceByVip(network, asked, workload.namespace)
  if (owner?.waypoint === undefined) return false
  return gatewayIncludes(
    view,
    owner.waypoint,
    workload.namespace,
    (member) => member.uid === workload.uid || member.addresses.includes(acceptedOn.ip),
  )
}

/** An address says its port; a host name's port is mapped by our endpoint, then by the service. */
function resolvePort(view: MeshView, { workload, target }: TunnelledRequest): ResolvedPort | Refusal {
  if (target.kind === 'address') return { port: target.port, service: undefined }
  const service = view.serviceByHostname(target.hostname, workload.namespace)
  if (service === undefined) return refuse(503, `no service or workload for hostname: ${target.hostname}`)
  const own = portsAt(workload, service)?.get(target.port)
  const port = own ?? service.ports.find(({ servicePort }) => servicePort === target.port)?.targetPort ?? 0
  return port > 0
    ? { port, service }
    : refuse(503, `requested service ${target.hostname}:${target.port} found, but cannot resolve port`)
}

/**
 * The service that a connection is counted for: the one that the client says it asked for, if this workload is part
 * of it; else the first of its services that leads to this port.
 */
function countedService(
  view: MeshView,
  workload: Workload,
  port: number,
  forwardedHost: string | undefined,
): Service | undefined {
  let first: Service | undefined
  for (const key of workload.services.keys()) {
    const service = view.serviceByKey(key)
    if (service === undefined) continue
    if (service.hostname === forwardedHost) return service
    if (first === undefined && leadsTo(service, workload, port)) first = service
  }
  return first
}

function leadsTo(service: Service, workload: Workload, port: number): boolean {
  if (service.ports.some(({ targetPort }) => targetPort === port)) return true
  return [...(portsAt(workload, service)?.values() ?? [])].includes(port)
}

/** Service port → port, as this workload maps them for that service. */
function portsAt(workload: Workload, service: Service): Endpoint['ports'] | undefined {
  const mappings = workload.services.get(serviceKey(service))
  return mappings && new Map(mappings.map(({ servicePort, targetPort }) => [servicePort, targetPort]))
}

/** The address that a PROXY header names: the one asked for, or one of the service's, of our network and IPv4 first. */
function proxiedAddress(request: TunnelledRequest, service: Service | undefined): SocketAddress | undefined {
  const { target, network } = request
  if (target.kind === 'address') return { ip: target.ip, port: target.port }
  const vips = service?.vips ?? []
  const near = vips.filter((vip) => vip.network === network)
  const candidates = near.length > 0 ? near : vips
  const vip = candidates.find(({ ip }) => ipFamily(ip) === 4) ?? candidates[0]
  return vip && { ip: vip.ip, port: target.port }
}

/** A client keeps its address, except where the kernel would not take it: on the same address and on loopback. */
function sourceToKeep(source: IpAddress, target: IpAddress): IpAddress | undefined {
  if (isLoopback(target)) return loopbackLike(target)
  return source === target ? undefined : source
}

const LOOPBACK_V4: IpAddress | undefined = parseIp('127.0.0.1')
const LOOPBACK_V6: IpAddress | undefined = parseIp('::1')

function loopbackLike(ip: IpAddress): IpAddress {
  return (ipFamily(ip) === 4 ? LOOPBACK_V4 : LOOPBACK_V6) ?? ip
}

function refuse(status: 400 | 503, reason: string): Refusal {
  return { kind: 'refuse', status, reason }
}
