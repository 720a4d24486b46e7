import { type Clock, systemClock, type Timer } from '#shared/clock'
import type { Slab } from './slab.ts'

export interface SlabPoolSettings {
  readonly slabBytes: number
  /** Free slabs kept for reuse; what comes back beyond is left to the garbage collector. */
  readonly maxFree: number
  /** Slabs in use at once that `tryAcquire` will give; `acquire` is not held back. */
  readonly maxLive: number
  /** Free slabs that a whole interval did not need are dropped. */
  readonly trimIntervalMs: number
}

/**
 * Recycles buffers of one size. It exists because dropped buffers stay in malloc's hands: a pool that never lets go
 * under load keeps resident memory flat (reference/bulk-and-memory §5), and a slow timer gives it back when idle.
 */
export class SlabPool {
  readonly slabBytes: number
  readonly #settings: SlabPoolSettings
  readonly #clock: Clock
  readonly #free: PooledSlab[] = []
  #live = 0
  /** Fewest free slabs since the last trim: those were never needed. */
  #spare = 0
  #trimmer: Timer | undefined

  constructor(settings: SlabPoolSettings, clock: Clock = systemClock) {
    this.slabBytes = settings.slabBytes
    this.#settings = settings
    this.#clock = clock
  }

  /** A slab with one reference, its content undefined. */
  acquire(): Slab {
    this.#live++
    const slab = this.#free.pop()
    if (this.#free.length < this.#spare) this.#spare = this.#free.length
    if (slab === undefined) return new PooledSlab(this, Buffer.allocUnsafeSlow(this.slabBytes))
    slab.references = 1
    return slab
  }

  /** As `acquire`, but undefined when `maxLive` are in use: for speed that can be done without. */
  tryAcquire(): Slab | undefined {
    return this.#live < this.#settings.maxLive ? this.acquire() : undefined
  }

  get freeCount(): number {
    return this.#free.length
  }

  get liveCount(): number {
    return this.#live
  }

  /** For PooledSlab only. */
  takeBack(slab: PooledSlab): void {
    this.#live--
    if (this.#free.length >= this.#settings.maxFree) return
    this.#free.push(slab)
    if (this.#trimmer === undefined) this.#armTrim()
  }

  #armTrim(): void {
    this.#spare = this.#free.length
    this.#trimmer = this.#clock.setTimer(this.#settings.trimIntervalMs, () => {
      this.#free.length -= Math.min(this.#spare, this.#free.length)
      this.#trimmer = undefined
      if (this.#free.length > 0) this.#armTrim()
    })
  }
}

class PooledSlab implements Slab {
  readonly buffer: Buffer
  references = 1
  readonly #pool: SlabPool

  constructor(pool: SlabPool, buffer: Buffer) {
    this.#pool = pool
    this.buffer = buffer
  }

  get isUnshared(): boolean {
    return this.references === 1
  }

  retain(): void {
    this.references++
  }

  release(): void {
    this.references--
    if (this.references === 0) this.#pool.takeBack(this)
    if (this.references < 0) throw new Error('slab released more often than retained')
  }
}

const KIB = 1024

/** Of this process. Small: batches and quiet reads; 64 KiB = four TLS records. */
export const smallSlabs: SlabPool = new SlabPool({
  slabBytes: 64 * KIB,
  maxFree: 32,
  maxLive: 256,
  trimIntervalMs: 10_000,
})

/** Of this process. Tiny: for the first bytes of a connection whose socket is not there yet. */
export const tinySlabs: SlabPool = new SlabPool({
  slabBytes: 4 * KIB,
  maxFree: 128,
  maxLive: Number.POSITIVE_INFINITY,
  trimIntervalMs: 10_000,
})

/** Of this process. Hot: bulk streams; 256 KiB cost 5 % less CPU than 64 KiB, 1 MiB gain 13 % for +40 MB (§2). */
export const hotSlabs: SlabPool = new SlabPool({
  slabBytes: 256 * KIB,
  maxFree: 32,
  maxLive: 64,
  trimIntervalMs: 10_000,
})

/**
 * The one read buffer of all quiet sockets of this process, so that an idle connection pins no memory. Its bytes are
 * valid during the read callback only.
 */
export const quietReadBuffer: Buffer = Buffer.allocUnsafeSlow(64 * KIB)
