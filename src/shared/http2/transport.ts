import type { Socket } from 'node:net'
import { type ByteChannel, type ByteReceiver, takeOverReads } from '#shared/net'
import type { ReceiveBuffer } from './receive-buffer.ts'

/** What a connection runs over: bytes both ways, in order, until it is closed. */
export interface Transport {
  /** Begins to read into `buffer`, and tells of the ends. */
  start(buffer: ReceiveBuffer, owner: TransportOwner): void
  /** `onWritten` when `bytes` may be overwritten and more may be written; called in any case. One write at a time. */
  write(bytes: Uint8Array, onWritten: () => void): void
  /** Says that nothing more comes, behind what was written. */
  end(): void
  destroy(): void
  /** Reads on, as bytes that nobody reads would turn a close into a reset that can overtake our last words. */
  readOn(): void
}

export interface TransportOwner {
  /** The other side has said everything. */
  onTransportEnd(): void
  /** Gone; `reason` is for a log line. */
  onTransportClosed(reason: string | undefined): void
}

/** A connected TCP or TLS socket, read straight into our buffers. */
export class SocketTransport implements Transport {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  start(buffer: ReceiveBuffer, owner: TransportOwner): void {
    const socket = this.#socket
    let reason: string | undefined
    socket.on('error', (error) => {
      reason ??= error.message
    })
    socket.on('end', () => owner.onTransportEnd())
    socket.on('close', () => owner.onTransportClosed(reason))
    // What the socket holds already, or its end, is told when the caller has the connection in hand.
    process.nextTick(() => {
      if (socket.destroyed) owner.onTransportClosed(reason)
      else takeOverReads(socket, buffer.onread)
    })
  }

  write(bytes: Uint8Array, onWritten: () => void): void {
    this.#socket.write(bytes, onWritten)
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  readOn(): void {
    this.#socket.resume()
  }
}

/**
 * A byte channel: HTTP/2 inside a tunnel's stream. Bytes are copied on either way, as the frames around them belong to
 * somebody else. What came is credited at once: how much of it waits is this connection's own windows' business.
 */
export class ChannelTransport implements Transport, ByteReceiver {
  readonly #channel: ByteChannel
  #buffer: ReceiveBuffer | undefined
  #owner: TransportOwner | undefined
  #onWritten: (() => void) | undefined

  constructor(channel: ByteChannel) {
    this.#channel = channel
  }

  start(buffer: ReceiveBuffer, owner: TransportOwner): void {
    this.#buffer = buffer
    this.#owner = owner
    // As with a socket: the caller has the connection in hand when the first bytes come.
    process.nextTick(() => this.#channel.start(this))
  }

  write(bytes: Uint8Array, onWritten: () => void): void {
    this.#onWritten = onWritten
    this.#channel.write(bytes, 0, bytes.length)
    // Never within the call: it leads to the owners of streams, who may be the ones that write.
    if (this.#channel.isClosed || !this.#channel.isCongested) process.nextTick(this.#settleWrite)
  }

  end(): void {
    this.#channel.end()
  }

  destroy(): void {
    this.#channel.destroy()
  }

  readOn(): void {}

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#buffer?.push(bytes, start, end)
    this.#channel.consumed(end - start)
  }

  onEnd(): void {
    this.#owner?.onTransportEnd()
  }

  onWritable(): void {
    this.#settleWrite()
  }

  onClosed(error: Error | undefined): void {
    this.#settleWrite()
    this.#owner?.onTransportClosed(error?.message)
  }

  readonly #settleWrite = (): void => {
    const onWritten = this.#onWritten
    this.#onWritten = undefined
    onWritten?.()
  }
}
