import { MeshError } from '#shared/errors'
import type { WorkloadInfo } from './types.ts'
import { concat, type Field, messageField, readFields, readText, textField, varintField } from './wire-format.ts'

/** The longest packet, in bytes: both ends read into a buffer of that size (hbone-and-ztunnel g.1). */
export const MAX_PACKET_BYTES = 1024

/** The longest error text, in bytes, so that its packet is never truncated. */
const MAX_ERROR_BYTES = 900

const HELLO_V1 = 1

/** What the agent asks; `add` comes with one descriptor, the others with none. */
export type WorkloadRequest =
  | { readonly kind: 'add'; readonly uid: string; readonly info: WorkloadInfo | undefined }
  | { readonly kind: 'delete'; readonly uid: string }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'snapshot sent' }

/** ZdsHello { version = V1 }. */
export function encodeHello(): Uint8Array {
  return varintField(1, HELLO_V1)
}

/** @throws MeshError `ZDS_PROTOCOL_ERROR` unless it is a hello of version 1 */
export function readHello(bytes: Uint8Array): void {
  const version = readFields(bytes).findLast(({ number, kind }) => number === 1 && kind === 'varint')?.value ?? 0n
  if (version !== BigInt(HELLO_V1)) throw new MeshError('ZDS_PROTOCOL_ERROR', `unknown ZDS version ${version}`)
}

export function encodeRequest(request: WorkloadRequest): Uint8Array {
  switch (request.kind) {
    case 'add': {
      const info = request.info === undefined ? [] : [messageField(2, encodeInfo(request.info))]
      return messageField(1, concat([textField(1, request.uid), ...info]))
    }
    case 'delete':
      return messageField(2, textField(2, request.uid))
    case 'snapshot sent':
      return messageField(3, new Uint8Array())
    case 'keep':
      return messageField(5, textField(1, request.uid))
  }
}

/** Of several payloads the last counts. @throws MeshError `ZDS_PROTOCOL_ERROR` when there is none */
export function decodeRequest(bytes: Uint8Array): WorkloadRequest {
  const payload = readFields(bytes).findLast((field) => field.kind === 'bytes' && [1, 2, 3, 5].includes(field.number))
  if (payload?.kind !== 'bytes') throw new MeshError('ZDS_PROTOCOL_ERROR', 'a request without payload')
  const fields = readFields(payload.value)
  switch (payload.number) {
    case 1:
      return { kind: 'add', uid: textOf(fields, 1), info: infoOf(fields) }
    case 2:
      return { kind: 'delete', uid: textOf(fields, 2) }
    case 5:
      return { kind: 'keep', uid: textOf(fields, 1) }
    default:
      return { kind: 'snapshot sent' }
  }
}

/** @param error empty = done; cut to what fits into a packet */
export function encodeAck(error: string): Uint8Array {
  return messageField(1, textField(1, cutText(error)))
}

/** @returns the error text; empty = done @throws MeshError `ZDS_PROTOCOL_ERROR` when it is no acknowledgement */
export function decodeAck(bytes: Uint8Array): string {
  const ack = readFields(bytes).findLast((field) => field.kind === 'bytes' && field.number === 1)
  if (ack?.kind !== 'bytes') throw new MeshError('ZDS_PROTOCOL_ERROR', 'an answer that is no acknowledgement')
  return textOf(readFields(ack.value), 1)
}

function encodeInfo(info: WorkloadInfo): Uint8Array {
  return concat([textField(1, info.name), textField(2, info.namespace), textField(3, info.serviceAccount)])
}

function infoOf(add: readonly Field[]): WorkloadInfo | undefined {
  const info = add.findLast((field) => field.kind === 'bytes' && field.number === 2)
  if (info?.kind !== 'bytes') return undefined
  const fields = readFields(info.value)
  return { name: textOf(fields, 1), namespace: textOf(fields, 2), serviceAccount: textOf(fields, 3) }
}

function textOf(fields: readonly Field[], number: number): string {
  const found = fields.findLast((field) => field.kind === 'bytes' && field.number === number)
  return found?.kind === 'bytes' ? readText(found.value) : ''
}

/** Whole characters of at most `MAX_ERROR_BYTES`. */
function cutText(text: string): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= MAX_ERROR_BYTES) return bytes.toString('utf8')
  return bytes.toString('utf8', 0, MAX_ERROR_BYTES).replace(/\uFFFD+$/u, '')
}
