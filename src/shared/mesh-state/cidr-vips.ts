import type { Service } from '#shared/model'
import { type Cidr, cidrFromBytes, formatCidr, type IpAddress, ipToBytes } from '#shared/net'
import { Groups } from './groups.ts'
import { isVisible, type StoredService } from './preferred.ts'

/**
 * Services whose address is a network. A look-up asks once for each prefix length in use (at most 33 + 129), whatever
 * the number of services.
 */
export class CidrVips {
  /** Key `<network>/<cidr>`. */
  readonly #byCidr = new Groups<string, StoredService>()
  /** Address length in bytes → prefix length → how many are filed with it. */
  readonly #lengths: Readonly<Record<4 | 16, Map<number, number>>> = { 4: new Map(), 16: new Map() }

  add(stored: StoredService): void {
    for (const { network, cidr } of stored.service.cidrVips) {
      this.#byCidr.add(cidrKey(network, cidr), stored)
      this.#count(cidr, 1)
    }
  }

  remove(stored: StoredService): void {
    for (const { network, cidr } of stored.service.cidrVips) {
      this.#byCidr.remove(cidrKey(network, cidr), stored)
      this.#count(cidr, -1)
    }
  }

  /** The best visible one: of the client's namespace, then the longer prefix, then canonical, then the oldest. */
  find(network: string, ip: IpAddress, clientNamespace: string): Service | undefined {
    // Most meshes have none, and this is asked for each connection.
    if (this.#lengths[4].size === 0 && this.#lengths[16].size === 0) return undefined
    const bytes = ipToBytes(ip)
    const longestFirst = [...this.#lengths[bytes.length === 4 ? 4 : 16].keys()].sort((a, b) => b - a)
    let best: Service | undefined
    for (const prefixBits of longestFirst) {
      const cidr = cidrFromBytes(bytes, prefixBits)
      if (cidr === undefined) continue
      const visible = this.#byCidr
        .of(cidrKey(network, cidr))
        .flatMap(({ service }) => (isVisible(service, clientNamespace) ? [service] : []))
      const own = visible.find((service) => service.namespace === clientNamespace)
      if (own !== undefined) return own
      best ??= visible.find((service) => service.canonical) ?? visible[0]
    }
    return best
  }

  #count(cidr: Cidr, by: 1 | -1): void {
    const lengths = this.#lengths[cidr.family === 4 ? 4 : 16]
    const count = (lengths.get(cidr.prefixBits) ?? 0) + by
    if (count === 0) lengths.delete(cidr.prefixBits)
    else lengths.set(cidr.prefixBits, count)
  }
}

function cidrKey(network: string, cidr: Cidr): string {
  return `${network}/${formatCidr(cidr)}`
}
