import type { Clock, Timer } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { type ApiDocument, type ApiObjectId, isStatus, type KubeClient } from '#shared/kube-client'
import type { Closer } from '#shared/lifecycle'
import type { Gauge, Logger } from '#shared/telemetry'
import {
  heldSpec,
  LEASES,
  type LeaseRecord,
  type LeaseStep,
  nextStep,
  readLease,
  releasedSpec,
  type Sighting,
} from './lease.ts'
import type { LeaseTimes } from './lease-times.ts'
import type { Leadership } from './types.ts'

export interface LeaseCandidateParts {
  /** Its calls end within `times.writeTimeoutMs`. */
  readonly client: Pick<KubeClient, 'get' | 'create' | 'mergePatch'>
  readonly lease: ApiObjectId
  /** Of this very process: no two lives of a program have the same. */
  readonly identity: string
  readonly times: LeaseTimes
  readonly clock: Clock
  readonly logger: Logger
  /** 1 while we lead. */
  readonly gauge: Gauge
}

/** Until when writes may begin, by both clocks. */
interface Right {
  readonly monotonicMs: number
  readonly wallMs: number
}

const FIELD_MANAGER = 'istiod-lite'

/**
 * One candidate for a Lease. It leads from a write of the lease that the server has acknowledged until `rightMs` after that
 * write was *sent*; another candidate takes the lease only after it has *seen* it unchanged for the whole `durationMs`.
 * Since what is seen was sent before, the first ends before the second can begin, without any two clocks agreeing.
 */
export class LeaseCandidate implements Leadership, Closer {
  readonly #parts: LeaseCandidateParts
  readonly #listeners = new Set<(isLeader: boolean) => void>()
  readonly #writes = new Set<Promise<unknown>>()
  #sighting: Sighting | undefined
  #right: Right | undefined
  #wasLeader = false
  #wait: Timer | undefined
  #expiry: Timer | undefined
  #step: Promise<void> = Promise.resolve()
  #lastFailure: string | undefined
  #isClosed = false

  constructor(parts: LeaseCandidateParts) {
    this.#parts = parts
  }

  start(): void {
    this.#run()
  }

  get isLeader(): boolean {
    if (this.#right === undefined || this.#isClosed) return false
    const { clock } = this.#parts
    // A machine that slept stops the monotonic clock, a clock that is set moves the other one: the stricter counts.
    return clock.monotonicMs() < this.#right.monotonicMs && clock.nowMs() < this.#right.wallMs
  }

  async perform<T>(write: () => Promise<T>): Promise<T> {
    if (!this.isLeader) throw new MeshError('NOT_LEADER', 'another control plane writes to the cluster')
    const running = write()
    this.#writes.add(running)
    try {
      return await running
    } finally {
      this.#writes.delete(running)
    }
  }

  subscribe(listener: (isLeader: boolean) => void): () => void {
    this.#listeners.add(listener)
    listener(this.isLeader)
    return () => void this.#listeners.delete(listener)
  }

  /** Gives the lease back as soon as the last write has ended, so that the next leader need not wait for its end. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#wait?.cancel()
    this.#expiry?.cancel()
    this.#tell()
    await this.#step
    await Promise.allSettled(this.#writes)
    await this.#release()
  }

  #run(): void {
    this.#step = this.#look()
      .catch((error: unknown) => this.#failed(error))
      .then(() => {
        this.#tell()
        if (this.#isClosed) return
        const { clock, times } = this.#parts
        this.#wait = clock.setTimer(times.retryMs * (0.9 + clock.random() * 0.2), () => this.#run())
      })
  }

  /** One look at the lease, and what follows from it. */
  async #look(): Promise<void> {
    const { client, clock, lease: id, identity, times } = this.#parts
    // While we hold it nobody else writes it, so that one request renews it; a conflict shows that this was wrong.
    if (this.#sighting?.lease.holder !== identity) this.#see(await client.get(LEASES, id))
    if (this.#isClosed) return
    const step = nextStep(this.#sighting, { identity, durationMs: times.durationMs }, clock.monotonicMs())
    if (step.kind !== 'wait') await this.#write(step)
    this.#lastFailure = undefined
  }

  async #write(step: Exclude<LeaseStep, { kind: 'wait' }>): Promise<void> {
    const { client, clock, lease: id, identity, times } = this.#parts
    const sent = { monotonicMs: clock.monotonicMs() + times.rightMs, wallMs: clock.nowMs() + times.rightMs }
    const before = step.kind === 'create' ? undefined : step.lease
    const spec = heldSpec({ identity, durationMs: times.durationMs }, before, clock.nowMs())
    try {
      const written =
        before === undefined
          ? await client.create(LEASES, id.namespace, { metadata: { name: id.name, namespace: id.namespace }, spec })
          : await client.mergePatch(LEASES, id, conditional(before, spec), { fieldManager: FIELD_MANAGER })
      this.#see(written)
      this.#right = sent
      this.#expireAt(sent)
    } catch (error) {
      // Somebody was faster, it is gone, or the answer was lost: the next look shows which.
      this.#sighting = undefined
      if (!isStatus(error, 409, 404)) throw error
      this.#parts.logger.debug('the lease is not as it was seen')
    }
  }

  /** @param document undefined: there is no lease */
  #see(document: ApiDocument | undefined): void {
    if (document === undefined) {
      this.#sighting = undefined
      return
    }
    const lease = readLease(document)
    if (this.#sighting?.lease.resourceVersion === lease.resourceVersion) return
    this.#sighting = { lease, seenAtMs: this.#parts.clock.monotonicMs() }
  }

  #expireAt({ monotonicMs }: Right): void {
    const { clock } = this.#parts
    this.#expiry?.cancel()
    this.#expiry = clock.setTimer(monotonicMs - clock.monotonicMs(), () => this.#tell())
  }

  #tell(): void {
    const { isLeader } = this
    if (isLeader === this.#wasLeader) return
    this.#wasLeader = isLeader
    const { logger, gauge, identity } = this.#parts
    gauge.value = isLeader ? 1 : 0
    logger.info(isLeader ? 'writes to the cluster from now on' : 'writes to the cluster no more', { identity })
    for (const listener of [...this.#listeners]) listener(isLeader)
  }

  /** Told once for the same reason: it is tried again every two seconds. */
  #failed(error: unknown): void {
    const reason = reasonOf(error)
    if (reason === this.#lastFailure || this.#isClosed) return
    this.#lastFailure = reason
    this.#parts.logger.warn('the lease cannot be held; nothing is written to the cluster', { reason })
  }

  async #release(): Promise<void> {
    const { client, clock, lease: id, identity, logger } = this.#parts
    const held: LeaseRecord | undefined = this.#sighting?.lease
    if (held?.holder !== identity) return
    try {
      await client.mergePatch(LEASES, id, conditional(held, releasedSpec(clock.nowMs())), {
        fieldManager: FIELD_MANAGER,
      })
    } catch (error) {
      logger.info('the lease was not given back and ends by itself', { reason: reasonOf(error) })
    }
  }
}

/** Fails with 409 when the lease is not as we have seen it. */
function conditional({ resourceVersion }: LeaseRecord, spec: ApiDocument): ApiDocument {
  return { metadata: { resourceVersion }, spec }
}
