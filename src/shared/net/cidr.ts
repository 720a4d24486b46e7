import { type IpAddress, type IpFamily, ipFamily, ipFromBytes, ipToBytes, parseIp } from './ip.ts'

/** A network with its host bits cleared. */
export interface Cidr {
  readonly family: IpFamily
  /** Network address in network order, host bits zero; 4 or 16 bytes. */
  readonly network: Uint8Array
  /** 0 to 32 or 128. */
  readonly prefixBits: number
}

/** Masks host bits; undefined when the bytes are no address or the prefix is too long. */
export function cidrFromBytes(bytes: Uint8Array, prefixBits: number): Cidr | undefined {
  const maxBits = bytes.length * 8
  if ((bytes.length !== 4 && bytes.length !== 16) || !Number.isInteger(prefixBits)) return undefined
  if (prefixBits < 0 || prefixBits > maxBits) return undefined
  const network = Uint8Array.from(bytes, (byte, i) => byte & maskOf(prefixBits - 8 * i))
  return { family: bytes.length === 4 ? 4 : 6, network, prefixBits }
}

/** Reads `address/bits`, or a lone address as a network of one. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', bits, ...rest] = text.split('/')
  const ip = parseIp(address)
  if (ip === undefined || rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return undefined
  const bytes = ipToBytes(ip)
  return cidrFromBytes(bytes, bits === undefined ? bytes.length * 8 : Number(bits))
}

/** Families never match each other. */
export function cidrContains(cidr: Cidr, ip: IpAddress): boolean {
  return ipFamily(ip) === cidr.family && cidrContainsBytes(cidr, ipToBytes(ip))
}

/** As `cidrContains`, for an address of 4 or 16 bytes in network order. */
export function cidrContainsBytes(cidr: Cidr, bytes: Uint8Array): boolean {
  if (bytes.length !== cidr.network.length) return false
  for (let i = 0; i < bytes.length; i++) {
    if (((bytes[i] ?? 0) & maskOf(cidr.prefixBits - 8 * i)) !== cidr.network[i]) return false
  }
  return true
}

export function formatCidr(cidr: Cidr): string {
  return `${ipFromBytes(cidr.network)}/${cidr.prefixBits}`
}

/** The mask of one byte of which the first `bits` count; any integer is taken. */
function maskOf(bits: number): number {
  if (bits >= 8) return 0xff
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff
}
