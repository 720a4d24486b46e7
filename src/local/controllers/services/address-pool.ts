import { type Cidr, cidrContains, type IpAddress, ipFromBytes, ipToBytes, parseIp } from '#shared/net'

/** As in Kubernetes: the first part of a range is left to addresses that users write down. */
const MAX_RESERVED = 256

/** Numbers with owners; a free choice goes round, so that what was just released is not given out at once. */
class NumberPool {
  readonly #first: number
  readonly #firstDynamic: number
  readonly #last: number
  readonly #owners = new Map<number, string>()
  #next: number

  constructor(first: number, last: number) {
    const size = last - first + 1
    this.#first = first
    // Kubernetes: min(max(16, size / 16), 256), and nothing of a tiny range.
    this.#firstDynamic = first + (size < 32 ? 0 : Math.min(Math.max(16, Math.floor(size / 16)), MAX_RESERVED))
    this.#last = last
    this.#next = this.#firstDynamic
  }

  ownerOf(number: number): string | undefined {
    return this.#owners.get(number)
  }

  has(number: number): boolean {
    return number >= this.#first && number <= this.#last
  }

  /** @returns false when it is another's */
  claim(number: number, owner: string): boolean {
    const current = this.#owners.get(number)
    if (current !== undefined && current !== owner) return false
    this.#owners.set(number, owner)
    return true
  }

  /** @returns undefined when all are taken */
  take(owner: string): number | undefined {
    const free =
      this.#free(this.#next, this.#last) ??
      this.#free(this.#firstDynamic, this.#next - 1) ??
      this.#free(this.#first, this.#firstDynamic - 1)
    if (free === undefined) return undefined
    this.#owners.set(free, owner)
    this.#next = free >= this.#last ? this.#firstDynamic : free + 1
    return free
  }

  release(number: number, owner: string): void {
    if (this.#owners.get(number) === owner) this.#owners.delete(number)
  }

  #free(from: number, to: number): number | undefined {
    for (let number = from; number <= to; number++) if (!this.#owners.has(number)) return number
    return undefined
  }
}

/** Hosts of a range that are given out at most: a /16 of IPv4, and as many of IPv6. */
const MAX_HOSTS = 65_534

/** Addresses of one range with the services that have them. */
export class AddressPool {
  readonly range: Cidr
  readonly #base: bigint
  readonly #numbers: NumberPool

  constructor(range: Cidr) {
    const hostBits = range.network.length * 8 - range.prefixBits
    this.range = range
    this.#base = toNumber(range.network)
    // Neither the network's own address nor IPv4's broadcast.
    this.#numbers = new NumberPool(1, Math.min(MAX_HOSTS, 2 ** Math.min(hostBits, 17) - 2))
  }

  contains(ip: IpAddress): boolean {
    return cidrContains(this.range, ip) && this.#numbers.has(this.#hostOf(ip))
  }

  ownerOf(ip: IpAddress): string | undefined {
    return this.#numbers.ownerOf(this.#hostOf(ip))
  }

  claim(ip: IpAddress, owner: string): boolean {
    return this.#numbers.claim(this.#hostOf(ip), owner)
  }

  take(owner: string): IpAddress | undefined {
    const host = this.#numbers.take(owner)
    return host === undefined ? undefined : this.#addressOf(host)
  }

  release(ip: IpAddress, owner: string): void {
    this.#numbers.release(this.#hostOf(ip), owner)
  }

  #hostOf(ip: IpAddress): number {
    return Number(toNumber(ipToBytes(ip)) - this.#base)
  }

  #addressOf(host: number): IpAddress {
    const hex = (this.#base + BigInt(host)).toString(16).padStart(this.range.network.length * 2, '0')
    const ip = parseIp(ipFromBytes(Buffer.from(hex, 'hex')) ?? '')
    if (ip === undefined) throw new TypeError(`host ${host} of a range is no address`)
    return ip
  }
}

/** Ports that NodePort services get on every node. */
export class PortPool {
  readonly #numbers: NumberPool
  readonly first: number
  readonly last: number

  constructor(first: number, last: number) {
    this.first = first
    this.last = last
    this.#numbers = new NumberPool(first, last)
  }

  ownerOf(port: number): string | undefined {
    return this.#numbers.ownerOf(port)
  }

  has(port: number): boolean {
    return this.#numbers.has(port)
  }

  claim(port: number, owner: string): boolean {
    return this.#numbers.claim(port, owner)
  }

  take(owner: string): number | undefined {
    return this.#numbers.take(owner)
  }

  release(port: number, owner: string): void {
    this.#numbers.release(port, owner)
  }
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}
