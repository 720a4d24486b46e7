import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { openChannels } from '../../../../src/shared/kube-client/channel-stream.ts'
import { Transport } from '../../../../src/shared/kube-client/transport.ts'
import type { ChannelMessage, ChannelStream } from '../../../../src/shared/kube-client/types.ts'

const V5 = 'v5.channel.k8s.io'
const V4 = 'v4.channel.k8s.io'

type Upgrade = (request: IncomingMessage, socket: Duplex) => void

describe('streams of channels', () => {
  let server: Server
  let transport: Transport
  let upgrade: Upgrade
  const open = (): Promise<ChannelStream> =>
    openChannels(transport, '/exec?a=b', [V5, V4], new AbortController().signal)

  beforeEach(async () => {
    server = createServer((_, response) => response.end('{}'))
    server.on('upgrade', (request, socket) => {
      socket.on('error', () => {})
      upgrade(request, socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const login = { server: url, isProxied: false, options: async () => ({}) }
    transport = new Transport(login, { clock: systemClock, timeoutMs: 300 })
  })
  afterEach(async () => {
    await transport.close()
    server.closeAllConnections()
    server.close()
  })

  /** The answer of RFC 6455, and what follows at once. */
  const accept = (protocol: string, ...frames: readonly Buffer[]): Upgrade => {
    return ({ headers }, socket) => {
      const sum = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
      const lines = [
        'HTTP/1.1 101 Switching Protocols',
        'Connection: Upgrade',
        'Upgrade: websocket',
        `Sec-WebSocket-Accept: ${createHash('sha1').update(sum).digest('base64')}`,
        `Sec-WebSocket-Protocol: ${protocol}`,
      ]
      socket.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), ...frames]))
    }
  }
  const frame = (...bytes: readonly number[]): Buffer => Buffer.from([0x82, bytes.length, ...bytes])
  const all = async (stream: ChannelStream): Promise<readonly ChannelMessage[]> => {
    const messages: ChannelMessage[] = []
    for await (const message of stream.messages()) messages.push(message)
    return messages
  }

  it('give messages by channel, also those that came with the answer, and end with the stream', async () => {
    upgrade = accept(V5, frame(1), frame(1, 7, 8), frame(3, 9), Buffer.from([0x88, 0]))
    expect(await all(await open())).toEqual([
      { channel: 1, payload: Buffer.from([7, 8]) },
      { channel: 3, payload: Buffer.from([9]) },
    ])
  })

  it('say that a channel ends where the protocol can', async () => {
    upgrade = accept(V5)
    expect(await (await open()).end(0)).toBe(true)
    upgrade = accept(V4)
    expect(await (await open()).end(0)).toBe(false)
  })

  it('take nothing amiss when the other side is gone', async () => {
    upgrade = (request, socket) => {
      accept(V5)(request, socket)
      socket.end()
    }
    const stream = await open()
    expect(await all(stream)).toEqual([])
    await stream.send(0, Buffer.alloc(100_000))
    stream.close()
    stream.close()
  })

  it('fail as frames that are none do', async () => {
    upgrade = accept(V5, Buffer.from([0xff, 0xff]))
    await expect(all(await open())).rejects.toMatchObject({ code: 'STREAM_PROTOCOL_INVALID' })
  })

  it.each<[string, Upgrade, RegExp]>([
    [
      'says no',
      (_, socket) =>
        void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 23\r\n\r\n{"message":"not for me"}'.slice(0, 78)),
      /answered with 403/,
    ],
    [
      'answers without changing the protocol',
      (_, socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'),
      /did not change the protocol/,
    ],
    ['agrees to a protocol that was not offered', accept('other'), /agreed to another protocol/],
    [
      'cannot compute',
      (_, socket) =>
        void socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: ${V5}\r\n\r\n`,
        ),
      /agreed to another protocol/,
    ],
    ['says nothing', () => {}, /no answer within 300 ms/],
    ['hangs up', (_, socket) => void socket.destroy(), /socket hang up|ECONNRESET/],
  ])('are refused when the server %s', async (_, answer, problem) => {
    upgrade = answer
    await expect(open()).rejects.toThrow(problem)
  })
})
