import { cidrContains, type IpAddress, type IpFamily, ipFamily, ipToBytes, parseCidr, parseIp } from '#shared/net'
import { SERVICE_CIDRS, serviceAddress } from './address-plan.ts'
import { HostNumbers } from './host-numbers.ts'

export interface AddressedService {
  /** `namespace/name`. */
  readonly key: string
  /** What its user wrote; empty asks for any. */
  readonly wanted: readonly string[]
}

export interface AddressProblem {
  readonly key: string
  readonly problem: string
}

/** Kubernetes keeps the low part of its range for addresses that users write down. */
const FIRST_DYNAMIC = 256

/** Service addresses, one of each family with the same host number; kept as long as the service is there. */
export class ServiceAddresses {
  readonly #families: readonly IpFamily[]
  readonly #dynamic = new HostNumbers(FIRST_DYNAMIC, 65_534, 'services')
  readonly #given = new Map<string, { readonly ips: readonly IpAddress[]; readonly host: number | undefined }>()

  constructor(families: readonly IpFamily[]) {
    this.#families = families
  }

  /** Gives every service its addresses and takes back those of the others. */
  assign(services: readonly AddressedService[]): readonly AddressProblem[] {
    const problems: AddressProblem[] = []
    const byKey = new Map(services.map((service) => [service.key, service]))
    for (const [key, { ips, host }] of this.#given) {
      const wanted = byKey.get(key)?.wanted
      if (wanted !== undefined && (wanted.length === 0 ? host !== undefined : sameTexts(wanted, ips))) continue
      this.#given.delete(key)
      if (host !== undefined) this.#dynamic.release(host)
    }
    // Written addresses come first, so that a free choice never takes one of them.
    for (const { key, wanted } of services) {
      if (wanted.length === 0 || this.#given.has(key)) continue
      const problem = this.#claim(key, wanted)
      if (problem !== undefined) problems.push({ key, problem })
    }
    for (const { key, wanted } of services) {
      if (wanted.length > 0 || this.#given.has(key)) continue
      const host = this.#dynamic.take()
      this.#given.set(key, { host, ips: this.#families.map((family) => serviceAddress(family, host)) })
    }
    return problems
  }

  of(key: string): readonly IpAddress[] {
    return this.#given.get(key)?.ips ?? []
  }

  #claim(key: string, wanted: readonly string[]): string | undefined {
    const ips = wanted.flatMap((text) => parseIp(text) ?? [])
    for (const ip of ips) {
      const cidr = parseCidr(SERVICE_CIDRS[ipFamily(ip)])
      if (cidr === undefined || !cidrContains(cidr, ip))
        return `${ip} is not in the service range ${SERVICE_CIDRS[ipFamily(ip)]}`
      if (hostOf(ip) >= FIRST_DYNAMIC)
        return `${ip} may be given to another service; write one whose last 16 bits are below ${FIRST_DYNAMIC}`
      const owner = [...this.#given].find(([, other]) => other.ips.includes(ip))?.[0]
      if (owner !== undefined) return `${ip} is the address of ${owner}`
    }
    this.#given.set(key, { ips, host: undefined })
    return undefined
  }
}

function hostOf(ip: IpAddress): number {
  const bytes = ipToBytes(ip)
  return ((bytes.at(-2) ?? 0) << 8) | (bytes.at(-1) ?? 0)
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text) => b.includes(text))
}
