import { connect } from 'node:http2'
import type { Socket } from 'node:net'

/** Health answers are a handful of bytes. */
const MAX_ANSWER_BYTES = 4_096
/** grpc.health.v1 HealthCheckResponse.ServingStatus, by number. */
const STATUS_WORDS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const SERVING = 1

/** Asks grpc.health.v1.Health/Check over HTTP/2 without TLS. */
export function askHealth(
  service: string,
  socket: Socket,
  authority: string,
  answer: (reason: string | undefined) => void,
): void {
  const session = connect(`http://${authority}`, { createConnection: () => socket })
  const end = (reason: string | undefined): void => {
    session.destroy()
    answer(reason)
  }
  session.on('error', (error) => end(error.message))
  session.on('close', () => answer('the connection was closed'))
  const call = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    'user-agent': 'kube-probe/ambit',
    te: 'trailers',
  })
  const chunks: Buffer[] = []
  let bytes = 0
  let grpcStatus: unknown
  // An answer without a message has its status in the headers.
  call.on('response', (headers) => {
    if (headers[':status'] !== 200) end(`HTTP status ${headers[':status']}`)
    grpcStatus = headers['grpc-status']
  })
  call.on('trailers', (trailers) => {
    grpcStatus = trailers['grpc-status']
  })
  call.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) end('the answer is too long')
    else chunks.push(chunk)
  })
  call.on('error', (error) => end(error.message))
  call.on('end', () => {
    const isOk = grpcStatus === undefined || Number(grpcStatus) === 0
    end(isOk ? problemOf(readHealthAnswer(Buffer.concat(chunks))) : `gRPC status ${String(grpcStatus)}`)
  })
  call.end(healthRequest(service))
}

function problemOf(status: number | undefined): string | undefined {
  if (status === SERVING) return undefined
  if (status === undefined) return 'the answer is no HealthCheckResponse'
  return `the service is ${STATUS_WORDS[status] ?? `in state ${status}`}`
}

/** A gRPC message of HealthCheckRequest: field 1, the service's name. */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name])
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** The status of a gRPC message of HealthCheckResponse; undefined when it is none. Fields that are not known are left out. */
export function readHealthAnswer(answer: Buffer): number | undefined {
  if (answer.length < 5 || answer[0] !== 0 || answer.readUInt32BE(1) !== answer.length - 5) return undefined
  let status = 0
  for (let at = 5; at < answer.length; ) {
    const tag = readVarint(answer, at)
    if (tag === undefined) return undefined
    const value = readVarint(answer, tag.next)
    if (value === undefined) return undefined
    const wireType = tag.value & 7
    if (wireType === 0 && tag.value >> 3 === 1) status = value.value
    // Varints are over with themselves; what has a length is jumped over; the rest no such message has.
    if (wireType === 0) at = value.next
    else if (wireType === 2) at = value.next + value.value
    else return undefined
    if (at > answer.length) return undefined
  }
  return status
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest <= 127) return Buffer.from(bytes)
  }
}

function readVarint(bytes: Buffer, from: number): { readonly value: number; readonly next: number } | undefined {
  let value = 0
  // Up to 2^28: neither a status nor a length here is longer.
  for (let i = 0; i < 4; i++) {
    const byte = bytes[from + i]
    if (byte === undefined) return undefined
    value |= (byte & 127) << (7 * i)
    if (byte < 128) return { value, next: from + i + 1 }
  }
  return undefined
}
