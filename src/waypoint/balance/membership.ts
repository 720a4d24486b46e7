import type { ConnectTarget } from '#shared/hbone'
import type { Endpoint as MeshEndpoint } from '#shared/mesh-state'
import type { Service, Workload } from '#shared/model'
import { ipFamily } from '#shared/net'
import type { WaypointView } from '../state/index.ts'
import type { ClusterBackend } from './types.ts'

/** An endpoint of a cluster before it has counts. */
export interface Member {
  readonly workload: Workload
  readonly address: ConnectTarget
}

export interface MembershipFacts {
  readonly service: Service
  readonly backend: ClusterBackend
  /** What the subset asks for; undefined = a subset that nobody has described. */
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly network: string
  readonly labelsOf: WaypointView['labelsOf']
}

/**
 * The endpoints of a cluster: those that its service's health policy let through, that belong to the subset, and that can
 * be dialled from here. Workloads of capacity 0 are never picked, and so are left out.
 */
export function membersOf(endpoints: readonly MeshEndpoint[], facts: MembershipFacts): readonly Member[] {
  const { service, backend, labels, network, labelsOf } = facts
  const shared = service.ports.find((port) => port.servicePort === backend.port)?.targetPort
  if (labels === undefined || shared === undefined) return []
  const wanted = Object.entries(labels)
  const members: Member[] = []
  for (const { workload, ports } of endpoints) {
    if (workload.capacity <= 0) continue
    if (wanted.length > 0 && !holds(labelsOf(workload.uid), wanted)) continue
    const address =
      workload.network === network
        ? addressHere(workload, service, ownPort(workload, ports, backend.port, shared))
        : addressElsewhere(workload, service, backend.port)
    if (address !== undefined) members.push({ workload, address })
  }
  return members
}

function holds(
  labels: Readonly<Record<string, string>>,
  wanted: readonly (readonly [name: string, value: string])[],
): boolean {
  return wanted.every(([name, value]) => labels[name] === value)
}

/** The workload's own mapping first: named ports differ from pod to pod. 0 cannot be dialled. */
function ownPort(
  workload: Workload,
  ports: ReadonlyMap<number, number>,
  servicePort: number,
  shared: number,
): number | undefined {
  const port = ports.get(servicePort) ?? shared
  if (port > 0) return port
  return (workload.applicationTunnel?.port ?? 0) > 0 ? servicePort : undefined
}

function addressHere(
  { addresses, hostname }: Workload,
  service: Service,
  port: number | undefined,
): ConnectTarget | undefined {
  if (port === undefined) return undefined
  const only = service.ipFamilies === 'IPv4' ? 4 : service.ipFamilies === 'IPv6' ? 6 : undefined
  for (const ip of addresses) if (only === undefined || ipFamily(ip) === only) return { kind: 'address', ip, port }
  return hostname === '' ? undefined : { kind: 'hostname', hostname, port }
}

/** Behind the gateway of another network the service is asked for by name; without a gateway it cannot be reached. */
function addressElsewhere(
  { networkGateway }: Workload,
  { hostname }: Service,
  servicePort: number,
): ConnectTarget | undefined {
  return networkGateway === undefined ? undefined : { kind: 'hostname', hostname, port: servicePort }
}
