import { STATUS_CODES } from 'node:http'
import type { Fields, RequestHead, ResponseHead } from '../types.ts'
import { mayBeTrailer } from './field-names.ts'
import { MOST_OCTETS, OctetFields, writeLine, writeOwnLine } from './fields.ts'

/** How the body behind a head is delimited, as the head says it. */
export type WrittenFraming =
  | { readonly kind: 'none' }
  /** Nothing is said: the body is there until the connection ends, or there cannot be one. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'upgrade'; readonly protocol: string }

const FIRST_BYTES = 128 * 1024
/** Heads are made here and handed over in the same turn, so that one buffer serves all connections. */
let scratch = Buffer.allocUnsafeSlow(FIRST_BYTES)

/** A head of octets in `bytes[0, length)`, valid until the next one is made. */
export interface WrittenHead {
  readonly bytes: Buffer
  readonly length: number
}

export function writeRequestHead(request: RequestHead, framing: WrittenFraming): WrittenHead {
  const { method, target, authority, fields } = request
  const out = roomFor(fields, method.length + target.length + authority.length)
  // One call for all of it: calls cost more than what they copy.
  let at = out.write(`${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n`, 0, 'latin1')
  at = writeFields(out, at, fields)
  return { bytes: out, length: writeEnd(out, at, framing, undefined) }
}

/** @param connection what it says of its connection: `close`, or `keep-alive` to a client that would not expect it */
export function writeResponseHead(
  { status, fields }: Pick<ResponseHead, 'status' | 'fields'>,
  framing: WrittenFraming,
  connection: 'close' | 'keep-alive' | undefined,
): WrittenHead {
  const out = roomFor(fields, 0)
  let at = out.write(statusLine(status), 0, 'latin1')
  at = writeFields(out, at, fields)
  return { bytes: out, length: writeEnd(out, at, framing, connection) }
}

/** Trailers behind the last chunk, with its own line. */
export function writeLastChunk(trailers: Fields | undefined): WrittenHead {
  if (trailers === undefined) return LAST_CHUNK
  const out = roomFor(trailers, 0)
  let at = out.write('0\r\n', 0, 'latin1')
  trailers.forEach((name, value) => {
    if (mayBeTrailer(name)) at = writeLine(out, at, name, value)
  })
  at += out.write('\r\n', at, 'latin1')
  return { bytes: out, length: at }
}

const LAST_CHUNK: WrittenHead = { bytes: Buffer.from('0\r\n\r\n'), length: 5 }
const STATUS_LINES = new Map<number, string>()

function statusLine(status: number): string {
  let line = STATUS_LINES.get(status)
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Status'}\r\n`
    STATUS_LINES.set(status, line)
  }
  return line
}

/** For lines of our own: framing, connection, upgrade. */
const OWN_BYTES = 512

function roomFor(fields: Fields, more: number): Buffer {
  let bytes = OWN_BYTES + more
  if (fields instanceof OctetFields) bytes += fields.mostBytes
  else
    fields.forEach((name, value) => {
      bytes += name.length + MOST_OCTETS * value.length + 4
    })
  if (scratch.length < bytes) scratch = Buffer.allocUnsafeSlow(bytes)
  return scratch
}

function writeFields(out: Buffer, from: number, fields: Fields): number {
  if (fields instanceof OctetFields) return fields.writeTo(out, from)
  let at = from
  fields.forEach((name, value) => {
    at = writeOwnLine(out, at, name, value)
  })
  return at
}

function writeEnd(
  out: Buffer,
  from: number,
  framing: WrittenFraming,
  connection: 'close' | 'keep-alive' | undefined,
): number {
  return (
    from +
    out.write(
      `${framingLines(framing)}${connection === undefined ? '' : `connection: ${connection}\r\n`}\r\n`,
      from,
      'latin1',
    )
  )
}

function framingLines(framing: WrittenFraming): string {
  switch (framing.kind) {
    case 'none':
    case 'silent':
      return ''
    case 'length':
      return `content-length: ${framing.bytes}\r\n`
    case 'chunked':
      return 'transfer-encoding: chunked\r\n'
    case 'upgrade':
      return `connection: upgrade\r\nupgrade: ${framing.protocol}\r\n`
  }
}
