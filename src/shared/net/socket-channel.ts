import type { Socket } from 'node:net'
import { takeOverReads } from './adopt-socket.ts'
import type { ByteChannel, ByteReceiver } from './byte-channel.ts'
import { resetSocket } from './reset-socket.ts'
import { quietReadBuffer } from './slab-pool.ts'
import { SlabWriter } from './slab-writer.ts'

/** What is read and not consumed, and what is written and not sent: beyond it, reading stops, writers wait. */
const BOUND_BYTES = 64 * 1024

/** A connected TCP or TLS socket, made with half-open ends, unread. The channel owns it from now on. */
export function socketChannel(socket: Socket): ByteChannel {
  return new SocketChannel(socket)
}

class SocketChannel implements ByteChannel {
  readonly #socket: Socket
  readonly #writer = new SlabWriter({ onTaken: () => this.#onTaken() })
  #receiver: ByteReceiver | undefined
  #unconsumedBytes = 0
  #isReading = true
  #isWaitedFor = false
  #isClosed = false
  #error: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', (error) => {
      this.#error ??= error
    })
    socket.on('close', () => this.#onClose())
    this.#writer.attach(socket)
  }

  start(receiver: ByteReceiver): void {
    if (this.#receiver !== undefined) throw new Error('a channel is started once')
    this.#receiver = receiver
    if (this.#isClosed) {
      receiver.onClosed(this.#error)
      return
    }
    this.#socket.on('end', () => receiver.onEnd())
    takeOverReads(this.#socket, {
      buffer: () => quietReadBuffer,
      callback: (bytes, buffer) => this.#onRead(receiver, bytes, buffer),
    })
    this.#socket.resume()
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosed) return
    this.#writer.writeCopy(bytes, start, end)
    if (this.isCongested) this.#isWaitedFor = true
  }

  get isCongested(): boolean {
    return this.#writer.pendingBytes > BOUND_BYTES
  }

  consumed(bytes: number): void {
    this.#unconsumedBytes -= bytes
    if (this.#isReading || this.#unconsumedBytes >= BOUND_BYTES || this.#isClosed) return
    this.#isReading = true
    this.#socket.resume()
  }

  end(): void {
    this.#writer.end()
  }

  destroy(): void {
    if (this.#isClosed) return
    resetSocket(this.#socket)
  }

  get isClosed(): boolean {
    return this.#isClosed || this.#socket.destroyed
  }

  #onRead(receiver: ByteReceiver, bytes: number, buffer: Uint8Array): boolean {
    this.#unconsumedBytes += bytes
    receiver.onBytes(buffer, 0, bytes)
    this.#isReading = this.#unconsumedBytes < BOUND_BYTES
    return this.#isReading
  }

  #onTaken(): void {
    if (!this.#isWaitedFor || this.isCongested || this.#isClosed) return
    this.#isWaitedFor = false
    this.#receiver?.onWritable()
  }

  #onClose(): void {
    this.#isClosed = true
    this.#writer.discard()
    this.#receiver?.onClosed(this.#error)
  }
}
