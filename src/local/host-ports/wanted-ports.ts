import type { ServicePort, ServiceRecord } from '../services/index.ts'

/** A port of the machine's loopback that leads to a service. */
export interface HostPort {
  readonly port: number
  /** `namespace/name`. */
  readonly service: string
  readonly servicePort: ServicePort
  /** What it is in the Service, for people. */
  readonly field: string
}

/** Whether this machine plays the load balancer of a service. */
export function isLoadBalanced({ type, isOfOtherClass }: ServiceRecord): boolean {
  return type === 'LoadBalancer' && !isOfOtherClass
}

export interface WantedPorts {
  readonly wanted: ReadonlyMap<number, HostPort>
  /** What cannot be had, since another service has it. */
  readonly lost: readonly (HostPort & { readonly owner: string })[]
}

/**
 * Ports of the machine that services ask for: node ports, and of load balancers the service's own. Several services may
 * ask for one port, of which one can have it: who has it now keeps it, else the first by name. UDP is not carried.
 */
export function wantedPorts(
  services: readonly ServiceRecord[],
  ownerOf: (port: number) => string | undefined,
): WantedPorts {
  const asked = Map.groupBy(askedPorts(services), ({ port }) => port)
  const wanted = new Map<number, HostPort>()
  const lost: WantedPorts['lost'][number][] = []
  for (const [port, each] of asked) {
    const winner = each.find(({ service }) => service === ownerOf(port)) ?? each[0]
    if (winner === undefined) continue
    wanted.set(port, winner)
    const others = each.filter(({ service }) => service !== winner.service)
    lost.push(...others.map((other) => ({ ...other, owner: winner.service })))
  }
  return { wanted, lost }
}

/** Node ports come first, since each of them is one service's only. */
function askedPorts(services: readonly ServiceRecord[]): readonly HostPort[] {
  const sorted = services.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  const nodePorts = sorted.flatMap((service) =>
    tcpPorts(service).flatMap(({ port, i }) =>
      port.nodePort === 0 ? [] : [hostPort(port.nodePort, service, port, `spec.ports[${i}].nodePort`)],
    ),
  )
  const own = sorted
    .filter(isLoadBalanced)
    .flatMap((service) =>
      tcpPorts(service).map(({ port, i }) => hostPort(port.port, service, port, `spec.ports[${i}].port`)),
    )
  return [...nodePorts, ...own]
}

function tcpPorts({ ports }: ServiceRecord): readonly { readonly port: ServicePort; readonly i: number }[] {
  return ports.map((port, i) => ({ port, i })).filter(({ port }) => port.protocol === 'TCP')
}

function hostPort(port: number, { key }: ServiceRecord, servicePort: ServicePort, field: string): HostPort {
  return { port, service: key, servicePort, field }
}
