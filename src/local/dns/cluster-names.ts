import { type DomainName, formatName, isWithin, lowerCase, parseName, type RecordData } from '#shared/dns'
import { type IpAddress, ipFamily, parseIp } from '#shared/net'
import type { EndpointRecord, ServiceRecord, ServiceTable } from '../services/index.ts'
import { addressOfReverse } from './reverse-names.ts'

/** What names are made from. */
export type NameSource = Pick<
  ServiceTable,
  'hasNamespace' | 'service' | 'endpointsOf' | 'serviceAt' | 'endpointsAt' | 'podNamespaceAt'
>

/** What there is at a name. */
export type Found =
  /** All of its records; none: the name is there, and nothing at it. */
  | { readonly kind: 'records'; readonly records: readonly RecordData[] }
  | { readonly kind: 'alias'; readonly target: DomainName }
  | { readonly kind: 'nothing' }

/** Of the specification of names in Kubernetes clusters. */
const SPECIFICATION_VERSION = '1.1.0'
/** SRV weights of equals add up to this, as CoreDNS gives them. */
const WEIGHTS = 100
const NOTHING: Found = { kind: 'nothing' }
const EMPTY: Found = { kind: 'records', records: [] }

/** The names of one cluster, as the specification and CoreDNS have them; a pure function of `source`. */
export class ClusterNames {
  readonly domain: DomainName
  readonly #source: NameSource
  readonly #nameServers: readonly IpAddress[]

  /** @param nameServers where the DNS itself is asked */
  constructor(domain: DomainName, source: NameSource, nameServers: readonly IpAddress[]) {
    this.domain = domain
    this.#source = source
    this.#nameServers = nameServers
  }

  /**
   * @param wantsPorts whether a service's own name shall come with the places of all its ports
   * @returns undefined for a name that is outside of the cluster
   */
  find(name: DomainName, wantsPorts: boolean): Found | undefined {
    if (isWithin(name, this.domain)) {
      const below = name.slice(0, name.length - this.domain.length).map(lowerCase)
      return this.#below(below, wantsPorts)
    }
    const ip = addressOfReverse(name)
    return ip === undefined ? undefined : this.#reverse(ip)
  }

  get authority(): Extract<RecordData, { type: 'SOA' }> {
    return {
      type: 'SOA',
      primary: this.#nameServer,
      mailbox: ['hostmaster', ...this.domain],
      serial: 1,
      refreshSeconds: 7_200,
      retrySeconds: 1_800,
      expireSeconds: 86_400,
      minimumSeconds: 5,
    }
  }

  get #nameServer(): DomainName {
    return ['ns', 'dns', ...this.domain]
  }

  /** @param labels what stands before the cluster's domain, in lower case */
  #below(labels: readonly string[], wantsPorts: boolean): Found {
    const zone = labels.at(-1)
    const rest = labels.slice(0, -1)
    switch (zone) {
      case undefined:
        return { kind: 'records', records: [this.authority, { type: 'NS', target: this.#nameServer }] }
      case 'dns-version':
        return rest.length > 0
          ? NOTHING
          : { kind: 'records', records: [{ type: 'TXT', texts: [SPECIFICATION_VERSION] }] }
      case 'dns':
        if (rest.length === 0) return EMPTY
        return rest.length === 1 && rest[0] === 'ns' ? addresses(this.#nameServers) : NOTHING
      case 'svc':
        return this.#inServices(rest, wantsPorts)
      case 'pod':
        return this.#inPods(rest)
      default:
        return NOTHING
    }
  }

  /** `name.ns`, `endpoint.name.ns`, `_port._protocol.name.ns`. */
  #inServices(labels: readonly string[], wantsPorts: boolean): Found {
    const [namespace, name, ...inside] = labels.toReversed()
    if (namespace === undefined) return EMPTY
    if (name === undefined) return this.#source.hasNamespace(namespace) ? EMPTY : NOTHING
    const service = this.#source.service(`${namespace}/${name}`)
    if (service === undefined) return NOTHING
    const [first, second, ...deeper] = inside
    if (service.type === 'ExternalName') return first === undefined ? externalName(service) : NOTHING
    if (first === undefined) return this.#serviceItself(service, wantsPorts)
    if (deeper.length > 0) return NOTHING
    if (first.startsWith('_')) return this.#servicePort(service, first, second)
    return second === undefined ? this.#endpointNamed(service, first) : NOTHING
  }

  #serviceItself(service: ServiceRecord, wantsPorts: boolean): Found {
    const { clusterIps, ports } = service
    const ips = clusterIps.length > 0 ? clusterIps : this.#readyEndpoints(service).flatMap((endpoint) => endpoint.ips)
    // A headless service without ready endpoints has no name (specification §2.4.1).
    if (ips.length === 0) return NOTHING
    const places = wantsPorts ? this.#servicePorts(service, ports) : []
    return { kind: 'records', records: [...addressRecords(ips), ...places] }
  }

  #servicePort(service: ServiceRecord, protocol: string, portName: string | undefined): Found {
    const ofProtocol = service.ports.filter((port) => `_${lowerCase(port.protocol)}` === protocol)
    // `_tcp.name.ns` is only on the way to names of ports.
    if (portName === undefined) return ofProtocol.length > 0 ? EMPTY : NOTHING
    const named = ofProtocol.filter((port) => `_${port.name}` === portName)
    const records = this.#servicePorts(service, named)
    return records.length > 0 ? { kind: 'records', records } : NOTHING
  }

  /** A service's own name and port; of a headless one each endpoint's, which may listen on another. */
  #servicePorts(service: ServiceRecord, ports: ServiceRecord['ports']): readonly RecordData[] {
    const { namespace, name, clusterIps } = service
    const full = this.#fullName(name, namespace)
    const places = ports.flatMap(({ name: portName, protocol, port }) => {
      if (clusterIps.length > 0) return [{ port, target: full }]
      return this.#readyEndpoints(service).flatMap((endpoint) => {
        const its = endpoint.ports.find((each) => each.name === portName && each.protocol === protocol)?.port
        return its === undefined
          ? []
          : endpoint.ips.map((ip) => ({ port: its, target: [labelOf(endpoint, ip), ...full] }))
      })
    })
    // A pod with addresses of both families and a name of its own comes once.
    const once = new Map(places.map((place) => [`${place.port} ${formatName(place.target)}`, place]))
    const weight = Math.max(1, Math.floor(WEIGHTS / Math.max(1, once.size)))
    return [...once.values()].map((place) => ({ type: 'SRV', priority: 0, weight, ...place }))
  }

  #endpointNamed(service: ServiceRecord, label: string): Found {
    const ips = this.#readyEndpoints(service).flatMap((endpoint) =>
      endpoint.ips.filter((ip) => labelOf(endpoint, ip) === label),
    )
    return ips.length > 0 ? addresses(ips) : NOTHING
  }

  #readyEndpoints({ key }: ServiceRecord): readonly EndpointRecord[] {
    return this.#source.endpointsOf(key).filter(({ isReady }) => isReady)
  }

  /** `10-244-1-2.ns`: whatever address it is, as with `pods insecure` of CoreDNS, which kubeadm sets up. */
  #inPods(labels: readonly string[]): Found {
    const [namespace, label, ...deeper] = labels.toReversed()
    if (namespace === undefined) return EMPTY
    if (!this.#source.hasNamespace(namespace)) return NOTHING
    if (label === undefined) return EMPTY
    const ip = parseIp(label.replaceAll('-', '.')) ?? parseIp(label.replaceAll('-', ':'))
    return ip === undefined || deeper.length > 0 ? NOTHING : addresses([ip])
  }

  /** The service whose address it is, or the endpoint of each service, or the pod. */
  #reverse(ip: IpAddress): Found | undefined {
    const service = this.#source.serviceAt(ip)
    if (service !== undefined) return pointers([this.#fullName(service.name, service.namespace)])
    const endpoints = this.#source
      .endpointsAt(ip)
      .map(({ service: { name, namespace }, endpoint }) => [labelOf(endpoint, ip), ...this.#fullName(name, namespace)])
    if (endpoints.length > 0) return pointers(endpoints)
    const namespace = this.#source.podNamespaceAt(ip)
    return namespace === undefined ? undefined : pointers([[dashed(ip), namespace, 'pod', ...this.domain]])
  }

  #fullName(name: string, namespace: string): DomainName {
    return [name, namespace, 'svc', ...this.domain]
  }
}

/** CoreDNS gives the address when the external name is one. */
function externalName({ externalName: text }: ServiceRecord): Found {
  const ip = parseIp(text)
  if (ip !== undefined) return addresses([ip])
  const target = parseName(text)
  return target === undefined ? NOTHING : { kind: 'alias', target }
}

function labelOf({ hostname }: EndpointRecord, ip: IpAddress): string {
  return hostname === '' ? dashed(ip) : lowerCase(hostname)
}

function dashed(ip: IpAddress): string {
  return ip.replace(/[.:]/g, '-')
}

function addresses(ips: readonly IpAddress[]): Found {
  return { kind: 'records', records: addressRecords(ips) }
}

function addressRecords(ips: readonly IpAddress[]): readonly RecordData[] {
  return [...new Set(ips)].map((ip) => ({ type: ipFamily(ip) === 4 ? 'A' : 'AAAA', ip }))
}

function pointers(targets: readonly DomainName[]): Found {
  return { kind: 'records', records: targets.map((target) => ({ type: 'PTR', target })) }
}
