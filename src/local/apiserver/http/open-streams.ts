import type { EventEmitter } from 'node:events'

/** What of a socket or an answer is needed here. */
type Stream = Pick<EventEmitter, 'once'> & { readonly destroyed: boolean; destroy(): unknown }

/** Connections and answers that last until somebody ends them: exec, port-forward, followed logs. */
export class OpenStreams {
  readonly #open = new Map<Stream, Promise<void>>()

  add(stream: Stream): void {
    // It is over already, and would never say so again.
    if (stream.destroyed) return
    const closed = new Promise<void>((resolve) => stream.once('close', () => resolve()))
    this.#open.set(
      stream,
      closed.then(() => void this.#open.delete(stream)),
    )
  }

  /** Ends them at once; resolves when whoever serves them has been told. */
  async endAll(): Promise<void> {
    const all = [...this.#open]
    for (const [stream] of all) stream.destroy()
    await Promise.all(all.map(([, closed]) => closed))
  }
}
