import { createHash } from 'node:crypto'
import { type HostAddress, objectKey, type ServiceEntry } from '#shared/k8s'
import { cidrContains, type IpAddress, type IpFamily, ipFamily, ipFromBytes, parseCidr, parseIp } from '#shared/net'
import { isOlder } from './age.ts'

/** What one ServiceEntry wants of the addresses that are given out, or holds of them. */
export interface AddressWish {
  /** `namespace/name`. */
  readonly entry: string
  readonly namespace: string
  readonly name: string
  readonly creationTimestamp: string | undefined
  /** Hosts that need an address. */
  readonly hosts: readonly string[]
  /** What its status says that they have. */
  readonly held: readonly HostAddress[]
  /** Written by its author: nobody else may get them. */
  readonly fixed: readonly string[]
}

/** The addresses of the hosts of one ServiceEntry. */
export interface EntryAddresses {
  /** `namespace/name`. */
  readonly entry: string
  readonly addresses: readonly HostAddress[]
}

export interface AddressRanges {
  /** Addresses of 240.240.0.0/16 that may be given out, counted from .0.1. */
  readonly v4Count: number
}

const OPT_OUT = 'networking.istio.io/enable-autoallocate-ip'
const FAMILIES: readonly IpFamily[] = [4, 6]
/** Addresses of them are given out without the first and the last one. */
const RANGES = ['240.240.0.0/16', '2001:2::/48'].flatMap((range) => parseCidr(range) ?? [])
const V4_PREFIX = [240, 240]
const V6_PREFIX = [0x20, 0x01, 0, 2, 0, 0]
const USUAL: AddressRanges = { v4Count: 0xffff - 1 }

/** Undefined when the entry has nothing to do with automatic addresses (istio-control-plane a.1). */
export function addressWish(entry: ServiceEntry): AddressWish | undefined {
  const { metadata, spec, status } = entry
  const isAutomatic =
    spec.addresses.length === 0 && spec.resolution !== 'NONE' && metadata.labels[OPT_OUT]?.toLowerCase() !== 'false'
  const hosts = isAutomatic
    ? spec.hosts.filter((host) => !host.startsWith('*') || spec.resolution === 'DYNAMIC_DNS')
    : []
  const fixed = spec.addresses.filter(isOfRanges)
  if (hosts.length === 0 && fixed.length === 0) return undefined
  const { namespace, name, creationTimestamp } = metadata
  const held = status.addresses.filter(({ host }) => hosts.includes(host))
  return { entry: objectKey(entry), namespace, name, creationTimestamp, hosts, held, fixed }
}

/**
 * Gives each host an address of either family. What a status holds stays; of two that hold the same one the older keeps
 * it. Where a new one comes from follows from the host's own names, so that every process that knows the same entries
 * gives the same, even if nobody can write it down.
 */
export function allocateAddresses(
  wishes: readonly AddressWish[],
  ranges: AddressRanges = USUAL,
): readonly EntryAddresses[] {
  const taken = new Set(wishes.flatMap(({ fixed }) => fixed.map((text) => parseIp(text) ?? text)))
  const byAge = [...wishes].sort((a, b) => (isOlder(a, b) ? -1 : 1))
  const kept = new Map<string, IpAddress>()
  for (const wish of byAge) {
    for (const { host, value } of wish.held) {
      const ip = parseIp(value)
      if (ip === undefined || taken.has(ip) || kept.has(slot(wish, host, ipFamily(ip)))) continue
      taken.add(ip)
      kept.set(slot(wish, host, ipFamily(ip)), ip)
    }
  }
  return byAge.flatMap((wish) => {
    if (wish.hosts.length === 0) return []
    const addresses = wish.hosts.flatMap((host) =>
      FAMILIES.flatMap((family): HostAddress[] => {
        const ip = kept.get(slot(wish, host, family)) ?? firstFree(`${wish.entry}/${host}`, family, taken, ranges)
        if (ip === undefined) return []
        taken.add(ip)
        return [{ host, value: ip }]
      }),
    )
    return [{ entry: wish.entry, addresses }]
  })
}

function slot({ entry }: AddressWish, host: string, family: IpFamily): string {
  return `${entry} ${host} ${family}`
}

/** Undefined when all are taken. */
function firstFree(
  seed: string,
  family: IpFamily,
  taken: ReadonlySet<string>,
  { v4Count }: AddressRanges,
): IpAddress | undefined {
  const hash = createHash('sha256').update(seed).digest()
  const start = hash.readUInt32BE(0)
  for (let i = 0; i < v4Count; i++) {
    const ip = family === 4 ? v4(1 + ((start + i) % v4Count)) : v6(hash, i)
    if (!taken.has(ip)) return ip
  }
  return undefined
}

function v4(offset: number): IpAddress {
  return bytesToIp([...V4_PREFIX, offset >> 8, offset & 0xff])
}

/** Ten bytes of the hash, of which the last two go on counting. */
function v6(hash: Buffer, i: number): IpAddress {
  const tail = (hash.readUInt16BE(12) + i) % 0xffff
  return bytesToIp([...V6_PREFIX, ...hash.subarray(4, 12), (tail + 1) >> 8, (tail + 1) & 0xff])
}

function bytesToIp(bytes: readonly number[]): IpAddress {
  const ip = ipFromBytes(Uint8Array.from(bytes))
  if (ip === undefined) throw new Error(`${bytes.length} bytes are no address`)
  return ip
}

function isOfRanges(text: string): boolean {
  const ip = parseIp(text)
  return ip !== undefined && RANGES.some((range) => cidrContains(range, ip))
}
