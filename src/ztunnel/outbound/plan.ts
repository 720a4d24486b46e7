import { findGateway, gatewayIncludes, gatewayName, type MeshView } from '#shared/mesh-state'
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
import { addressOf, drawWeighted, familiesFor, pick, type ResolutionMode, targetPortOf } from './load-balance.ts'
import type {
  BehindGateway,
  Choice,
  DestinationFacts,
  OutboundPlan,
  OutboundRequest,
  SettledPlan,
  UnresolvedHop,
} from './types.ts'

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
 * 6. to an endpoint or waypoint of another network: double tunnel through its network gateway, or refuse
 * 7. to a workload's own address, when it has a waypoint that this pod is not part of: tunnel to the waypoint
 * 8. tunnel to an endpoint that speaks HBONE, else plain TCP to it
 *
 * Whether there is a service with a waypoint is asked in the node's own network, workloads first; everything else in
 * the pod's network, services first.
 *
 * @param choice drawn from for a weighted waypoint and for each choice of an endpoint
 */
export function plan(view: MeshView, request: OutboundRequest, choice: Choice): OutboundPlan {
  const { workload: source, originalDestination: to } = request
  if (isLoopback(to.ip) && request.ownPorts.has(to.port)) return refuse('attempted recursive call to ourselves')

  const addressed = addressedService(view, request)
  const serviceWaypoint = addressed && waypointOf(addressed, choice.random)
  if (addressed !== undefined && serviceWaypoint !== undefined) {
    return throughWaypoint(view, request, serviceWaypoint, { service: addressed, servicePort: to.port }, choice)
  }

  const upstream = findUpstream(view, request, choice)
  switch (upstream.kind) {
    case 'as-is':
      return asIs(to)
    case 'none':
      return addressed === undefined ? asIs(to) : refuse(`no healthy upstream: ${formatSocketAddress(to)}`)
    case 'no-port':
      return refuse(`no port ${to.port} of service ${serviceKey(upstream.service)} at ${upstream.workload.uid}`)
    case 'found':
      break
  }

  const { workload, service, port } = upstream
  if (workload.network !== source.network) {
    return throughGateway(view, request, { service, servicePort: to.port, hopService: service, workload }, choice)
  }
  if (addressed === undefined && workload.waypoint !== undefined && !isFromWaypoint(view, request, workload.waypoint)) {
    return throughWaypoint(view, request, workload.waypoint, { service: undefined, servicePort: undefined }, choice)
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
  if (hop === 'endpoint' && workload.protocol === 'TCP')
    return { kind: 'passthrough', target: socket, destination, hopService }
  const acceptedPeers = acceptedIdentities(hopService, workload)
  if (acceptedPeers.length === 0) return refuse(`no identity is known for workload ${workload.uid}`)
  const facts = { acceptedPeers, destination, hopService }
  switch (hop) {
    case 'endpoint':
      return {
        kind: 'tunnel',
        hop,
        peer: { ip, port: HBONE_PORT },
        authority: { kind: 'address', ...socket },
        ...facts,
      }
    case 'waypoint':
      return { kind: 'tunnel', hop, peer: socket, authority: { kind: 'address', ...originalDestination }, ...facts }
    case 'gateway':
      return { kind: 'double-tunnel', peer: socket, behind: unresolved.behind, ...facts }
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
function findUpstream(view: MeshView, request: OutboundRequest, choice: Choice): Upstream {
  const { workload: source, originalDestination: to } = request
  const service = view.serviceByVip(source.network, to.ip, source.namespace)
  if (service === undefined) {
    const workload = view.workloadByIp(source.network, to.ip)
    return workload === undefined ? { kind: 'none' } : { kind: 'found', workload, service: undefined, port: to.port }
  }
  if (service.loadBalancer?.mode === 'Passthrough') return { kind: 'as-is' }
  const pickRequest = { source, service, servicePort: to.port, mode: 'standard' } as const
  const endpoint = pick(view.endpoints(serviceKey(service)), pickRequest, choice)
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
  choice: Choice,
): OutboundPlan {
  const { workload: source, originalDestination: to } = request
  const found = pickBehind(view, reference, source, 'waypoint', choice)
  if (found === undefined) return refuse(`unknown waypoint: ${gatewayName(reference)}`)
  const { workload, hopService, port } = found
  if (workload.network !== source.network) {
    return throughGateway(view, request, { ...asked, hopService, workload }, choice)
  }
  return toHop(
    { hop: 'waypoint', workload, hopService, port, originalDestination: to, destination: { ...asked, workload } },
    familyHint(reference, to),
  )
}

/** What lies in another network: an endpoint, or a waypoint, of the service that was asked for. */
interface Remote {
  readonly service: Service | undefined
  readonly servicePort: number | undefined
  /** Whose names are accepted there: the service itself, or its waypoint. */
  readonly hopService: Service | undefined
  readonly workload: Workload
}

/** Only what has a name can be asked for in another network: straight to its address would reach someone else. */
function throughGateway(view: MeshView, request: OutboundRequest, remote: Remote, choice: Choice): OutboundPlan {
  const { workload: source, originalDestination: to } = request
  const { service, servicePort, workload } = remote
  const where = `workload ${workload.uid} is on network ${JSON.stringify(workload.network)}`
  const reference = workload.networkGateway
  if (reference === undefined) return refuse(`${where}, which has no network gateway`)
  if (service === undefined || servicePort === undefined) return refuse(`${where} and was not addressed as a service`)
  const found = pickBehind(view, reference, source, 'standard', choice)
  if (found === undefined) return refuse(`unknown network gateway: ${gatewayName(reference)}`)
  const behind: BehindGateway = {
    acceptedPeers: spiffeNamesOf(remote.hopService),
    authority: { kind: 'hostname', hostname: service.hostname, port: servicePort },
  }
  const destination = { service, servicePort, workload: found.workload }
  return toHop({ hop: 'gateway', behind, ...found, originalDestination: to, destination }, familyHint(reference, to))
}

/** One of the workloads behind a reference, and its HBONE port. */
function pickBehind(
  view: MeshView,
  reference: GatewayAddress,
  source: Workload,
  mode: ResolutionMode,
  choice: Choice,
): Pick<UnresolvedHop, 'workload' | 'hopService' | 'port'> | undefined {
  const gateway = findGateway(view, reference, source.namespace)
  if (gateway === undefined) return undefined
  const servicePort = reference.hboneMtlsPort
  if (gateway.kind === 'workload') {
    return servicePort === 0 ? undefined : { workload: gateway.workload, hopService: undefined, port: servicePort }
  }
  const { service } = gateway
  const endpoint = pick(view.endpoints(serviceKey(service)), { source, service, servicePort, mode }, choice)
  const port = endpoint && targetPortOf(endpoint, service, servicePort)
  return endpoint === undefined || port === undefined
    ? undefined
    : { workload: endpoint.workload, hopService: service, port }
}

/** Whose family is preferred: that of the reference when it is an address, else what the client used. */
function familyHint({ destination }: GatewayAddress, to: SocketAddress): IpAddress {
  return destination.kind === 'address' ? destination.ip : to.ip
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
  const names = spiffeNamesOf(service)
  const own = workloadIdentity(workload)
  return [...new Set(own === undefined ? names : [...names, own])]
}

function spiffeNamesOf(service: Service | undefined): readonly SpiffeId[] {
  return service?.subjectAltNames.flatMap((name) => parseSpiffeId(name) ?? []) ?? []
}

function asIs(target: SocketAddress): OutboundPlan {
  return { kind: 'passthrough', target, destination: UNKNOWN_DESTINATION, hopService: undefined }
}

function refuse(reason: string): Extract<OutboundPlan, { kind: 'refuse' }> {
  return { kind: 'refuse', reason }
}
