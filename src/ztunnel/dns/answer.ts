import { CLASS_IN, type DomainName, lowerCase, type Question, type ResourceRecord, recordTypes } from '#shared/dns'
import { isVisible, type MeshView } from '#shared/mesh-state'
import { type Service, serviceKey, type Workload } from '#shared/model'
import { type IpAddress, type IpFamily, ipFamily } from '#shared/net'
import { candidateNames, wildcardsOf } from './candidates.ts'

/** What the mesh is asked by: the client sees its own namespace and network of it. */
export interface MeshQuestion {
  readonly client: Workload
  /** For A or AAAA. */
  readonly question: Question
}

export interface AnswerSettings {
  readonly view: Pick<MeshView, 'servicesByHostname' | 'endpoints'>
  /** The cluster's domain, in lower case. */
  readonly domain: DomainName
  readonly isIpv6Enabled: boolean
  /** Whose service wins when neither the client's namespace nor a canonical service does. */
  readonly preferredNamespace: string | undefined
  readonly random: () => number
}

/** What the mesh says to a question. Without a record: the name is there, but not with such an address. */
export type MeshAnswer =
  | {
      readonly kind: 'known'
      readonly records: readonly ResourceRecord[]
      /** As Istio's log has it. */
      readonly result: 'success' | 'no records' | 'service does not support this record type'
    }
  | { readonly kind: 'unknown' }

const TTL_SECONDS = 30

/** Host names have no other characters; what has is not looked up, and so cannot be taken for something else. */
const HOST_LABEL = /^[a-z0-9_*-]+$/

/** Answers for the services of the mesh (hbone-and-ztunnel j.2 to j.4). Workloads' own names are not among them. */
export function answerFromMesh({ client, question }: MeshQuestion, settings: AnswerSettings): MeshAnswer {
  const asked = question.name.map(lowerCase)
  if (!asked.every((label) => HOST_LABEL.test(label))) return { kind: 'unknown' }
  const hit = find(asked, client, settings)
  if (hit === undefined) return { kind: 'unknown' }
  const family: IpFamily = question.type === recordTypes.AAAA ? 6 : 4
  if (!offers(hit.service, family, settings.isIpv6Enabled))
    return { kind: 'known', records: [], result: 'service does not support this record type' }
  const ips = shuffled(addressesOf(hit.service, family, client, settings), settings.random)
  if (ips.length === 0) return { kind: 'known', records: [], result: 'no records' }
  const owner = hit.alias ?? asked
  const alias: readonly ResourceRecord[] =
    hit.alias === undefined ? [] : [{ ...recordOf(asked), type: 'CNAME', target: hit.alias }]
  const type = family === 6 ? 'AAAA' : 'A'
  return {
    kind: 'known',
    records: [...alias, ...ips.map((ip): ResourceRecord => ({ ...recordOf(owner), type, ip }))],
    result: 'success',
  }
}

interface Hit {
  readonly service: Service
  /** The name that the addresses stand on, when it is not the one that was asked for. */
  readonly alias: DomainName | undefined
}

function find(asked: DomainName, client: Workload, settings: AnswerSettings): Hit | undefined {
  for (const { name, strippedTo } of candidateNames(asked, client.namespace, settings.domain)) {
    for (const [i, hostname] of wildcardsOf(name).entries()) {
      const service = bestOf(hostname.join('.'), client, settings)
      const isWildcard = i > 0
      if (service !== undefined) return { service, alias: isWildcard ? undefined : strippedTo }
    }
  }
  return undefined
}

/** Of several services that share a name: the client's namespace, the last canonical one, the preferred namespace, the first. */
function bestOf(hostname: string, client: Workload, settings: AnswerSettings): Service | undefined {
  const { view, domain, preferredNamespace } = settings
  const isOfServices = hostname.endsWith(`.${['svc', ...domain].join('.')}`)
  const services = view
    .servicesByHostname(hostname)
    // Without an address of its own, only a Kubernetes service is one that has its endpoints'.
    .filter((service) => isVisible(service, client.namespace) && (service.vips.length > 0 || isOfServices))
  return (
    services.find(({ namespace }) => namespace === client.namespace) ??
    services.findLast(({ canonical }) => canonical) ??
    services.findLast(({ namespace }) => namespace === preferredNamespace) ??
    services[0]
  )
}

function offers({ ipFamilies }: Service, family: IpFamily, isIpv6Enabled: boolean): boolean {
  if (family === 6) return isIpv6Enabled && ipFamilies !== 'IPv4'
  return ipFamilies !== 'IPv6'
}

/** Its own ones in the client's network; of a headless service one of each endpoint, wherever that is. */
function addressesOf(service: Service, family: IpFamily, client: Workload, { view }: AnswerSettings): IpAddress[] {
  const isAsked = (ip: IpAddress): boolean => ipFamily(ip) === family
  if (service.vips.length > 0)
    return service.vips.flatMap(({ network, ip }) => (network === client.network && isAsked(ip) ? [ip] : []))
  return view.endpoints(serviceKey(service)).flatMap(({ workload }) => workload.addresses.find(isAsked) ?? [])
}

function recordOf(name: DomainName): {
  readonly name: DomainName
  readonly class: number
  readonly ttlSeconds: number
} {
  return { name, class: CLASS_IN, ttlSeconds: TTL_SECONDS }
}

/** Fisher–Yates: clients take the first. */
function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  const drawn = [...items]
  for (let i = drawn.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[drawn[i], drawn[j]] = [drawn[j] as T, drawn[i] as T]
  }
  return drawn
}
