import type { Duplex } from 'node:stream'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { closePayload, FrameReader, OPCODE, type ReceivedFrame, serverFrame } from '#shared/web-socket'
import { DrainGate } from '../drain-gate.ts'

export interface WebSocketHandlers {
  /** @returns a promise to hold the client back until it resolves */
  message(payload: Buffer, isText: boolean): Promise<void> | undefined
  /** The client is gone, or said that it goes. Called once. */
  closed(): void
}

/** Longest message taken; kubectl's are at most 32 KiB and a channel byte. */
const MAX_MESSAGE_BYTES = 1 << 20
/** How long a client may take to answer a close. */
const CLOSE_TIMEOUT_MS = 5_000

/** The server's end of a WebSocket (RFC 6455) over a socket whose handshake has been answered. */
export class WebSocketConnection {
  readonly #socket: Duplex
  readonly #clock: Clock
  readonly #gate: DrainGate
  readonly #reader = new FrameReader({ from: 'client', maxMessageBytes: MAX_MESSAGE_BYTES })
  #isClosing = false

  constructor(socket: Duplex, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    this.#gate = new DrainGate(socket)
  }

  /** Begins to read; resolves when the connection has ended. */
  async serve(head: Buffer, handlers: WebSocketHandlers): Promise<void> {
    try {
      if (head.length > 0 && (await this.#receive(head, handlers))) return
      for await (const chunk of this.#socket) if (await this.#receive(chunk as Buffer, handlers)) return
    } catch (error) {
      if (error instanceof MeshError) this.close(1002, error.message)
    } finally {
      handlers.closed()
      // The client has answered our close, or will not hear anything more.
      this.#socket.destroy()
    }
  }

  /** One binary message; resolves when there is room for the next. */
  send(...parts: readonly Uint8Array[]): Promise<void> {
    if (this.#isClosing) return Promise.resolve()
    return this.#gate.write(serverFrame(OPCODE.binary, ...parts))
  }

  /** Says goodbye; the socket ends when the client has answered, or after a while. */
  close(code: number, reason: string): void {
    if (this.#isClosing || this.#socket.destroyed) return
    this.#isClosing = true
    this.#socket.end(serverFrame(OPCODE.close, closePayload(code, reason)))
    this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#socket.destroy())
  }

  /** @returns whether it was the last */
  async #receive(chunk: Buffer, handlers: WebSocketHandlers): Promise<boolean> {
    for (const frame of this.#reader.read(chunk)) {
      if (await this.#handle(frame, handlers)) return true
    }
    return false
  }

  async #handle(frame: ReceivedFrame, handlers: WebSocketHandlers): Promise<boolean> {
    switch (frame.kind) {
      case 'message':
        await handlers.message(frame.payload, frame.isText)
        return false
      case 'ping':
        if (!this.#isClosing) await this.#gate.write(serverFrame(OPCODE.pong, frame.payload))
        return false
      case 'pong':
        return false
      case 'close':
        this.close(1000, '')
        return true
    }
  }
}
