import { type AllowedNamespaces, type Gateway, type GatewayClass, matchesSelector, type Namespace } from '#shared/k8s'
import type { ApplicationTunnel, GatewayAddress } from '#shared/model'
import { parseIp } from '#shared/net'

/** A Gateway that can be named by `istio.io/use-waypoint`: any that has an address, whatever its class. */
export interface Waypoint {
  readonly namespace: string
  readonly name: string
  readonly address: GatewayAddress
  /** `service`, `workload`, `all`, `none`; any other word is for nothing. */
  readonly traffic: string
  /** Whose services and workloads may use it. */
  readonly allowed: AllowedNamespaces
  /** It is for workloads of its namespace that run as this account, and for no others; undefined: for any. */
  readonly serviceAccount: string | undefined
  /** How a tunnel hands over what is for its pods; undefined: they speak HBONE themselves. */
  readonly binding: ApplicationTunnel | undefined
}

const WAYPOINT_FOR = 'istio.io/waypoint-for'
/** Ambit's own: a waypoint for one account. */
const FOR_SERVICE_ACCOUNT = 'istio.io/for-service-account'
const INBOUND_BINDING = 'ambient.istio.io/waypoint-inbound-binding'
export const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name'
/** Protocol of the listener by which a sandwiched waypoint says who may use it. */
const SANDWICH_PROTOCOL = 'istio.io/PROXY'
const HBONE_PORT = 15_008

export function waypointKey({ namespace, name }: Pick<Waypoint, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`
}

/**
 * Undefined while the Gateway has no address: it is not ready, or no waypoint at all.
 *
 * @param network of this cluster
 * @see istio-control-plane a.1, b.4
 */
export function waypointOf(
  gateway: Gateway,
  gatewayClass: GatewayClass | undefined,
  network: string,
): Waypoint | undefined {
  const address = addressOf(gateway, network)
  if (address === undefined) return undefined
  const { namespace, name, labels } = gateway.metadata
  const binding = inboundBinding(gateway, gatewayClass)
  return {
    namespace,
    name,
    address,
    traffic: labels[WAYPOINT_FOR] ?? gatewayClass?.metadata.labels[WAYPOINT_FOR] ?? 'service',
    allowed: allowedOf(gateway, binding),
    serviceAccount: gateway.metadata.annotations[FOR_SERVICE_ACCOUNT],
    binding,
  }
}

/**
 * The account whose workloads use the Gateway without being asked, as `namespace/name`: it is for that account, and says
 * itself that it is for workloads. Also while it is not ready: nothing takes its place.
 */
export function accountOf({ metadata }: Gateway): string | undefined {
  const { namespace, labels, annotations } = metadata
  const account = annotations[FOR_SERVICE_ACCOUNT]
  const isForWorkloads = labels[WAYPOINT_FOR] === 'workload' || labels[WAYPOINT_FOR] === 'all'
  return account === undefined || !isForWorkloads ? undefined : `${namespace}/${account}`
}

/** A host name is the better key: it is one for both families, and addresses change hands. */
function addressOf({ metadata, status }: Gateway, network: string): GatewayAddress | undefined {
  const hostname = status.addresses.find(({ type }) => type === 'Hostname')
  if (hostname !== undefined) {
    const destination = { kind: 'hostname', namespace: metadata.namespace, hostname: hostname.value } as const
    return { destination, hboneMtlsPort: HBONE_PORT }
  }
  for (const { type, value } of status.addresses) {
    const ip = type === 'IPAddress' ? parseIp(value) : undefined
    if (ip !== undefined) return { destination: { kind: 'address', network, ip }, hboneMtlsPort: HBONE_PORT }
  }
  return undefined
}

function inboundBinding(gateway: Gateway, gatewayClass: GatewayClass | undefined): ApplicationTunnel | undefined {
  const text = gateway.metadata.annotations[INBOUND_BINDING] ?? gatewayClass?.metadata.annotations[INBOUND_BINDING]
  return text === undefined ? undefined : readInboundBinding(text)
}

/** `PROXY`, `PROXY/15088`, `NONE`, `NONE/15088`; undefined for any other text, which says nothing. */
export function readInboundBinding(text: string): ApplicationTunnel | undefined {
  const [, protocol, digits] = /^(PROXY|NONE)(?:\/(\d{1,5}))?$/.exec(text) ?? []
  const port = Number(digits ?? 0)
  return (protocol === 'PROXY' || protocol === 'NONE') && port <= 65_535 ? { protocol, port } : undefined
}

/** What the listener says through which the waypoint is used; without such a one it is its namespace's own. */
function allowedOf({ spec }: Gateway, binding: ApplicationTunnel | undefined): AllowedNamespaces {
  const bound = spec.listeners.find(({ port, protocol }) => {
    if (binding === undefined) return false
    return binding.port === 0 ? binding.protocol === 'PROXY' && protocol === SANDWICH_PROTOCOL : port === binding.port
  })
  const listener = bound ?? spec.listeners.find(({ port, protocol }) => protocol === 'HBONE' && port === HBONE_PORT)
  return listener?.allowedRoutes.namespaces ?? { from: 'Same' }
}

/** Whether what is in a namespace may use the waypoint. */
export function allows(waypoint: Waypoint, namespace: string, object: Namespace | undefined): boolean {
  switch (waypoint.allowed.from) {
    case 'All':
      return true
    case 'Same':
      return waypoint.namespace === namespace
    case 'Selector':
      return matchesSelector(waypoint.allowed.selector, object?.metadata.labels ?? {})
  }
}
