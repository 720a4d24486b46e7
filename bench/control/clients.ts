// Clients of the control plane in a process of their own: node clients.ts PORT ROOT COUNT. Each holds a stream of its own
// connection and acknowledges everything at once. Says one JSON line when all have their first state; for each line that
// it reads, what came since the line before; and ends with its input.
import { readFileSync } from 'node:fs'
import { type ClientHttp2Stream, connect } from 'node:http2'
import { createInterface } from 'node:readline'
import { addressType, authorizationType } from '#shared/xds'
import { DELTA_ADS_PATH } from '../../src/shared/xds/rpc.ts'
import { schema } from '../../src/shared/xds/schema.ts'
import type { Arrivals, FullSync } from './control.ts'

const [port = '', root = '', count = ''] = process.argv.slice(2)
const COUNT = Number(count)
const TYPES = [addressType.typeUrl, authorizationType.typeUrl]
const HEAD_BYTES = 5

const ca = readFileSync(root)
const beganNs = process.hrtime.bigint()
let bytes = 0
let responses = 0
let firstStates = 0
/** Resource → clients that have acknowledged it, and when the last one did. */
let arrivals = new Map<string, { clients: number; lastNs: bigint }>()

for (let i = 0; i < COUNT; i++) start(i)

function start(i: number): void {
  const session = connect(`https://127.0.0.1:${port}`, { ca })
  session.on('error', fail)
  const stream = session.request({
    ':method': 'POST',
    ':path': DELTA_ADS_PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.on('error', fail)
  stream.on('close', () => fail(new Error('the server ended a stream')))
  const waiting = new Set(TYPES)
  readMessages(stream, (message) => {
    const { typeUrl, nonce, resources, removedResources } = schema().deltaResponse.decode(message)
    send(stream, { typeUrl, responseNonce: nonce })
    const nowNs = process.hrtime.bigint()
    responses++
    if (waiting.delete(typeUrl)) {
      if (waiting.size === 0 && ++firstStates === COUNT) synced(nowNs)
      return
    }
    for (const { name } of resources) arrived(name, nowNs)
    for (const name of removedResources) arrived(name, nowNs)
  })
  const metadata = { fields: { NODE_NAME: { stringValue: `node-${i}` } } }
  const node = { id: `ztunnel~10.1.0.1~ztunnel-${i}.istio-system~istio-system.svc.cluster.local`, metadata }
  for (const typeUrl of TYPES) send(stream, { typeUrl, node })
}

function arrived(name: string, nowNs: bigint): void {
  const known = arrivals.get(name)
  arrivals.set(name, { clients: (known?.clients ?? 0) + 1, lastNs: nowNs })
}

function synced(nowNs: bigint): void {
  say({ ms: Number(nowNs - beganNs) / 1e6, bytes } satisfies FullSync)
  reset()
}

function reset(): void {
  bytes = 0
  responses = 0
  arrivals = new Map()
}

function send(
  stream: ClientHttp2Stream,
  request: Parameters<ReturnType<typeof schema>['deltaRequest']['encode']>[0],
): void {
  const message = schema().deltaRequest.encode(request)
  const framed = Buffer.alloc(HEAD_BYTES + message.length)
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, HEAD_BYTES)
  stream.write(framed)
}

function readMessages(stream: ClientHttp2Stream, take: (message: Buffer) => void): void {
  let held: Buffer = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    while (held.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + held.readUInt32BE(1)
      if (held.length < end) return
      take(held.subarray(HEAD_BYTES, end))
      held = held.subarray(end)
    }
  })
}

createInterface({ input: process.stdin })
  .on('line', () => {
    const last = [...arrivals].map(([name, { clients, lastNs }]) => ({ name, clients, atMs: Number(lastNs) / 1e6 }))
    say({ bytes, responses, last } satisfies Arrivals)
    reset()
  })
  .on('close', () => process.exit(0))

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

function fail(error: Error): void {
  process.stderr.write(`client: ${error.message}\n`)
  process.exit(1)
}
