import { type IpAddress, ipFamily, ipFromBytes, ipToBytes, type SocketAddress } from './ip.ts'

/** A value of the header's own type numbers (TLV). */
export interface ProxyHeaderValue {
  /** One byte. */
  readonly type: number
  /** At most 65,535 bytes, less what else the header holds. */
  readonly value: Uint8Array
}

/** What a PROXY header says about the connection that it begins. */
export interface ProxyHeader {
  /** Undefined = not told (UNSPEC): the ends are of different families, or the sender talks for itself (LOCAL). */
  readonly ends: { readonly source: SocketAddress; readonly destination: SocketAddress } | undefined
  readonly values: readonly ProxyHeaderValue[]
}

/** Istio's type for the SPIFFE id of the source, `spiffe://` included (hbone-and-ztunnel d.9). */
export const PROXY_VALUE_PEER_ID = 0xd0

/** PROXY protocol, version 2 (haproxy's proxy-protocol.txt, 2.2). */
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const FIXED_BYTES = 16
const MAX_PAYLOAD_BYTES = 65_535
const COMMAND_LOCAL = 0x20
const COMMAND_PROXY = 0x21
const UNSPECIFIED = 0x00
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21
const VALUE_HEAD_BYTES = 3

/**
 * The header that goes before the first byte of a connection. Ends of different families cannot be told: then only the
 * values are.
 *
 * @throws RangeError when the values do not fit, which the caller's own bounds exclude
 */
export function encodeProxyHeader({ ends, values }: ProxyHeader): Buffer {
  const told = ends !== undefined && ipFamily(ends.source.ip) === ipFamily(ends.destination.ip) ? ends : undefined
  const payload = Buffer.concat([
    ...(told === undefined ? [] : [ipToBytes(told.source.ip), ipToBytes(told.destination.ip)]),
    ...(told === undefined ? [] : [uint16(told.source.port), uint16(told.destination.port)]),
    ...values.flatMap(({ type, value }) => [Buffer.from([type]), uint16(value.length), value]),
  ])
  const fixed = Buffer.from([COMMAND_PROXY, protocolOf(told?.source.ip)])
  return Buffer.concat([SIGNATURE, fixed, uint16(payload.length), payload])
}

/** `more` = the first `needed` bytes at least are wanted before it can be told; `invalid` = this is no header. */
export type ReadProxyHeader =
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly bytes: number }
  | { readonly kind: 'more'; readonly needed: number }
  | { readonly kind: 'invalid'; readonly reason: string }

/**
 * Reads the header that a connection must begin with.
 *
 * @param bytes everything received so far, from the first byte on
 * @param maxBytes longest header taken, the 16 fixed bytes included; a longer one is refused before it is waited for
 */
export function readProxyHeader(bytes: Uint8Array, maxBytes: number): ReadProxyHeader {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const signed = Math.min(buffer.length, SIGNATURE.length)
  if (buffer.compare(SIGNATURE, 0, signed, 0, signed) !== 0) return invalid('does not begin with a PROXY v2 signature')
  if (buffer.length < FIXED_BYTES) return { kind: 'more', needed: FIXED_BYTES }
  const [command, protocol, length] = [buffer.readUInt8(12), buffer.readUInt8(13), buffer.readUInt16BE(14)]
  if (command !== COMMAND_PROXY && command !== COMMAND_LOCAL)
    return invalid(`unknown command 0x${command.toString(16)}`)
  const total = FIXED_BYTES + length
  if (total > maxBytes) return invalid(`${total} bytes long, ${maxBytes} are taken`)
  if (buffer.length < total) return { kind: 'more', needed: total }

  const payload = buffer.subarray(FIXED_BYTES, total)
  const addressBytes = addressBytesOf(protocol)
  if (addressBytes === undefined) return invalid(`unsupported protocol 0x${protocol.toString(16)}`)
  if (payload.length < addressBytes) return invalid('too short for its addresses')
  const values = readValues(payload.subarray(addressBytes))
  if (values === undefined) return invalid('a value runs over the end')
  const ends = command === COMMAND_LOCAL ? undefined : readEnds(payload.subarray(0, addressBytes))
  return { kind: 'header', header: { ends, values }, bytes: total }
}

function protocolOf(source: IpAddress | undefined): number {
  if (source === undefined) return UNSPECIFIED
  return ipFamily(source) === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6
}

/** Two addresses and two ports; none for UNSPEC. */
function addressBytesOf(protocol: number): number | undefined {
  if (protocol === UNSPECIFIED) return 0
  if (protocol === TCP_OVER_IPV4) return 12
  return protocol === TCP_OVER_IPV6 ? 36 : undefined
}

function readEnds(bytes: Buffer): ProxyHeader['ends'] {
  const size = (bytes.length - 4) / 2
  const source = ipFromBytes(bytes.subarray(0, size))
  const destination = ipFromBytes(bytes.subarray(size, 2 * size))
  if (source === undefined || destination === undefined) return undefined
  return {
    source: { ip: source, port: bytes.readUInt16BE(2 * size) },
    destination: { ip: destination, port: bytes.readUInt16BE(2 * size + 2) },
  }
}

function readValues(bytes: Buffer): readonly ProxyHeaderValue[] | undefined {
  const values: ProxyHeaderValue[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < VALUE_HEAD_BYTES) return undefined
    const end = at + VALUE_HEAD_BYTES + bytes.readUInt16BE(at + 1)
    if (end > bytes.length) return undefined
    values.push({ type: bytes.readUInt8(at), value: bytes.subarray(at + VALUE_HEAD_BYTES, end) })
    at = end
  }
  return values
}

/** A 16-bit number in network order. */
function uint16(value: number): Buffer {
  if (value > MAX_PAYLOAD_BYTES) throw new RangeError(`${value} does not fit into a PROXY header`)
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function invalid(reason: string): ReadProxyHeader {
  return { kind: 'invalid', reason: `PROXY header: ${reason}` }
}
