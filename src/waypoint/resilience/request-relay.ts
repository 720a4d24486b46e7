import type { MeshError } from '#shared/errors'
import type { BodySink, Fields } from '../codec/index.ts'

export interface RequestRelayEvents {
  /** The client has sent all of it. */
  onComplete(): void
  /** The client will not send the rest. */
  onAborted(error: MeshError): void
}

/**
 * Takes a request's body once and hands it to one attempt after the other. What streams through is copied only while
 * another attempt may need it, and nothing is read ahead beyond one piece while no attempt takes it.
 */
export class RequestRelay implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  readonly #events: RequestRelayEvents
  readonly #maxKeptBytes: number
  #to: BodySink | undefined
  /** From the body's start while `#isWhole`; else only what no attempt has taken yet. */
  #kept: Uint8Array[] = []
  #keptBytes = 0
  /** Pieces of `#kept` that the present attempt has taken. */
  #taken = 0
  #isWhole: boolean
  #hasSent = false
  /** The source waits for `onDrain`. */
  #isPaused = false
  #isSettled = false
  #isComplete = false
  #trailers: Fields | undefined
  /** To the present attempt. */
  #isEndTold = false

  /** @param maxKeptBytes of a longer body nothing is kept; 0 = there is one attempt only */
  constructor(maxKeptBytes: number, events: RequestRelayEvents) {
    this.#maxKeptBytes = maxKeptBytes
    this.#isWhole = maxKeptBytes > 0
    this.#events = events
  }

  /** Whether another attempt can get all that has come. */
  get canReplay(): boolean {
    return this.#isWhole || !this.#hasSent
  }

  /** The next attempt gets the body from its start. */
  attach(to: BodySink): void {
    this.#to = to
    this.#taken = 0
    this.#isEndTold = false
    to.onDrain = this.#pump
    to.onUnwanted = this.#refused
    this.#pump()
  }

  /** The attempt has failed; what comes now waits for the next one, which has got nothing yet. */
  detach(): void {
    if (this.#to === undefined) return
    this.#taken = 0
    this.#to.onDrain = undefined
    this.#to.onUnwanted = undefined
    this.#to = undefined
  }

  /** No other attempt follows. */
  settle(): void {
    this.#isSettled = true
    this.#forget()
    if (this.#to === undefined && !this.#isComplete) this.onUnwanted?.()
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    const to = this.#taken < this.#kept.length ? undefined : this.#to
    if (this.#isWhole && this.#keptBytes + end - start > this.#maxKeptBytes) this.#forget()
    if (to === undefined || this.#isWhole) this.#keep(bytes, start, end)
    if (to === undefined) {
      this.#isPaused = true
      return false
    }
    if (this.#isWhole) this.#taken++
    this.#hasSent = true
    this.#isPaused = !to.write(bytes, start, end)
    return !this.#isPaused
  }

  end(trailers: Fields | undefined): void {
    this.#isComplete = true
    this.#trailers = trailers
    this.#events.onComplete()
    if (this.#taken === this.#kept.length) this.#tellEnd()
  }

  abort(error: MeshError): void {
    this.#to?.abort(error)
    this.#events.onAborted(error)
  }

  /** An attempt that wants no more may fail yet, and the next one want all of it: the client is told when that is settled. */
  readonly #refused = (): void => {
    this.detach()
    if (this.#isSettled && !this.#isComplete) this.onUnwanted?.()
  }

  #tellEnd(): void {
    if (this.#to === undefined || this.#isEndTold) return
    this.#isEndTold = true
    this.#to.end(this.#trailers)
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    this.#kept.push(bytes.slice(start, end))
    this.#keptBytes += end - start
  }

  /** Keeps only what the present attempt has not taken yet. */
  #forget(): void {
    this.#isWhole = false
    this.#kept.splice(0, this.#taken)
    this.#taken = 0
  }

  /** Hands over what the present attempt has not got, then lets the source go on. */
  readonly #pump = (): void => {
    for (let to = this.#to; to !== undefined && this.#taken < this.#kept.length; to = this.#to) {
      const piece = this.#kept[this.#taken]
      if (piece === undefined) break
      if (this.#isWhole) this.#taken++
      else this.#kept.shift()
      this.#hasSent = true
      if (!to.write(piece, 0, piece.length)) return
    }
    if (this.#to === undefined) return
    if (this.#isComplete) this.#tellEnd()
    else if (this.#isPaused) {
      this.#isPaused = false
      this.onDrain?.()
    }
  }
}
