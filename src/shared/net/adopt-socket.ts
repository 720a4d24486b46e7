import { type AddressInfo, connect, createServer, type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { type Clock, systemClock } from '#shared/clock'
import type { OnRead } from './slab.ts'

/*
 * The only file that uses undocumented parts of Node: `socket._handle`, its `useUserBuffer`, `_server`, the `handle` option
 * of net.Socket, three symbols, and `onconnection` of a server's handle. They save 13–16 % CPU of a bulk stream
 * (reference/bulk-and-memory §2), and one of two Sockets of each accepted connection. Each use is tested on the spot,
 * and events do the same work when a part is missing; `verifyReadTakeover` tries the whole way on a real socket at
 * start-up.
 */

interface StreamHandle {
  readonly fd: number
  useUserBuffer(buffer: Uint8Array): void
  getpeername(into: { address?: string; port?: number }): number
  reading?: boolean
}

interface ListenHandle {
  onconnection: (status: number, handle: StreamHandle | undefined) => void
}

/** A connection that was just accepted, of which nothing has been read. */
export interface RawConnection {
  /** Negative once it is closed. */
  readonly fd: number
  /** Undefined when the peer is gone already. */
  readonly remote: { readonly address: string; readonly port: number } | undefined
  /**
   * Its socket; called once, by whatever way the connection goes on or ends. Half-open ends are allowed, and reading,
   * into the buffers of `onread` when there is one, starts with `resume()`.
   */
  toSocket(onread?: OnRead): Socket
}

/** How a socket's bytes come: read by the kernel into our buffers, or copied there from 'data' events. */
export type ReadWay = 'user-buffer' | 'data-events'

const SYMBOLS = ['kBuffer', 'kBufferCb', 'kBufferGen'] as const

const SELF_TEST_MS = 2_000

/** Cleared when the start-up test fails. */
let isTrusted = true

/**
 * From now on the bytes that `socket` receives go to `onread` instead of its readable side; what that side holds
 * already is handed over first. 'end', 'error' and 'close' are told as before. Works on connected TCP and TLS sockets.
 */
export function takeOverReads(socket: Socket, onread: OnRead): ReadWay {
  const way = useOwnBuffers(socket, onread) ? 'user-buffer' : 'data-events'
  if (way === 'data-events') {
    readByEvents(socket, onread)
    return way
  }
  let wantsMore = true
  for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
    wantsMore = deliver(chunk, onread)
  }
  if (wantsMore && !socket.destroyed) socket.read(0)
  return way
}

/**
 * Hands over what a listening server of TCP accepts, before a Socket is made for it: who decides late what becomes of a
 * connection would otherwise pay for two. The server itself must have been made with `pauseOnConnect`.
 */
export function acceptRaw(server: Server, accept: (connection: RawConnection) => void): void {
  const listener = (server as unknown as { readonly _handle: ListenHandle | null })._handle
  const told = listener?.onconnection
  if (!isTrusted || !listener || typeof told !== 'function') {
    server.on('connection', (socket) => accept(new PausedConnection(socket)))
    return
  }
  listener.onconnection = (status, handle) => {
    if (handle !== undefined && typeof handle.useUserBuffer === 'function') accept(new HandleConnection(handle))
    else told.call(listener, status, handle)
  }
}

class HandleConnection implements RawConnection {
  readonly #handle: StreamHandle

  constructor(handle: StreamHandle) {
    this.#handle = handle
  }

  get fd(): number {
    return this.#handle.fd
  }

  get remote(): RawConnection['remote'] {
    const found: { address?: string; port?: number } = {}
    if (this.#handle.getpeername(found) !== 0) return undefined
    const { address, port } = found
    return address === undefined || port === undefined ? undefined : { address, port }
  }

  toSocket(onread?: OnRead): Socket {
    return socketOf(this.#handle, onread)
  }
}

/** The same from a Socket that Node has made. */
class PausedConnection implements RawConnection {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    // A peer that resets while we still decide is told to nobody else.
    socket.on('error', () => socket.destroy())
  }

  get fd(): number {
    return (this.#socket as unknown as { readonly _handle: StreamHandle | null })._handle?.fd ?? -1
  }

  get remote(): RawConnection['remote'] {
    const { remoteAddress: address, remotePort: port } = this.#socket
    return address === undefined || port === undefined ? undefined : { address, port }
  }

  toSocket(onread?: OnRead): Socket {
    this.#socket.allowHalfOpen = true
    if (onread === undefined) return this.#socket
    const adopted = adoptSocket(this.#socket, onread)
    // The shell that is left has no handle; destroying it lets the server forget it.
    if (adopted !== this.#socket) this.#socket.destroy()
    return adopted
  }
}

function socketOf(handle: StreamHandle, onread: OnRead | undefined): Socket {
  const options = { handle, allowHalfOpen: true, manualStart: true, ...(onread === undefined ? {} : { onread }) }
  return new Socket(options as unknown as SocketConstructorOpts)
}

/**
 * Moves a just accepted, unread connection (`pauseOnConnect`) into a new socket that reads through `onread`, with
 * half-open ends allowed. The given socket must not be used any more. Reading starts with `resume()`.
 */
export function adoptSocket(accepted: Socket, onread: OnRead): Socket {
  const owner = accepted as unknown as { _handle: StreamHandle | null; _server: unknown }
  const handle = owner._handle
  if (!isTrusted || typeof handle?.useUserBuffer !== 'function') {
    accepted.allowHalfOpen = true
    readByEvents(accepted, onread)
    return accepted
  }
  owner._handle = null
  const adopted = socketOf(handle, onread)
  // Its server goes on counting it, and closes when it is gone.
  Object.assign(adopted, { _server: owner._server })
  owner._server = null
  return adopted
}

/** The descriptor of a socket, to be given to another process; undefined once it is closed. */
export function descriptorOf(socket: Socket): number | undefined {
  const fd = (socket as unknown as { readonly _handle: StreamHandle | null })._handle?.fd ?? -1
  return fd < 0 ? undefined : fd
}

/** A connected TCP socket that came from elsewhere as a descriptor, which it owns; reading starts with `resume()`. */
export function socketOfDescriptor(fd: number, onread: OnRead): Socket {
  const options = { fd, readable: true, writable: true, allowHalfOpen: true, manualStart: true, onread }
  return new Socket(options as unknown as SocketConstructorOpts)
}

function readByEvents(socket: Socket, onread: OnRead): void {
  socket.on('data', (chunk: Buffer) => {
    if (!deliver(chunk, onread)) socket.pause()
  })
}

/** Hands a chunk to `onread` as if it had been read into its buffers. */
function deliver(chunk: Buffer, onread: OnRead): boolean {
  let wantsMore = true
  for (let offset = 0; offset < chunk.length; ) {
    const buffer = onread.buffer()
    const bytes = Math.min(buffer.length, chunk.length - offset)
    buffer.set(chunk.subarray(offset, offset + bytes))
    wantsMore = onread.callback(bytes, buffer) && wantsMore
    offset += bytes
  }
  return wantsMore
}

function useOwnBuffers(socket: Socket, onread: OnRead): boolean {
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle
  if (!isTrusted || typeof handle?.useUserBuffer !== 'function') return false
  const symbols = new Map(Object.getOwnPropertySymbols(socket).map((symbol) => [symbol.description, symbol]))
  const [buffer, callback, generator] = SYMBOLS.map((name) => symbols.get(name))
  if (buffer === undefined || callback === undefined || generator === undefined) return false
  const first = onread.buffer()
  Object.assign(socket, { [generator]: onread.buffer, [buffer]: first, [callback]: onread.callback })
  handle.useUserBuffer(first)
  return true
}

/**
 * Sends bytes over a loopback connection through both ways of taking over. When they do not arrive, all sockets of
 * this process use 'data' events from then on.
 *
 * @returns the way that sockets are read from now on
 */
export async function verifyReadTakeover(clock: Clock = systemClock): Promise<ReadWay> {
  const arrived = await roundTrip(clock).catch(() => false)
  isTrusted = arrived
  return arrived ? 'user-buffer' : 'data-events'
}

/** Client bytes reach an adopted server socket, are echoed, and come back through a client socket taken over. */
function roundTrip(clock: Clock): Promise<boolean> {
  const sent = Buffer.from('read takeover self-test')
  const buffer = Buffer.alloc(8)
  return new Promise((resolve) => {
    const sockets: Socket[] = []
    const timer = clock.setTimer(SELF_TEST_MS, () => finish(false))
    const finish = (isArrived: boolean): void => {
      for (const socket of sockets) socket.destroy()
      server.close()
      timer.cancel()
      resolve(isArrived)
    }
    const collect = (then: (received: Buffer) => void): OnRead => {
      let received = Buffer.alloc(0)
      const callback = (bytes: number, from: Uint8Array): boolean => {
        received = Buffer.concat([received, from.subarray(0, bytes)])
        if (received.length >= sent.length) then(received)
        return true
      }
      return { buffer: () => buffer, callback }
    }
    const server = createServer({ pauseOnConnect: true })
    server.on('error', () => finish(false))
    server.listen(0, '127.0.0.1', () => {
      acceptRaw(server, (accepted) => {
        const adopted = accepted.toSocket(collect((received) => adopted.write(received)))
        sockets.push(adopted)
        adopted.on('error', () => finish(false))
        adopted.resume()
      })
      const client = connect((server.address() as AddressInfo).port, '127.0.0.1', () => {
        takeOverReads(
          client,
          collect((received) => finish(received.equals(sent))),
        )
        client.write(sent)
      })
      sockets.push(client)
      client.on('error', () => finish(false))
    })
  })
}
