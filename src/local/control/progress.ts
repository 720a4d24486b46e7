import type { ServerResponse } from 'node:http'
import type { Clock } from '#shared/clock'
import type { ProgressEvent } from '#shared/control'

/** Events kept for those who ask later; a mesh that flaps does not grow without end. */
const MAX_KEPT = 1_000

/** What happened on the way up, told to everybody who asks, from the beginning. */
export class Progress {
  readonly #clock: Clock
  readonly #startedMs: number
  readonly #events: ProgressEvent[] = []
  readonly #listeners = new Set<(event: ProgressEvent) => void>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedMs = clock.monotonicMs()
  }

  say(kind: ProgressEvent['kind'], text: string): void {
    const event: ProgressEvent = { kind, text, elapsedMs: Math.round(this.#clock.monotonicMs() - this.#startedMs) }
    if (this.#events.length < MAX_KEPT) this.#events.push(event)
    for (const listener of [...this.#listeners]) listener(event)
  }

  /** NDJSON until the mesh is up or cannot come up; the reader may leave at any time. */
  stream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const tell = (event: ProgressEvent): void => {
      response.write(`${JSON.stringify(event)}\n`)
      if (event.kind === 'ready' || event.kind === 'failed') response.end()
    }
    response.on('close', () => this.#listeners.delete(tell))
    for (const event of this.#events) {
      tell(event)
      if (response.writableEnded) return
    }
    this.#listeners.add(tell)
  }
}
