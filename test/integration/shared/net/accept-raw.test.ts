import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { acceptRaw, type OnRead, type RawConnection } from '#shared/net'

const cleanups: (() => unknown)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** A listening server whose handle is as Node made it, or lacks what is not documented. */
async function listening(node: 'as it is' | 'without handles'): Promise<Server> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  if (node === 'without handles') {
    const { _handle: handle } = server as unknown as { _handle: { onconnection: unknown } }
    const told = handle.onconnection
    let reads = 0
    // No function when `acceptRaw` looks; then Node goes on in its own way.
    Object.defineProperty(handle, 'onconnection', { get: () => (reads++ === 0 ? undefined : told) })
  }
  return server
}

async function accepted(server: Server): Promise<{ connection: RawConnection; app: Socket }> {
  const came = new Promise<RawConnection>((resolve) => acceptRaw(server, resolve))
  const app = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  cleanups.push(() => app.destroy())
  return { connection: await came, app }
}

describe.each(['as it is', 'without handles'] as const)('a raw connection, with Node %s', (node) => {
  it('tells its peer and its descriptor before there is a socket', async () => {
    const { connection, app } = await accepted(await listening(node))
    if (app.connecting) await once(app, 'connect')
    expect(connection.remote).toEqual({ address: '127.0.0.1', port: app.localPort })
    expect(connection.fd).toBeGreaterThan(2)
    connection.toSocket().destroy()
  })

  it('reads into given buffers once it is resumed, and still writes when the peer has ended', async () => {
    const { connection, app } = await accepted(await listening(node))
    app.end('hello, raw connection')
    let text = ''
    const buffer = Buffer.alloc(5)
    const onread: OnRead = {
      buffer: () => buffer,
      callback: (bytes, from) => {
        text += Buffer.from(from.subarray(0, bytes)).toString()
        return true
      },
    }
    const socket = connection.toSocket(onread)
    expect(text).toBe('')
    socket.resume()
    await once(socket, 'end')
    expect(text).toBe('hello, raw connection')
    socket.end('good-bye')
    const chunks: Buffer[] = []
    for await (const chunk of app) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('good-bye')
  })

  it('can be reset unread', async () => {
    const { connection, app } = await accepted(await listening(node))
    connection.toSocket().resetAndDestroy()
    const [error] = await once(app, 'error')
    expect(error).toMatchObject({ code: 'ECONNRESET' })
  })
})
