import { type IpAddress, ipFamily, ipToBytes } from '#shared/net'
import type { Hex, MetaKey, NftExpression } from './expression.ts'
import type { NftRule } from './table.ts'

/**
 * The words that rules are written in: each is a few instructions, and a rule is a list of them.
 * Matches use register 1 only, so that they can stand in any order; the action comes last.
 */
export type Statement = readonly NftExpression[]

/** IFNAMSIZ: interface names are compared as 16 bytes, padded with zeros. */
const INTERFACE_NAME_BYTES = 16
const protocols = { tcp: 6, udp: 17 } as const
const networkProtocols = { 4: 2, 6: 10 } as const
const addressPlaces = {
  4: { source: 12, destination: 16, lengthBytes: 4 },
  6: { source: 8, destination: 24, lengthBytes: 16 },
} as const
const portOffsets = { source: 0, destination: 2 } as const

export function rule(comment: string, ...statements: readonly Statement[]): NftRule {
  return { comment, expressions: statements.flat() }
}

export function protocolIs(protocol: 'tcp' | 'udp'): Statement {
  return meta('transport protocol', '==', byte(protocols[protocol]))
}

/** Needed in an `inet` table before anything that reads addresses. */
export function familyIs(family: 4 | 6): Statement {
  return meta('network protocol', '==', byte(networkProtocols[family]))
}

/** `place` is of the packet; the whole address, or its first `prefixBits`. */
export function addressIs(place: 'source' | 'destination', ip: IpAddress, prefixBits?: number): Statement {
  return address(place, '==', ip, prefixBits)
}

export function addressIsNot(place: 'source' | 'destination', ip: IpAddress, prefixBits?: number): Statement {
  return address(place, '!=', ip, prefixBits)
}

/** TCP and UDP alike: name the protocol before. */
export function portIs(place: 'source' | 'destination', port: number): Statement {
  return portMatch(place, '==', port)
}

export function portIsNot(place: 'source' | 'destination', port: number): Statement {
  return portMatch(place, '!=', port)
}

export function interfaceIs(side: 'input' | 'output', name: string): Statement {
  return meta(`${side} interface`, '==', interfaceName(name))
}

export function interfaceIsNot(side: 'input' | 'output', name: string): Statement {
  return meta(`${side} interface`, '!=', interfaceName(name))
}

export function markIs(value: number, mask: number): Statement {
  return masked({ kind: 'meta', key: 'mark', to: 1 }, '==', value, mask)
}

export function markIsNot(value: number, mask: number): Statement {
  return masked({ kind: 'meta', key: 'mark', to: 1 }, '!=', value, mask)
}

/** The mark of the connection, not of the packet. */
export function connectionMarkIs(value: number, mask: number): Statement {
  return masked({ kind: 'ct', key: 'mark', to: 1 }, '==', value, mask)
}

/** Sets the bits of `mask` to those of `value` and leaves the others. */
export function setConnectionMark(value: number, mask: number): Statement {
  return [
    { kind: 'ct', key: 'mark', to: 1 },
    { kind: 'bitwise', from: 1, to: 1, mask: hostOrder(~mask), xor: hostOrder(value & mask) },
    { kind: 'set ct', key: 'mark', from: 1 },
  ]
}

/** Gives the packet its connection's mark. */
export function restoreMark(): Statement {
  return [
    { kind: 'ct', key: 'mark', to: 1 },
    { kind: 'set meta', key: 'mark', from: 1 },
  ]
}

export function setMark(value: number): Statement {
  return [
    { kind: 'immediate', to: 1, value: hostOrder(value) },
    { kind: 'set meta', key: 'mark', from: 1 },
  ]
}

/** Keeps this packet's connection apart from equal ones of other zones. */
export function setConnectionZone(zone: number): Statement {
  return [
    { kind: 'immediate', to: 1, value: hostOrder(zone).slice(0, 4) },
    { kind: 'set ct', key: 'zone', from: 1 },
  ]
}

/** One in `among` connections goes on, at random. */
export function oneIn(among: number): Statement {
  return [
    { kind: 'numgen', mode: 'random', modulus: among, to: 1 },
    { kind: 'cmp', from: 1, op: '==', value: hostOrder(0) },
  ]
}

export function count(): Statement {
  return [{ kind: 'counter' }]
}

export function accept(): Statement {
  return [{ kind: 'verdict', verdict: 'accept' }]
}

export function drop(): Statement {
  return [{ kind: 'verdict', verdict: 'drop' }]
}

export function jump(chain: string): Statement {
  return [{ kind: 'verdict', verdict: 'jump', chain }]
}

/** To `port` of this host, whatever the family. */
export function redirectTo(port: number): Statement {
  return [
    { kind: 'immediate', to: 1, value: networkOrder16(port) },
    { kind: 'redirect', port: 1 },
  ]
}

/** Sends the connection to another end point. */
export function destinationNat(ip: IpAddress, port: number): Statement {
  const family = ipFamily(ip) === 4 ? 'ip' : 'ip6'
  return [
    { kind: 'immediate', to: 1, value: hex(ipToBytes(ip)) },
    { kind: 'immediate', to: 2, value: networkOrder16(port) },
    { kind: 'nat', change: 'destination', family, address: 1, port: 2 },
  ]
}

/** The connection seems to come from `ip`; only after routing. */
export function sourceNat(ip: IpAddress): Statement {
  const family = ipFamily(ip) === 4 ? 'ip' : 'ip6'
  return [
    { kind: 'immediate', to: 1, value: hex(ipToBytes(ip)) },
    { kind: 'nat', change: 'source', family, address: 1, port: undefined },
  ]
}

/** From the address of the interface it leaves by. */
export function masquerade(): Statement {
  return [{ kind: 'masquerade' }]
}

/** TCP only; in chains of type `filter`. */
export function rejectWithReset(): Statement {
  return [{ kind: 'reject', with: 'tcp reset' }]
}

function meta(key: MetaKey, op: '==' | '!=', value: Hex): Statement {
  return [
    { kind: 'meta', key, to: 1 },
    { kind: 'cmp', from: 1, op, value },
  ]
}

function masked(load: NftExpression, op: '==' | '!=', value: number, mask: number): Statement {
  return [
    load,
    { kind: 'bitwise', from: 1, to: 1, mask: hostOrder(mask), xor: hostOrder(0) },
    { kind: 'cmp', from: 1, op, value: hostOrder(value) },
  ]
}

function address(place: 'source' | 'destination', op: '==' | '!=', ip: IpAddress, prefixBits?: number): Statement {
  const { [place]: offsetBytes, lengthBytes } = addressPlaces[ipFamily(ip)]
  const bits = prefixBits ?? lengthBytes * 8
  const mask = Uint8Array.from({ length: lengthBytes }, (_, i) => 0xff00 >> Math.min(Math.max(bits - 8 * i, 0), 8))
  const network = ipToBytes(ip).map((value, i) => value & (mask[i] ?? 0))
  const narrow: Statement =
    bits === lengthBytes * 8
      ? []
      : [{ kind: 'bitwise', from: 1, to: 1, mask: hex(mask), xor: '00'.repeat(lengthBytes) }]
  return [
    { kind: 'payload', base: 'network', offsetBytes, lengthBytes, to: 1 },
    ...narrow,
    { kind: 'cmp', from: 1, op, value: hex(network) },
  ]
}

function portMatch(place: 'source' | 'destination', op: '==' | '!=', port: number): Statement {
  return [
    { kind: 'payload', base: 'transport', offsetBytes: portOffsets[place], lengthBytes: 2, to: 1 },
    { kind: 'cmp', from: 1, op, value: networkOrder16(port) },
  ]
}

function interfaceName(name: string): Hex {
  const bytes = Buffer.from(name)
  if (bytes.length >= INTERFACE_NAME_BYTES) throw new RangeError(`no interface can be called ${JSON.stringify(name)}`)
  return bytes.toString('hex').padEnd(INTERFACE_NAME_BYTES * 2, '0')
}

function byte(value: number): Hex {
  return value.toString(16).padStart(2, '0')
}

function networkOrder16(value: number): Hex {
  return value.toString(16).padStart(4, '0')
}

/** Little-endian on every machine that Node runs on. */
function hostOrder(value: number): Hex {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes.toString('hex')
}

function hex(bytes: Uint8Array): Hex {
  return Buffer.from(bytes).toString('hex')
}
