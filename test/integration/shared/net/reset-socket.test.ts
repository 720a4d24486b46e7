import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { resetSocket } from '#shared/net'
import { tcpPair } from '../../../support/socket-pairs.ts'

describe('resetting a socket', () => {
  it('is told to the peer as a reset', async () => {
    const { client, server } = await tcpPair()
    const told = once(server, 'error')
    server.resume()
    resetSocket(client)
    expect((await told)[0]).toMatchObject({ code: 'ECONNRESET' })
  })

  const states: [string, (socket: Socket) => unknown][] = [
    ['it is idle', () => {}],
    ['bytes are on their way', (socket) => socket.write(Buffer.alloc(10_000_000))],
    ['a FIN is on its way', (socket) => socket.end()],
    ['a FIN is on its way behind bytes', (socket) => socket.end(Buffer.alloc(10_000_000))],
    ['its FIN has left', (socket) => once(socket.end(), 'finish')],
    ['it is destroyed already', (socket) => socket.destroy()],
  ]
  it.each(states)('always ends with close: when %s', async (_name, prepare) => {
    const { client, server } = await tcpPair({ allowHalfOpen: true } as object)
    server.on('error', () => {})
    client.on('error', () => {})
    const closed = new Promise((resolve) => client.once('close', resolve))
    await prepare(client)
    resetSocket(client)
    await closed
    server.destroy()
  })

  it('always ends with close: while it connects, whatever was asked of it', async () => {
    const { client, server } = await tcpPair()
    const second = connect({ port: client.remotePort as number, host: '127.0.0.1' })
    second.on('error', () => {})
    const closed = new Promise((resolve) => second.once('close', resolve))
    second.end('x')
    resetSocket(second)
    await closed
    client.destroy()
    server.destroy()
  })
})
