import type { Clock, Timer } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import type { WorkloadCertificate } from '#shared/pki'
import type { Logger } from '#shared/telemetry'
import { FETCH_TIMEOUT_MS, type FetchCertificate } from './ca-client.ts'
import { type CertificateEvent, type CertificateState, dueInMs, isFetching, next, usable } from './certificate-state.ts'
import { FetchQueue, type Priority, priorities } from './fetch-queue.ts'

export interface CertificateManagerSettings {
  readonly fetch: FetchCertificate
  readonly clock: Clock
  readonly log: Logger
}

/** One identity as `/config_dump` and `ztunnel-config certificates` show it. */
export interface IdentityStatus {
  readonly identity: SpiffeId
  /** `Available`, `Initializing`, or `Unavailable: <why>`. */
  readonly state: string
  /** Present when available. */
  readonly certificate: WorkloadCertificate | undefined
}

interface Entry {
  readonly id: SpiffeId
  /** Pods of this node that have this identity. */
  podCount: number
  /** Asked for since the last fetch began: what keeps an identity that no pod is known to have. */
  isUsed: boolean
  /** What is being fetched has to be fetched once more. */
  isOutdated: boolean
  state: CertificateState
  /** Wakes at the next fetch or at the end of the certificate's life, whichever is sooner. */
  timer: Timer | undefined
  /** Settles with the first fetch; callers that come before wait for it. */
  readonly first: PromiseWithResolvers<WorkloadCertificate>
  /** Ends the fetch that is in flight when the identity is forgotten. */
  readonly forgotten: AbortController
}

/** The longest wait of a caller, with the queue before the fetch. */
const MAX_WAIT_MS = 15_000

/** A valid certificate for each service account with pods on this node, with one key pair each, always. */
export class CertificateManager implements Closer {
  readonly #settings: CertificateManagerSettings
  readonly #entries = new Map<SpiffeId, Entry>()
  readonly #queue: FetchQueue
  readonly #listeners = new Set<(certificate: WorkloadCertificate) => void>()
  #isClosed = false

  constructor(settings: CertificateManagerSettings) {
    this.#settings = settings
    this.#queue = new FetchQueue((id) => this.#fetch(id))
  }

  /**
   * The newest certificate of an identity; the first call for one that is not known fetches it.
   *
   * @throws MeshError `CERTIFICATE_UNAVAILABLE`: at once with the last error when there is none, or after 15 s
   */
  async certificate(id: SpiffeId): Promise<WorkloadCertificate> {
    if (this.#isClosed) throw unavailable(id, 'shutting down')
    const entry = this.#entries.get(id) ?? this.#add(id, 0, priorities.realTime)
    entry.isUsed = true
    this.#expireIfOver(entry)
    // The wall clock may have been set ahead, of which no timer hears.
    if (entry.state.kind === 'valid' && entry.state.renewAtMs <= this.#settings.clock.nowMs()) this.#wake(entry)
    const { state } = entry
    const certificate = usable(state)
    if (certificate !== undefined) return certificate
    if (state.kind !== 'initial') throw unavailable(id, 'error' in state ? reasonOf(state.error) : 'none')
    this.#queue.add(id, priorities.realTime, this.#settings.clock.monotonicMs())
    return this.#within(MAX_WAIT_MS, entry)
  }

  /** A pod with this identity is on the node now; its certificate is fetched before a connection needs it. */
  warmUp(id: SpiffeId): void {
    if (this.#isClosed) return
    const entry = this.#entries.get(id)
    if (entry === undefined) this.#add(id, 1, priorities.warmUp)
    else entry.podCount++
  }

  /** A pod with this identity has left; with the last one key and certificate are forgotten. */
  forget(id: SpiffeId): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.podCount = Math.max(entry.podCount - 1, 0)
    if (entry.podCount === 0) this.#drop(entry)
  }

  /**
   * Fetches every certificate anew, each in use until its successor is there: another root is to be trusted, or another CA
   * signs. A fetch that is under way may have been answered before that, and is followed by another.
   */
  renewAll(): void {
    for (const entry of this.#entries.values()) {
      if (entry.state.kind === 'valid') this.#begin(entry)
      else entry.isOutdated = isFetching(entry.state)
    }
  }

  /** Sorted by identity. */
  list(): readonly IdentityStatus[] {
    const entries = [...this.#entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    return entries.map(({ id, state }) => {
      const certificate = usable(state)
      if (certificate !== undefined) return { identity: id, state: 'Available', certificate }
      const text = 'error' in state ? `Unavailable: ${reasonOf(state.error)}` : 'Initializing'
      return { identity: id, state: text, certificate }
    })
  }

  /** Told of each certificate that takes the place of another. Returns the unsubscribe. */
  onRenewed(listener: (certificate: WorkloadCertificate) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const entry of [...this.#entries.values()]) this.#drop(entry)
  }

  #add(id: SpiffeId, podCount: number, priority: Priority): Entry {
    const entry: Entry = {
      id,
      podCount,
      isUsed: false,
      isOutdated: false,
      state: { kind: 'initial' },
      timer: undefined,
      first: Promise.withResolvers(),
      forgotten: new AbortController(),
    }
    entry.first.promise.catch(() => {}) // nobody has to wait for it
    this.#entries.set(id, entry)
    this.#queue.add(id, priority, this.#settings.clock.monotonicMs())
    return entry
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.id)
    this.#queue.remove(entry.id)
    entry.timer?.cancel()
    entry.forgotten.abort()
    entry.first.reject(unavailable(entry.id, 'the identity has left the node'))
  }

  /** Never rejects. @returns the priority of another fetch, if one is wanted at once */
  async #fetch(id: SpiffeId): Promise<Priority | undefined> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    const { clock, log } = this.#settings
    try {
      const certificate = await this.#fetchInTime(entry)
      if (entry.forgotten.signal.aborted) return this.#again(id)
      const isRenewal = usable(entry.state) !== undefined
      this.#take(entry, { kind: 'fetched', certificate, nowMs: clock.nowMs() })
      entry.first.resolve(certificate)
      log.debug('certificate fetched', { identity: id, serial: certificate.leaf.serialNumber })
      if (isRenewal) this.#tell(certificate)
      if (entry.isOutdated) return this.#onceMore(entry)
    } catch (thrown) {
      if (entry.forgotten.signal.aborted) return this.#again(id)
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      entry.isOutdated = false
      this.#take(entry, { kind: 'failed', error, nowMs: clock.nowMs(), random: clock.random() })
      entry.first.reject(unavailable(id, reasonOf(error), error))
      log.warn('no certificate', { identity: id, error: reasonOf(error) })
    }
    return undefined
  }

  #onceMore(entry: Entry): Priority {
    entry.isOutdated = false
    entry.timer?.cancel()
    this.#take(entry, { kind: 'due' })
    return priorities.background
  }

  /** Ends by itself, whatever the fetch does about its signal. */
  #fetchInTime(entry: Entry): Promise<WorkloadCertificate> {
    const { fetch, clock } = this.#settings
    const late = Promise.withResolvers<never>()
    const stop = new AbortController()
    const timer = clock.setTimer(FETCH_TIMEOUT_MS, () => {
      late.reject(new MeshError('CERTIFICATE_UNAVAILABLE', `the CA did not answer within ${FETCH_TIMEOUT_MS} ms`))
      stop.abort()
    })
    const signal = AbortSignal.any([stop.signal, entry.forgotten.signal])
    const forgotten = (): void => late.reject(unavailable(entry.id, 'the identity has left the node'))
    entry.forgotten.signal.addEventListener('abort', forgotten, { once: true })
    return Promise.race([fetch(entry.id, signal), late.promise]).finally(() => {
      timer.cancel()
      entry.forgotten.signal.removeEventListener('abort', forgotten)
    })
  }

  /** The identity left while it was fetched for, and may have come back. */
  #again(id: SpiffeId): Priority | undefined {
    return this.#entries.has(id) ? priorities.warmUp : undefined
  }

  #take(entry: Entry, event: CertificateEvent): void {
    entry.state = next(entry.state, event)
    this.#arm(entry)
  }

  /** Sets the timer that the state calls for. */
  #arm(entry: Entry): void {
    entry.timer?.cancel()
    const nowMs = this.#settings.clock.nowMs()
    const expiresInMs = (usable(entry.state)?.leaf.notAfterMs ?? Number.POSITIVE_INFINITY) - nowMs
    const wakeInMs = Math.min(dueInMs(entry.state, nowMs) ?? Number.POSITIVE_INFINITY, expiresInMs)
    if (wakeInMs === Number.POSITIVE_INFINITY) return
    entry.timer = this.#settings.clock.setTimer(wakeInMs, () => this.#wake(entry))
  }

  #wake(entry: Entry): void {
    this.#expireIfOver(entry)
    const { state } = entry
    // A timer may fire early: none reaches further than 25 days, and the wall clock may have been set back.
    const isEarly = state.kind === 'valid' && state.renewAtMs > this.#settings.clock.nowMs()
    if (isEarly || isFetching(state)) {
      this.#arm(entry)
    } else if (entry.podCount === 0 && !entry.isUsed) {
      this.#drop(entry)
    } else {
      entry.isUsed = false
      this.#begin(entry)
    }
  }

  #begin(entry: Entry): void {
    this.#take(entry, { kind: 'due' })
    this.#queue.add(entry.id, priorities.background, this.#settings.clock.monotonicMs())
  }

  #expireIfOver(entry: Entry): void {
    const certificate = usable(entry.state)
    if (certificate === undefined || certificate.leaf.notAfterMs > this.#settings.clock.nowMs()) return
    const error = unavailable(entry.id, `it expired at ${new Date(certificate.leaf.notAfterMs).toISOString()}`)
    this.#take(entry, { kind: 'expired', error })
    this.#settings.log.error('certificate expired before it could be renewed', { identity: entry.id })
  }

  #within(timeoutMs: number, entry: Entry): Promise<WorkloadCertificate> {
    const late = Promise.withResolvers<never>()
    const timer = this.#settings.clock.setTimer(timeoutMs, () =>
      late.reject(unavailable(entry.id, `none after ${timeoutMs} ms`)),
    )
    return Promise.race([entry.first.promise, late.promise]).finally(() => timer.cancel())
  }

  #tell(certificate: WorkloadCertificate): void {
    for (const listener of this.#listeners) listener(certificate)
  }
}

function unavailable(id: SpiffeId, why: string, cause?: unknown): MeshError {
  return new MeshError('CERTIFICATE_UNAVAILABLE', `no certificate for ${id}: ${why}`, { cause })
}
