import type { Clock } from '#shared/clock'
import { type Cidr, type IpAddress, parseIp } from '#shared/net'
import type {
  AdmissionHook,
  AdmissionOutcome,
  AdmissionRequest,
  FieldProblem,
  ObjectAccess,
} from '../../apiserver/index.ts'
import { keyOf, SERVICES } from '../core/kinds.ts'
import type { Service, ServicePort } from '../core/shapes.ts'
import { AddressPool, PortPool } from './address-pool.ts'

type Family = 'IPv4' | 'IPv6'

export interface ServiceAddressSettings {
  readonly clock: Clock
  /** One range for each family, the default family first; at least one. */
  readonly ranges: readonly Cidr[]
  /** Both inclusive; Kubernetes' own: 30000 to 32767. */
  readonly nodePorts: { readonly first: number; readonly last: number }
}

/** How long something given to a service is kept for it before the service is seen. */
const PENDING_MS = 30_000

/**
 * ClusterIPs and node ports. Given while a Service is being written, so that the answer to `kubectl expose` has them;
 * known from the services themselves, so that nothing leaks: what no service has, is free.
 */
export class ServiceAddresses {
  readonly #clock: Clock
  readonly #pools: ReadonlyMap<Family, AddressPool>
  readonly #families: readonly Family[]
  readonly #ports: PortPool
  /** What each service has been seen with. */
  readonly #seen = new Map<string, Holding>()

  constructor({ clock, ranges, nodePorts }: ServiceAddressSettings) {
    this.#clock = clock
    this.#families = ranges.map(({ family }) => (family === 4 ? 'IPv4' : 'IPv6'))
    this.#pools = new Map(ranges.map((range, i) => [this.#families[i] ?? 'IPv4', new AddressPool(range)]))
    this.#ports = new PortPool(nodePorts.first, nodePorts.last)
  }

  /** Learns what is there and follows it. @returns the end of following */
  follow(access: ObjectAccess): { stop(): void } {
    return access.watch({ group: '', resource: SERVICES.resource, namespace: '' }, ({ type, object }) => {
      const key = keyOf(object)
      const holding = type === 'DELETED' ? NOTHING : holdingOf(object as Service)
      const before = this.#seen.get(key) ?? NOTHING
      this.#claim(key, holding)
      this.#release(key, before, holding)
      if (type === 'DELETED') this.#seen.delete(key)
      else this.#seen.set(key, holding)
    })
  }

  /** For the server's list of hooks: fills in and checks addresses of a Service that is created or changed. */
  get hook(): AdmissionHook {
    return {
      name: 'service-addresses',
      handles: ({ definition, operation, stage, context }) =>
        definition.group === '' &&
        definition.plural === 'services' &&
        operation !== 'DELETE' &&
        stage === 'mutate' &&
        context.subresource === '',
      admit: async (request) => this.#admit(request),
    }
  }

  #admit({ object, old, context }: AdmissionRequest): AdmissionOutcome {
    const service = object as Service
    const key = keyOf(service)
    const problems: FieldProblem[] = []
    const spec = this.#filled(key, service, old as Service | undefined, problems)
    const given = holdingOf({ ...service, spec })
    const seen = this.#seen.get(key) ?? NOTHING
    if (problems.length > 0 || context.write.isDryRun) {
      this.#release(key, given, seen)
      if (problems.length > 0) return { kind: 'refused', message: 'the service cannot have these addresses', problems }
    } else {
      // A write that fails after all gives back what it took.
      this.#clock.setTimer(PENDING_MS, () => this.#release(key, given, this.#seen.get(key) ?? NOTHING))
    }
    return { kind: 'admitted', object: { ...service, spec }, warnings: [] }
  }

  #filled(key: string, service: Service, old: Service | undefined, problems: FieldProblem[]): Service['spec'] {
    const type = service.spec.type ?? 'ClusterIP'
    if (type === 'ExternalName') {
      const { clusterIP: _, clusterIPs: __, ipFamilies: ___, ipFamilyPolicy: ____, ...spec } = service.spec
      return { ...spec, ...(spec.ports === undefined ? {} : { ports: spec.ports.map(withoutNodePort) }) }
    }
    const spec = this.#withClusterIps(key, service, old?.spec.type === 'ExternalName' ? undefined : old, problems)
    const wantsPorts = type === 'NodePort' || (type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
    if (spec.ports === undefined) return spec
    if (!wantsPorts) return { ...spec, ports: type === 'ClusterIP' ? spec.ports.map(withoutNodePort) : spec.ports }
    return { ...spec, ports: spec.ports.map((port, i) => this.#withNodePort(key, port, i, old, problems)) }
  }

  #withClusterIps(key: string, service: Service, old: Service | undefined, problems: FieldProblem[]): Service['spec'] {
    const { spec } = service
    const asked = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])
    const oldIps = old?.spec.clusterIPs ?? []
    if (asked[0] === 'None' || (asked.length === 0 && oldIps[0] === 'None')) {
      const families =
        spec.ipFamilies ?? (spec.ipFamilyPolicy === 'SingleStack' ? this.#families.slice(0, 1) : this.#families)
      const ipFamilyPolicy = spec.ipFamilyPolicy ?? (families.length > 1 ? 'RequireDualStack' : 'SingleStack')
      return { ...spec, clusterIP: 'None', clusterIPs: ['None'], ipFamilies: families, ipFamilyPolicy }
    }
    const families = this.#familiesOf(spec, asked, old, problems)
    const ips = families.flatMap((family, i) => {
      const ip = this.#clusterIp(key, family, asked[i] || oldIps[i], i, problems)
      return ip === undefined ? [] : [ip]
    })
    const ipFamilyPolicy = spec.ipFamilyPolicy ?? (families.length > 1 ? 'PreferDualStack' : 'SingleStack')
    return { ...spec, clusterIP: ips[0] ?? '', clusterIPs: ips, ipFamilies: families, ipFamilyPolicy }
  }

  #familiesOf(
    spec: Service['spec'],
    asked: readonly string[],
    old: Service | undefined,
    problems: FieldProblem[],
  ): readonly Family[] {
    const named = spec.ipFamilies ?? old?.spec.ipFamilies ?? asked.flatMap((text) => familyOf(text) ?? [])
    const unknown = named.find((family) => !this.#pools.has(family))
    if (unknown !== undefined) {
      problems.push(invalid('spec.ipFamilies', unknown, 'not configured on this cluster'))
      return []
    }
    // Without a word about families, a mesh of both families is what users expect of a local cluster.
    const policy = spec.ipFamilyPolicy ?? (named.length === 1 ? 'SingleStack' : 'PreferDualStack')
    if (policy === 'RequireDualStack' && this.#families.length < 2) {
      problems.push(invalid('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services'))
    }
    if (policy === 'SingleStack') return named.length > 0 ? named.slice(0, 1) : this.#families.slice(0, 1)
    return [...named, ...this.#families.filter((family) => !named.includes(family))]
  }

  #clusterIp(
    key: string,
    family: Family,
    asked: string | undefined,
    i: number,
    problems: FieldProblem[],
  ): string | undefined {
    const pool = this.#pools.get(family)
    const field = `spec.clusterIPs[${i}]`
    if (asked === undefined) {
      const ip = pool?.take(key)
      if (ip === undefined) problems.push(full('spec.clusterIPs', 'no address of the range is free'))
      return ip
    }
    const ip = parseIp(asked)
    if (ip === undefined || familyOf(asked) !== family || pool === undefined || !pool.contains(ip)) {
      problems.push(invalid(field, asked, 'the provided IP is not in the valid range of service addresses'))
    } else if (!pool.claim(ip, key)) {
      problems.push(invalid(field, asked, 'provided IP is already allocated'))
    }
    return asked
  }

  #withNodePort(
    key: string,
    port: ServicePort,
    i: number,
    old: Service | undefined,
    problems: FieldProblem[],
  ): ServicePort {
    const field = `spec.ports[${i}].nodePort`
    const before = old?.spec.ports?.find(
      (each) => each.port === port.port && (each.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )?.nodePort
    const asked = port.nodePort || before
    if (asked === undefined) {
      const nodePort = this.#ports.take(key)
      if (nodePort === undefined) problems.push(full(field, 'no node port of the range is free'))
      return nodePort === undefined ? port : { ...port, nodePort }
    }
    if (!this.#ports.has(asked)) {
      const range = `${this.#ports.first}-${this.#ports.last}`
      problems.push(
        invalid(field, asked, `provided port is not in the valid range. The range of valid ports is ${range}`),
      )
    } else if (!this.#ports.claim(asked, key)) {
      problems.push(invalid(field, asked, 'provided port is already allocated'))
    }
    return { ...port, nodePort: asked }
  }

  #claim(key: string, { ips, ports }: Holding): void {
    for (const ip of ips) this.#poolOf(ip)?.claim(ip, key)
    for (const port of ports) if (this.#ports.has(port)) this.#ports.claim(port, key)
  }

  /** Frees what the service had and does not keep. */
  #release(key: string, had: Holding, keeps: Holding): void {
    for (const ip of had.ips) if (!keeps.ips.includes(ip)) this.#poolOf(ip)?.release(ip, key)
    for (const port of had.ports) if (!keeps.ports.includes(port)) this.#ports.release(port, key)
  }

  #poolOf(ip: IpAddress): AddressPool | undefined {
    return [...this.#pools.values()].find((pool) => pool.contains(ip))
  }

  /** How a stored service stands: after a start with other ranges, or from a state that was put together by hand. */
  check(service: Service): AddressState {
    const { type = 'ClusterIP', clusterIP, ports = [] } = service.spec
    if (type === 'ExternalName') return { kind: 'whole' }
    const { ips } = holdingOf(service)
    const key = keyOf(service)
    for (const ip of ips) {
      const pool = this.#poolOf(ip)
      if (pool === undefined)
        return { kind: 'foreign', problem: `cluster IP ${ip} is in no range of service addresses` }
      const owner = pool.ownerOf(ip)
      if (owner !== key) return { kind: 'foreign', problem: `cluster IP ${ip} belongs to ${owner ?? 'nobody'}` }
    }
    for (const { nodePort } of ports) {
      const owner = nodePort ? this.#ports.ownerOf(nodePort) : key
      if (owner !== key) return { kind: 'foreign', problem: `node port ${nodePort} belongs to ${owner ?? 'nobody'}` }
    }
    const lacksPort = type === 'NodePort' && ports.some(({ nodePort }) => !nodePort)
    const isLacking = lacksPort || (clusterIP !== 'None' && ips.length === 0)
    return isLacking ? { kind: 'lacking' } : { kind: 'whole' }
  }
}

/** `lacking` is filled by writing the service again; `foreign` cannot be changed in place, as users rely on an address. */
export type AddressState =
  | { readonly kind: 'whole' }
  | { readonly kind: 'lacking' }
  | { readonly kind: 'foreign'; readonly problem: string }

interface Holding {
  readonly ips: readonly IpAddress[]
  readonly ports: readonly number[]
}

const NOTHING: Holding = { ips: [], ports: [] }

function holdingOf({ spec }: Service): Holding {
  const texts = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP])
  return {
    ips: texts.flatMap((text) => parseIp(text) ?? []),
    ports: (spec.ports ?? []).flatMap(({ nodePort }) => nodePort || []),
  }
}

function familyOf(text: string): Family | undefined {
  const ip = parseIp(text)
  if (ip === undefined) return undefined
  return ip.includes(':') ? 'IPv6' : 'IPv4'
}

function withoutNodePort({ nodePort: _, ...port }: ServicePort): ServicePort {
  return port
}

function invalid(field: string, value: string | number, why: string): FieldProblem {
  return { field, reason: 'FieldValueInvalid', problem: `Invalid value: ${JSON.stringify(value)}: ${why}` }
}

function full(field: string, why: string): FieldProblem {
  return { field, reason: 'InternalError', problem: `Internal error: ${why}` }
}
