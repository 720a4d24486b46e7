import type { Socket } from 'node:net'
import { resetSocket } from './reset-socket.ts'
import type { ByteMeter, CopyResult, OnRead, Slab } from './slab.ts'
import { SlabWriter, type TakenListener } from './slab-writer.ts'
import { type ReadConsumer, SocketReader } from './socket-reader.ts'

/** Reading stops while more than this waits for the other socket. */
const MAX_PENDING_BYTES = 512 * 1024

type Outcome = Pick<CopyResult, 'endedBy' | 'error'>

/**
 * Carries bytes between two sockets, both ways, with half-close and back-pressure: make each socket with its `onread`
 * (`net.connect` or `adoptSocket`), both with `allowHalfOpen`, then `bind` them.
 */
export class SocketPipe {
  readonly meter: ByteMeter = { sentBytes: 0, receivedBytes: 0 }
  readonly #forward: OneWay = new OneWay(this.meter, 'sentBytes')
  readonly #backward: OneWay = new OneWay(this.meter, 'receivedBytes')
  readonly #result: PromiseWithResolvers<CopyResult> = Promise.withResolvers()
  #opener: Socket | undefined
  #target: Socket | undefined
  #outcome: Outcome | undefined
  #openSockets = 2

  /** For the socket of the side that opened the connection. */
  get openerOnread(): OnRead {
    return this.#forward.reader.onread
  }

  get targetOnread(): OnRead {
    return this.#backward.reader.onread
  }

  /** Starts copying. Resolves when both sockets are closed. */
  bind(opener: Socket, target: Socket): Promise<CopyResult> {
    this.#opener = opener
    this.#target = target
    this.#forward.connect(opener, target)
    this.#backward.connect(target, opener)
    this.#watch(opener, 'opener', this.#forward)
    this.#watch(target, 'target', this.#backward)
    if (this.#outcome !== undefined) this.#destroyBoth()
    return this.#result.promise
  }

  /** Closes both sockets at once. */
  abort(): void {
    this.#outcome ??= { endedBy: 'abort', error: undefined }
    this.#destroyBoth()
  }

  /**
   * Stops reading and gives both sockets away, once nothing that was read waits to be written: then the kernel has all of
   * the connection, and another process can go on with it. `taken` gets the sockets; they are closed here, which says
   * nothing to their peers, when it resolves with true, and go on as before when it resolves with false.
   *
   * @returns false when it is not possible: not bound, over, or what is pending does not leave until `signal` aborts
   */
  async detach(taken: (opener: Socket, target: Socket) => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
    const [opener, target] = [this.#opener, this.#target]
    if (opener === undefined || target === undefined || this.#outcome !== undefined) return false
    const isOver = (): boolean => this.#outcome !== undefined || opener.destroyed || target.destroyed
    const isIdle = await Promise.all([this.#forward.hold(signal), this.#backward.hold(signal)])
    if (!isOver() && isIdle.every(Boolean) && (await taken(opener, target)) && !isOver()) {
      this.#outcome = { endedBy: 'detached', error: undefined }
      this.#destroyBoth()
      return true
    }
    this.#forward.goOn()
    this.#backward.goOn()
    return false
  }

  #watch(socket: Socket, side: 'opener' | 'target', way: OneWay): void {
    socket.on('error', (error) => {
      this.#outcome ??= { endedBy: side, error }
    })
    socket.on('end', () => way.end())
    const onClose = (): void => this.#onClosed(socket, side, way)
    if (socket.closed) onClose()
    else socket.on('close', onClose)
  }

  #onClosed(socket: Socket, side: 'opener' | 'target', way: OneWay): void {
    way.reader.close()
    if (!socket.readableEnded || !socket.writableFinished) this.#break(side)
    if (--this.#openSockets > 0) return
    const { endedBy, error } = this.#outcome ?? { endedBy: 'end', error: undefined }
    this.#forward.writer.discard()
    this.#backward.writer.discard()
    this.#result.resolve({ meter: this.meter, endedBy, error })
  }

  /** One socket went before its time: the other gets what is pending from it, then goes too; an error is passed on as a reset. */
  #break(side: 'opener' | 'target'): void {
    this.#outcome ??= { endedBy: side, error: undefined }
    const [other, writer] =
      side === 'opener' ? [this.#target, this.#forward.writer] : [this.#opener, this.#backward.writer]
    if (other === undefined || other.destroyed) return
    if (this.#outcome.error === undefined) writer.endThenDestroy()
    else resetSocket(other)
  }

  #destroyBoth(): void {
    this.#opener?.destroy()
    this.#target?.destroy()
  }
}

/** One direction. */
class OneWay implements ReadConsumer, TakenListener {
  readonly reader: SocketReader = new SocketReader(0, this)
  readonly writer: SlabWriter = new SlabWriter(this)
  readonly #meter: ByteMeter
  readonly #counter: keyof ByteMeter
  #source: Socket | undefined
  #isPaused = false
  #isHeld = false
  #becameIdle: (() => void) | undefined

  constructor(meter: ByteMeter, counter: keyof ByteMeter) {
    this.#meter = meter
    this.#counter = counter
  }

  connect(source: Socket, sink: Socket): void {
    this.#source = source
    this.writer.attach(sink)
    source.resume()
  }

  end(): void {
    this.writer.end()
  }

  onQuietRead(buffer: Uint8Array, bytes: number): boolean {
    this.#meter[this.#counter] += bytes
    this.writer.writeCopy(buffer, 0, bytes)
    return this.#hasRoom()
  }

  onBulkRead(slab: Slab, start: number, end: number): boolean {
    this.#meter[this.#counter] += end - start
    this.writer.write(slab, start, end)
    return this.#hasRoom()
  }

  /** Reads no more. @returns whether everything that was read has left before `signal` aborts */
  hold(signal: AbortSignal): Promise<boolean> {
    this.#isHeld = true
    this.#source?.pause()
    if (this.writer.pendingBytes === 0) return Promise.resolve(true)
    return new Promise((resolve) => {
      const give = (): void => {
        signal.removeEventListener('abort', give)
        this.#becameIdle = undefined
        resolve(this.writer.pendingBytes === 0)
      }
      this.#becameIdle = give
      signal.addEventListener('abort', give, { once: true })
      if (signal.aborted) give()
    })
  }

  goOn(): void {
    this.#isHeld = false
    if (!this.#isPaused) this.#source?.resume()
  }

  onTaken(): void {
    if (this.writer.pendingBytes === 0) this.#becameIdle?.()
    if (this.#isHeld) return
    if (!this.#isPaused || this.writer.pendingBytes * 2 > MAX_PENDING_BYTES) return
    this.#isPaused = false
    this.#source?.resume()
  }

  #hasRoom(): boolean {
    this.#isPaused = this.writer.pendingBytes >= MAX_PENDING_BYTES
    return !this.#isPaused && !this.#isHeld
  }
}
