import type { Endpoint } from '#shared/mesh-state'
import type { LoadBalancingScope, Service, Workload } from '#shared/model'
import type { IpAddress, IpFamily } from '#shared/net'
import { ipFamily } from '#shared/net'
import type { Choice } from './types.ts'

/** The rank of an endpoint that may not be picked. */
const NOT_USABLE = -1

/** Why an endpoint is looked for: to reach a service or a gateway, or a service's waypoint. */
export type ResolutionMode = 'standard' | 'waypoint'

export interface PickRequest {
  /** The pod that connects. */
  readonly source: Workload
  readonly service: Service
  /** A port of the service. */
  readonly servicePort: number
  readonly mode: ResolutionMode
}

/**
 * Chooses one endpoint (hbone-and-ztunnel e.2, 2–4): drops what cannot be reached or has failed already, keeps what the
 * service's load balancing prefers, and draws by capacity. Two passes and no list in between, since a service may have
 * thousands of endpoints and this happens for each connection (bench/micro/plan.ts).
 *
 * @returns undefined when no endpoint is left
 */
export function pick(endpoints: readonly Endpoint[], request: PickRequest, choice: Choice): Endpoint | undefined {
  const servicePort = portOfService(request.service, request.servicePort)
  if (servicePort === undefined && request.mode === 'standard') return undefined
  let bestRank = NOT_USABLE
  let total = 0
  for (const endpoint of endpoints) {
    const rank = rankOf(endpoint, request, servicePort, choice)
    if (rank < bestRank) continue
    if (rank > bestRank) total = 0
    bestRank = rank
    total += endpoint.workload.capacity
  }
  if (bestRank === NOT_USABLE) return undefined

  const draw = (): Endpoint | undefined => {
    let left = choice.random() * total
    let last: Endpoint | undefined
    for (const endpoint of endpoints) {
      const { capacity } = endpoint.workload
      if (capacity === 0 || rankOf(endpoint, request, servicePort, choice) !== bestRank) continue
      last = endpoint
      left -= capacity
      if (left < 0) break
    }
    return last
  }
  const drawn = draw()
  const { loadOf } = choice
  return loadOf === undefined || drawn === undefined ? drawn : lessBusy(drawn, draw() ?? drawn, loadOf)
}

/** Two random ones and the better of them: nearly as even as the best of all, and never a herd on one newcomer. */
function lessBusy(first: Endpoint, second: Endpoint, loadOf: (uid: string) => number): Endpoint {
  const busyness = ({ workload }: Endpoint): number => loadOf(workload.uid) / workload.capacity
  return busyness(second) < busyness(first) ? second : first
}

/**
 * The port of the picked workload behind a service's port.
 *
 * @returns undefined when nobody says it; 0 never comes back, since it cannot be dialled
 */
export function targetPortOf(endpoint: Endpoint, service: Service, servicePort: number): number | undefined {
  const own = endpoint.ports.get(servicePort)
  if (own !== undefined) return own > 0 ? own : undefined
  const shared = portOfService(service, servicePort) ?? 0
  if (shared > 0) return shared
  return (endpoint.workload.applicationTunnel?.port ?? 0) > 0 ? servicePort : undefined
}

/**
 * The address at which a workload is dialled: the one the client used when it is the workload's own, else the first
 * that the service's families allow, preferably of the client's family. Undefined when there is none.
 */
export function addressOf(
  workload: Workload,
  service: Service | undefined,
  originalIp: IpAddress,
): IpAddress | undefined {
  if (workload.addresses.includes(originalIp)) return originalIp
  const families = familiesFor(service, originalIp)
  for (const family of families) {
    const ip = workload.addresses.find((address) => ipFamily(address) === family)
    if (ip !== undefined) return ip
  }
  return undefined
}

/** Families that a service may be reached by, the client's own first. */
export function familiesFor(service: Service | undefined, originalIp: IpAddress): readonly IpFamily[] {
  if (service?.ipFamilies === 'IPv4') return [4]
  if (service?.ipFamilies === 'IPv6') return [6]
  return ipFamily(originalIp) === 4 ? [4, 6] : [6, 4]
}

/** By an address, by a name to look up, or through the gateway of another network. */
function canBeReached(workload: Workload, source: Workload): boolean {
  if (workload.addresses.length > 0 || workload.hostname !== '') return true
  return workload.network !== source.network && workload.networkGateway !== undefined
}

/** Target port of a service's port: 0 = the endpoint says; undefined = no port of the service. */
function portOfService(service: Service, servicePort: number): number | undefined {
  return service.ports.find((port) => port.servicePort === servicePort)?.targetPort
}

/**
 * How much an endpoint is preferred: `NOT_USABLE`, or 0 and more. `Standard` knows no preference, `Strict` takes those
 * that match every scope; else it is the number of leading scopes that match. When the network comes first, endpoints
 * of other networks are ranked by the scopes behind it, and every one of the same network outranks them.
 */
function rankOf(
  { workload, ports }: Endpoint,
  request: PickRequest,
  targetPort: number | undefined,
  { avoided }: Choice,
): number {
  const { source, mode, service } = request
  if (avoided?.has(workload.uid) || !canBeReached(workload, source)) return NOT_USABLE
  const hasPort =
    mode === 'standard'
      ? (targetPort ?? 0) > 0 || ports.has(request.servicePort)
      : targetPort !== undefined || workload.applicationTunnel !== undefined
  if (!hasPort) return NOT_USABLE
  const balancer = service.loadBalancer
  if (balancer === undefined || balancer.mode === 'Standard') return 0
  const scopes = balancer.routingPreferences
  if (balancer.mode === 'Strict') return leadingMatches(scopes, source, workload) === scopes.length ? 0 : NOT_USABLE
  if (scopes[0] !== 'Network') return leadingMatches(scopes, source, workload)
  const others = scopes.slice(1)
  const rank = leadingMatches(others, source, workload)
  return isSame('Network', source, workload) ? rank + scopes.length : rank
}

function leadingMatches(scopes: readonly LoadBalancingScope[], source: Workload, workload: Workload): number {
  const firstMiss = scopes.findIndex((scope) => !isSame(scope, source, workload))
  return firstMiss < 0 ? scopes.length : firstMiss
}

function isSame(scope: LoadBalancingScope, a: Workload, b: Workload): boolean {
  switch (scope) {
    case 'Region':
      return a.locality.region === b.locality.region
    case 'Zone':
      return a.locality.zone === b.locality.zone
    case 'Subzone':
      return a.locality.subzone === b.locality.subzone
    case 'Node':
      return a.node === b.node
    case 'Cluster':
      return a.clusterId === b.clusterId
    case 'Network':
      return a.network === b.network
  }
}

/** The place of a random item, each as likely as its weight; undefined when all weights are 0. */
export function drawWeighted<T>(
  items: readonly T[],
  weightOf: (item: T) => number,
  random: () => number,
): number | undefined {
  let total = 0
  for (const item of items) total += weightOf(item)
  let left = random() * total
  let last: number | undefined
  for (const [index, item] of items.entries()) {
    const weight = weightOf(item)
    if (weight <= 0) continue
    last = index
    left -= weight
    if (left < 0) return index
  }
  return last // rounding left nothing: the draw was at the very end
}
