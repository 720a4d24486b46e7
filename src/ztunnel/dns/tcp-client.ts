import type { Socket } from 'node:net'
import type { Clock, Timer } from '#shared/clock'
import { TcpFrames, toTcpFrame } from '#shared/dns'
import type { PodWork } from '../capture/index.ts'
import type { ReplyStream } from './upstream.ts'

export interface TcpClientOptions {
  readonly socket: Socket
  readonly clock: Clock
  /** Undefined: nothing is answered, but for what went to `stream`. Never rejects. */
  readonly ask: (packet: Uint8Array, stream: ReplyStream) => Promise<Uint8Array | undefined>
  readonly onClosed: () => void
}

/** From one whole question to the next, and for an answer to be taken. */
const IDLE_MS = 5000
/** Questions of one connection that are being answered; more are not read. */
const MAX_PIPELINED = 32

/** A pod's connection to 15053: questions are answered as they are ready (RFC 7766 §6.2.1.1), in any order. */
export class TcpClient implements PodWork, ReplyStream {
  seat = -1
  readonly #options: TcpClientOptions
  readonly #frames = new TcpFrames()
  /** Whole questions that are not being answered yet, at most those of one chunk, newest first. */
  #unasked: Uint8Array[] = []
  #pending = 0
  #isBlocked = false
  #isEnding = false
  #idle: Timer | undefined
  /** Answers of many messages whose next one waits until there is room. */
  #waiting: (() => void)[] = []

  constructor(options: TcpClientOptions) {
    this.#options = options
    const { socket, onClosed } = options
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.#idle?.cancel()
      this.#isEnding = true
      this.#unasked = []
      this.#wake()
      onClosed()
    })
    socket.on('data', (chunk) => {
      this.#unasked = [...this.#frames.push(chunk)].reverse()
      this.#pump()
    })
    socket.on('end', () => this.drain())
    socket.on('drain', () => {
      this.#isBlocked = false
      this.#wake()
      this.#pump()
    })
    this.#pump()
  }

  /** One message of an answer of many. */
  async send(reply: Uint8Array): Promise<void> {
    if (this.#options.socket.destroyed) throw new Error('the pod takes no more of it')
    this.#write(reply)
    this.#pump()
    if (this.#isBlocked) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Answers what it has been asked, then ends. */
  drain(): void {
    this.#isEnding = true
    this.#pump()
  }

  cut(): void {
    this.#options.socket.destroy()
  }

  #pump(): void {
    const { socket } = this.#options
    while (!this.#isBlocked && this.#pending < MAX_PIPELINED) {
      const packet = this.#unasked.pop()
      if (packet === undefined) break
      this.#pending++
      void this.#answer(packet)
    }
    if (socket.destroyed) return
    const isDone = this.#pending === 0 && this.#unasked.length === 0
    if (this.#isEnding && isDone) socket.end()
    const isFull = this.#unasked.length > 0 || this.#pending >= MAX_PIPELINED
    if (isFull || this.#isBlocked) socket.pause()
    else socket.resume()
    this.#watch(isDone || this.#isBlocked)
  }

  async #answer(packet: Uint8Array): Promise<void> {
    const { socket, ask } = this.#options
    const reply = await ask(packet, this)
    this.#pending--
    if (socket.destroyed) return
    if (reply !== undefined) this.#write(reply)
    this.#pump()
  }

  #write(reply: Uint8Array): void {
    if (!this.#options.socket.write(toTcpFrame(reply))) this.#isBlocked = true
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Only whole questions start the time anew: one that comes byte by byte does not hold the connection open. */
  #watch(isIdle: boolean): void {
    if (!isIdle) {
      this.#idle?.cancel()
      this.#idle = undefined
      return
    }
    this.#idle ??= this.#options.clock.setTimer(IDLE_MS, () => this.cut())
  }
}
