import { isIPv4, isIPv6 } from 'node:net'

declare const ipBrand: unique symbol

/** An IP address in its one canonical text: dotted IPv4, RFC 5952 IPv6; IPv4-mapped IPv6 is kept as IPv4. */
export type IpAddress = string & { readonly [ipBrand]: true }

export type IpFamily = 4 | 6

/** A TCP or UDP end point. */
export interface SocketAddress {
  readonly ip: IpAddress
  /** 0 to 65,535. */
  readonly port: number
}

/** Reads an address literal; undefined for anything else, zone ids and brackets included. */
export function parseIp(text: string): IpAddress | undefined {
  if (isIPv4(text)) return text as IpAddress
  if (!isIPv6(text) || text.includes('%')) return undefined
  return ipFromBytes(bytesOfIpv6(text))
}

export function ipFamily(ip: IpAddress): IpFamily {
  return ip.includes(':') ? 6 : 4
}

/** 4 or 16 bytes in network order. */
export function ipToBytes(ip: IpAddress): Uint8Array {
  return ipFamily(ip) === 4 ? bytesOfIpv4(ip) : bytesOfIpv6(ip)
}

/** The address of 4 or 16 bytes in network order; undefined for any other length. */
export function ipFromBytes(bytes: Uint8Array): IpAddress | undefined {
  if (bytes.length === 4) return ipv4At(bytes, 0)
  if (bytes.length !== 16) return undefined
  if (isMapped(bytes)) return ipv4At(bytes, 12)
  return compress(bytes) as IpAddress
}

/** The IPv4 address whose four bytes begin at `offset`. */
export function ipv4At(bytes: Uint8Array, offset: number): IpAddress {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}` as IpAddress
}

export function isLoopback(ip: IpAddress): boolean {
  return ip.startsWith('127.') || ip === '::1'
}

/** `ip:port`, with brackets around IPv6 (RFC 3986 §3.2.2). */
export function formatSocketAddress(address: SocketAddress): string {
  return ipFamily(address.ip) === 6 ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`
}

/** Reads `ip:port`, IPv6 in brackets; undefined for anything else. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/i.exec(text) ?? []
  const ip = parseIp(bracketed ?? plain ?? '')
  const port = Number(digits)
  if (ip === undefined || !(port <= 65_535)) return undefined
  return { ip, port }
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

const DOT = 0x2e
const ZERO = 0x30

/** Digit by digit: addresses are read for each connection, and splitting makes an array and an iterator for each. */
function bytesOfIpv4(text: string): Uint8Array {
  const bytes = new Uint8Array(4)
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) at++
    else bytes[at] = (bytes[at] ?? 0) * 10 + code - ZERO
  }
  return bytes
}

/** Any valid IPv6 text, `::` and an embedded IPv4 tail included. */
function bytesOfIpv6(text: string): Uint8Array {
  const [head = '', tail] = text.split('::')
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const middle = tail === undefined ? 0 : 8 - before.length - after.length
  const bytes = new Uint8Array(16)
  let offset = 0
  for (const group of [...before, ...new Array<number>(middle).fill(0), ...after]) {
    bytes[offset++] = group >> 8
    bytes[offset++] = group & 0xff
  }
  return bytes
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}

/** RFC 5952 §4: lower case, no leading zeros, the longest (first) run of two or more zero groups as `::`. */
function compress(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0))
  let best = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && words[i + length] === 0) length++
    if (length > bestLength) {
      best = i
      bestLength = length
    }
  }
  const text = (part: number[]): string => part.map((word) => word.toString(16)).join(':')
  return best < 0 ? text(words) : `${text(words.slice(0, best))}::${text(words.slice(best + bestLength))}`
}
