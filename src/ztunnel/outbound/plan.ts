import {
  type GatewayAddress,
  parseSpiffeId,
  type Service,
  type SpiffeId,
  serviceKey,
  type Workload,
  workloadIdentity,
} from '#shared/model'
import { formatSocketAddress, type IpAddress, isLoopback, type SocketAddress } from '#shared/net'
import { findGateway, gatewayIncludes, gatewayName, type MeshView } from '../state/index.ts'
import { addressOf, drawWeighted, familiesFor, pick, targetPortOf } from './load-balance.ts'
import type { DestinationFacts, OutboundPlan, OutboundRequest, SettledPlan, UnresolvedHop } from './types.ts'

/** Where every workload that speaks HBONE takes tunnels: the tunnel's own inbound port, it is not in xDS. */
const HBONE_PORT = 15_008

const UNKNOWN_DESTINATION: DestinationFacts = { service: undefined, servicePort: undefined, workload: undefined }

/**
 * What to do with a connection that a pod opens (hbone-and-ztunnel e.1; the first that applies wins):
 *
 * 1. to loopback and a port of the tunnel itself: refuse
 * 2. to a service that has a waypoint: tunnel to the waypoint, or refuse when it cannot be found
 * 3. to a service that is passed through as is: straight to the original address
 * 4. to a service: one of its endpoints, or refuse when there is none
 * 5. to something unknown: straight to the original address
 * 6. to a workload's own address, when it has a waypoint that this pod is not part of: tunnel to the waypoint
 * 7. tunnel to an endpoint that speaks HBONE, else plain TCP to it
 *
 * Whether there is a service with a waypoint is asked in the node's own network, workloads first; everything else in
 * the pod's network, services first.
 *
 * @param random uniform in [0, 1); drawn for a weighted waypoint and for each choice of an endpoint
 */
export function plan(view: MeshView, request: OutboundRequest, random: () => number): OutboundPlan {
  const { workload: source, originalDestination: to } = request
  if (isLoopback(to.ip) && request.ownPorts.has(to.port)) return refuse('attempted recursive call to ourselves')

  const addressed = addressedService(view, request)
  const serviceWaypoint = addressed && waypointOf(addressed, random)
  if (addressed !== undefined && serviceWaypoint !== undefined) {
    return throughWaypoint(view, request, serviceWaypoint, { service: addressed, servicePort: to.port }, random)
  }

  const upstream = findUpstream(view, request, random)
  switch (upstream.kind) {
    case 'as-is':
      return { kind: 'passthrough', target: to, destination: UNKNOWN_DESTINATION }
    case 'none':
      return addressed === undefined
        ? { kind: 'passthrough', target: to, destination: UNKNOWN_DESTINATION }
        : refuse(`no healthy upstream: ${formatSocketAddress(to)}`)
    case 'no-port':
      return refuse(`no port ${to.port} of service ${serviceKey(upstream.service)} at ${upstream.workload.uid}`)
    case 'found':
      break
  }

  const { workload, service, port } = upstream
  if (workload.network !== source.network) return otherNetwork(workload)
  if (addressed === undefined && workload.waypoint !== undefined && !isFromWaypoint(view, request, workload.waypoint)) {
    return throughWaypoint(view, request, workload.waypoint, { service: undefined, servicePort: undefined }, random)
  }
  const servicePort = service === undefined ? undefined : to.port
  return toHop(
    {
      hop: 'endpoint',
      workload,
      hopService: service,
      port,
      originalDestination: to,
      destination: { service, servicePort, workload },
    },
    to.ip,
  )
}

/** Finishes a `resolve` plan with one of the looked-up addresses. */
export function planResolved(unresolved: UnresolvedHop, ip: IpAddress): SettledPlan {
  const { hop, workload, hopService, originalDestination, destination } = unresolved
  const socket: SocketAddress = { ip, port: unresolved.port }
  if (hop === 'endpoint' && workload.protocol === 'TCP') return { kind: 'passthrough', target: socket, destination }
  const acceptedPeers = acceptedIdentities(hopService, workload)
  if (acceptedPeers.length === 0) return refuse(`no identity is known for workload ${workload.uid}`)
  return hop === 'waypoint'
    ? {
        kind: 'tunnel',
        hop,
        peer: socket,
        acceptedPeers,
        authority: { kind: 'address', ...originalDestination },
        destination,
      }
    : {
        kind: 'tunnel',
        hop,
        peer: { ip, port: HBONE_PORT },
        acceptedPeers,
        authority: { kind: 'address', ...socket },
        destination,
      }
}

type Upstream =
  | {
      readonly kind: 'found'
      readonly workload: Workload
      readonly service: Service | undefined
      readonly port: number
    }
  | { readonly kind: 'as-is' }
  | { readonly kind: 'none' }
  | { readonly kind: 'no-port'; readonly workload: Workload; readonly service: Service }

/** The service that the destination is an address of, as the node's own network sees it. */
function addressedService(
  view: MeshView,
  { network, workload, originalDestination }: OutboundRequest,
): Service | undefined {
  if (view.workloadByIp(network, originalDestination.ip) !== undefined) return undefined
  return view.serviceByVip(network, originalDestination.ip, workload.namespace)
}

/** A service's endpoint, or the workload of that address, as the pod's network sees them. */
function findUpstream(view: MeshView, request: OutboundRequest, random: () => number): Upstream {
  const { workload: source, originalDestination: to } = request
  const service = view.serviceByVip(source.network, to.ip, source.namespace)
  if (service === undefined) {
    const workload = view.workloadByIp(source.network, to.ip)
    return workload === undefined ? { kind: 'none' } : { kind: 'found', workload, service: undefined, port: to.port }
  }
  if (service.loadBalancer?.mode === 'Passthrough') return { kind: 'as-is' }
  const pickRequest = { source, service, servicePort: to.port, mode: 'standard' } as const
  const endpoint = pick(view.endpoints(serviceKey(service)), pickRequest, random)
  if (endpoint === undefined) return { kind: 'none' }
  const { workload } = endpoint
  const port = targetPortOf(endpoint, service, to.port)
  return port === undefined ? { kind: 'no-port', workload, service } : { kind: 'found', workload, service, port }
}

/** One of the weighted waypoints by its weight; without weights the service's one waypoint. */
function waypointOf(service: Service, random: () => number): GatewayAddress | undefined {
  const drawn = drawWeighted(service.weightedWaypoints, ({ weight }) => weight, random)
  return drawn === undefined ? service.waypoint : service.weightedWaypoints[drawn]?.destination
}

/** Never goes around a waypoint: one that cannot be found ends the connection. */
function throughWaypoint(
  view: MeshView,
  request: OutboundRequest,
  reference: GatewayAddress,
  asked: Pick<DestinationFacts, 'service' | 'servicePort'>,
  random: () => number,
): OutboundPlan {
  const { workload: source, originalDestination: to } = request
  const gateway = findGateway(view, reference, source.namespace)
  const unknown = refuse(`unknown waypoint: ${gatewayName(reference)}`)
  if (gateway === undefined) return unknown
  const found =
    gateway.kind === 'workload'
      ? { workload: gateway.workload, port: reference.hboneMtlsPort }
      : waypointEndpoint(view, gateway.service, reference.hboneMtlsPort, source, random)
  if (found === undefined || found.port === 0) return unknown
  if (found.workload.network !== source.network) return otherNetwork(found.workload)
  return toHop(
    {
      hop: 'waypoint',
      workload: found.workload,
      hopService: gateway.kind === 'service' ? gateway.service : undefined,
      port: found.port,
      originalDestination: to,
      destination: { ...asked, workload: found.workload },
    },
    reference.destination.kind === 'address' ? reference.destination.ip : to.ip,
  )
}

function waypointEndpoint(
  view: MeshView,
  service: Service,
  servicePort: number,
  source: Workload,
  random: () => number,
): { readonly workload: Workload; readonly port: number } | undefined {
  const pickRequest = { source, service, servicePort, mode: 'waypoint' } as const
  const endpoint = pick(view.endpoints(serviceKey(service)), pickRequest, random)
  const port = endpoint && targetPortOf(endpoint, service, servicePort)
  return endpoint === undefined || port === undefined ? undefined : { workload: endpoint.workload, port }
}

/** Whether the connecting pod is part of that waypoint: same identity, and an address of its own. */
function isFromWaypoint(view: MeshView, request: OutboundRequest, waypoint: GatewayAddress): boolean {
  const { workload: source } = request
  const identity = workloadIdentity(source)
  return (
    identity !== undefined &&
    gatewayIncludes(
      view,
      waypoint,
      source.namespace,
      (member) => workloadIdentity(member) === identity && member.addresses.includes(request.source.ip),
    )
  )
}

/** @param clientIp whose family is preferred, and which is used itself when it is the workload's */
function toHop(hop: UnresolvedHop, clientIp: IpAddress): OutboundPlan {
  const ip = addressOf(hop.workload, hop.hopService, clientIp)
  if (ip !== undefined) return planResolved(hop, ip)
  const { hostname, uid } = hop.workload
  if (hostname === '' || hop.workload.addresses.length > 0) return refuse(`no usable address for workload ${uid}`)
  return { kind: 'resolve', hostname, families: familiesFor(hop.hopService, clientIp), unresolved: hop }
}

/** SPIFFE names of the service that was asked for, then the workload's own (d.2). */
function acceptedIdentities(service: Service | undefined, workload: Workload): readonly SpiffeId[] {
  const names = service?.subjectAltNames.flatMap((name) => parseSpiffeId(name) ?? []) ?? []
  const own = workloadIdentity(workload)
  return [...new Set(own === undefined ? names : [...names, own])]
}

/** Double HBONE is refused by name: going straight to an address of another network would reach someone else. */
function otherNetwork(workload: Workload): OutboundPlan {
  const where = `workload ${workload.uid} is on network ${JSON.stringify(workload.network)}`
  return workload.networkGateway === undefined
    ? refuse(`${where}, which has no network gateway`)
    : refuse(`${where}, behind gateway ${gatewayName(workload.networkGateway)}: no tunnels through gateways yet`)
}

function refuse(reason: string): Extract<OutboundPlan, { kind: 'refuse' }> {
  return { kind: 'refuse', reason }
}
