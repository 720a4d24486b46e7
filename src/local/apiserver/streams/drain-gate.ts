import type { Duplex } from 'node:stream'

/** Writes of many streams to one connection: each waits until the connection takes more, or is gone. */
export class DrainGate {
  readonly #socket: Duplex
  #waiting: (() => void)[] = []

  constructor(socket: Duplex) {
    this.#socket = socket
    const release = (): void => {
      const waiting = this.#waiting
      this.#waiting = []
      for (const resolve of waiting) resolve()
    }
    socket.on('drain', release)
    socket.on('close', release)
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#socket.destroyed || this.#socket.writableEnded) return Promise.resolve()
    if (this.#socket.write(bytes)) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
