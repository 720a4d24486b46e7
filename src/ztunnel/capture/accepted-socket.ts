import type { Socket } from 'node:net'
import { adoptSocket, type OnRead } from '#shared/net'
import type { AcceptedSocket } from './types.ts'

/** A connection just accepted with `pauseOnConnect`. */
export class PausedSocket implements AcceptedSocket {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    // A peer that resets while we still decide is told to nobody else.
    socket.on('error', () => socket.destroy())
  }

  adopt(onread: OnRead): Socket {
    const adopted = adoptSocket(this.#socket, onread)
    // The shell that is left has no handle; destroying it lets the server forget it.
    if (adopted !== this.#socket) this.#socket.destroy()
    return adopted
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }

  close(): void {
    this.#socket.end()
    this.#socket.destroySoon()
  }
}
