import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { adoptSocket, type OnRead, takeOverReads, verifyReadTakeover } from '#shared/net'
import { FakeClock } from '../../../support/fake-clock.ts'
import { tcpPair, tlsPair } from '../../../support/socket-pairs.ts'

const cleanups: (() => unknown)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** Gathers what is read, through a buffer of 5 bytes; stops after each read when told to. */
function collector(stops = false): { onread: OnRead; text: () => string; reads: () => number } {
  const buffer = Buffer.alloc(5)
  let text = ''
  let reads = 0
  const callback = (bytes: number, from: Uint8Array): boolean => {
    text += Buffer.from(from.subarray(0, bytes)).toString()
    reads++
    return !stops
  }
  return { onread: { buffer: () => buffer, callback }, text: () => text, reads: () => reads }
}

async function acceptedSocket(): Promise<{ accepted: Socket; app: Socket }> {
  const server = createServer({ pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const app = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  server.close()
  cleanups.push(() => app.destroy())
  return { accepted, app }
}

describe('an adopted socket', () => {
  it('reads through our buffers from the first byte, and ends', async () => {
    const { accepted, app } = await acceptedSocket()
    app.end('hello, adopted socket')
    const { onread, text } = collector()
    const socket = adoptSocket(accepted, onread)
    socket.resume()
    await once(socket, 'end')
    expect(text()).toBe('hello, adopted socket')
    socket.end('still open this way')
    const chunks: Buffer[] = []
    for await (const chunk of app) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('still open this way')
  })

  it('is counted by its server, which closes when it is gone', async () => {
    const server = createServer({ pauseOnConnect: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const app = connect((server.address() as AddressInfo).port, '127.0.0.1')
    cleanups.push(() => app.destroy())
    const [accepted] = (await once(server, 'connection')) as [Socket]
    const socket = adoptSocket(accepted, collector().onread)
    const closed = once(server, 'close')
    server.close()
    expect(await promisify(server.getConnections.bind(server))()).toBe(1)
    socket.destroy()
    await closed
  })

  it('reads nothing before it is told to, and stops when the callback says so', async () => {
    const { accepted, app } = await acceptedSocket()
    app.write('0123456789')
    const { onread, text, reads } = collector(true)
    const socket = adoptSocket(accepted, onread)
    await new Promise((resolve) => setImmediate(resolve))
    expect(reads()).toBe(0)
    socket.resume()
    await expect.poll(text).toBe('01234')
    socket.resume()
    await expect.poll(text).toBe('0123456789')
    socket.destroy()
  })
})

describe.each([
  ['TCP', tcpPair],
  ['TLS', tlsPair],
])('reads taken over from a %s socket', (_name, pair) => {
  it('begin with what the socket holds already', async () => {
    const { client, server } = await pair()
    cleanups.push(() => client.destroy())
    server.on('error', () => {})
    client.write('held ')
    await once(server, 'readable')
    const { onread, text } = collector()
    expect(takeOverReads(server, onread)).toBe('user-buffer')
    client.write('and new')
    await expect.poll(text).toBe('held and new')
    const ended = once(server, 'end')
    client.end()
    await ended
    server.destroy()
  })

  it('go through data events where the handle does not have what it takes', async () => {
    const { client, server } = await pair()
    cleanups.push(
      () => client.destroy(),
      () => server.destroy(),
    )
    server.on('error', () => {})
    const handle = (server as unknown as { _handle: object })._handle
    Object.defineProperty(handle, 'useUserBuffer', { value: undefined, configurable: true })
    const { onread, text } = collector()
    expect(takeOverReads(server, onread)).toBe('data-events')
    server.resume()
    client.write('by way of events')
    await expect.poll(text).toBe('by way of events')
  })
})

it('finds at start-up that this Node can hand its reads over', async () => {
  expect(await verifyReadTakeover(new FakeClock())).toBe('user-buffer')
})
