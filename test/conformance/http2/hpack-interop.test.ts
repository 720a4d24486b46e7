import { once } from 'node:events'
import { connect as connectNode, createServer, type IncomingHttpHeaders, sensitiveHeaders } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { HpackDecoder, HpackEncoder } from '../../../src/shared/http2/hpack/index.ts'
import type { HeaderField, HeaderList } from '../../../src/shared/http2/types.ts'
import {
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  get,
  PREFACE,
  rstStream,
  settings,
  settingsAck,
} from '../../support/h2-frames.ts'
import { H2Peer } from '../../support/h2-peer.ts'

/** nghttp2's encoder and decoder, behind node:http2, against ours; the frames in between are the test's own. */

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

const limits = { maxTableBytes: 4096, maxListBytes: 1 << 20, maxFields: 1000 }

/** A fixed sequence that looks like chance. */
function* numbers(seed: number): Generator<number> {
  let state = seed
  for (;;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    yield state >>> 8
  }
}

const PIECES = [
  '',
  'a',
  '/api/v1',
  'x'.repeat(70),
  'gzip, br',
  '~!@#$%^&*()',
  '0123456789',
  'A;B=C',
  'long '.repeat(60),
]

/** Header lists that repeat names and values, so that both tables and evictions are used. */
function lists(count: number, seed: number): HeaderField[][] {
  const random = numbers(seed)
  const next = (below: number): number => (random.next().value as number) % below
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + next(12) }, (_, i): HeaderField => {
      const value = PIECES.slice(next(PIECES.length), next(PIECES.length) + 1)
        .join('-')
        .trim()
      return [`x-field-${next(25)}-${i}`, next(4) === 0 ? `${value}${next(1000)}` : value]
    }),
  )
}

async function listening(
  server: ReturnType<typeof createTcpServer> | ReturnType<typeof createServer>,
): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  return (server.address() as AddressInfo).port
}

function blockOf({ payload }: Frame): Buffer {
  return payload
}

describe('what nghttp2 encodes', () => {
  it.each([4096, 0, 256])('is read the same with a table of %i bytes', async (tableBytes) => {
    const accepted = Promise.withResolvers<Socket>()
    const port = await listening(createTcpServer((socket) => accepted.resolve(socket)))
    const client = connectNode(`http://127.0.0.1:${port}`)
    client.on('error', () => {})
    const peer = new H2Peer(await accepted.promise, true)
    closers.push(() => {
      client.destroy()
      peer.socket.destroy()
    })
    peer.send(settings({ HEADER_TABLE_SIZE: tableBytes }), settingsAck)
    await once(client, 'remoteSettings')
    const decoder = new HpackDecoder({ ...limits, maxTableBytes: tableBytes })
    decoder.settingsAcknowledged()
    for (const list of lists(150, 7)) {
      const secret = list.length > 3 ? [list[0]?.[0] ?? ''] : []
      const request = client.request({ ':path': '/', ...Object.fromEntries(list), [sensitiveHeaders]: secret })
      request.on('error', () => {})
      const found = await peer.receive('HEADERS')
      const fields = decoder.decode(blockOf(found), 0, found.payload.length)
      const expected = Object.entries(Object.fromEntries(list))
      expect(fields.slice(4).map(([name, value]) => [name, value])).toEqual(expected)
      for (const [name, , neverIndexed] of fields) expect(neverIndexed === true).toBe(secret.includes(name))
      expect(decoder.tableBytes).toBeLessThanOrEqual(tableBytes)
      peer.send(rstStream(found.streamId))
    }
  })
})

describe('what we encode', () => {
  it.each([
    ['by default', 4096, {}],
    ['without a table', 0, {}],
    ['with a larger table than by default', 16_384, { headerTableSize: 16_384 }],
  ])('is read the same by nghttp2, %s', async (_title, tableBytes, serverSettings) => {
    const seen: IncomingHttpHeaders[] = []
    const server = createServer({ settings: serverSettings })
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      seen.push(headers)
      stream.respond({ ':status': 204 }, { endStream: true })
    })
    const peer = new H2Peer(connect(await listening(server), '127.0.0.1'), false)
    closers.push(() => peer.socket.destroy())
    peer.send(PREFACE, settings(), settingsAck)
    await peer.receive('SETTINGS')
    const encoder = new HpackEncoder(tableBytes)
    if ('headerTableSize' in serverSettings) encoder.setPeerTableBytes(tableBytes)
    const sent: HeaderList[] = lists(300, 11)
    for (const [i, list] of sent.entries()) {
      const payload = Buffer.from(encoder.encode([...get, ...list, ['authorization', `secret ${i}`]]))
      peer.send(frame('HEADERS', END_HEADERS | END_STREAM, 1 + 2 * i, payload))
      await peer.receive('HEADERS', 1 + 2 * i)
    }
    expect(seen).toHaveLength(sent.length)
    seen.forEach((headers, i) => {
      for (const [name, value] of Object.entries(Object.fromEntries(sent[i] as [string, string][]))) {
        expect(headers[name]).toBe(value)
      }
      // Typed for what is sent only.
      expect(Reflect.get(headers, sensitiveHeaders)).toContain('authorization')
    })
  })
})
