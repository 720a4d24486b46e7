import { randomBytes } from 'node:crypto'
import type { Clock, Timer } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { Signer } from '#shared/pki'
import type { Logger } from '#shared/telemetry'
import { documentOf, readDocument, reportKey, reportText } from './ca-document.ts'
import type { CaStore, HeldDocument } from './ca-store.ts'
import { type IssuedLeaf, LeafBooks } from './leaf-books.ts'
import { isSameMaterial, type Material, makeSelfSigned, readIssuer } from './material.ts'
import type { ReadPluggedIn } from './plugged-in.ts'
import { type Plugged, PluggedWatch } from './plugged-watch.ts'
import { foldDeparted, isLive, type ReplicaReport } from './replica-report.ts'
import {
  type CaState,
  firstState,
  nextStep,
  type RotationFacts,
  type Step,
  type TakenStep,
  takeStep,
  trustedRoots,
  wordsOf,
} from './rotation.ts'

/** What signs now, and what goes with a certificate. */
export interface Authority {
  readonly signer: Signer
  /** After the leaf: the signing certificate first, no root. */
  readonly chainPems: readonly string[]
  /** Every root that is to be trusted, in one text. */
  readonly rootsPem: string
  /** No leaf outlives it. */
  readonly notAfterMs: number
  readonly revision: number
}

/** What everybody is told to trust, once every replica agrees. */
export interface TrustNotice {
  readonly rootsPem: string
  readonly crlPem: string | undefined
}

export interface KeeperSettings {
  readonly trustDomain: string
  /** Of a root that is made. */
  readonly rootLifeMs: number
  /** What leaves live as a rule; longer ones are told of before they are signed. */
  readonly usualLifeMs: number
  /** How often the shared state, and what is plugged in, are looked at. */
  readonly refreshMs: number
  /** As long as a new root may take to the files of those who connect to us. */
  readonly propagationMs: number
}

export interface KeeperParts {
  readonly store: CaStore
  /** Places of a plugged-in CA; the first that has one counts. */
  readonly pluggedIn: readonly ReadPluggedIn[]
  /** Whether this replica is the one that moves a rotation on; when two believe it, one of their writes fails. */
  readonly isLeader: () => boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** What a keeper knows, for pages and metrics. */
export interface KeeperView {
  readonly where: string
  readonly replicaId: string
  readonly state: CaState
  readonly reports: readonly ReplicaReport[]
  /** What a rotation waits for; empty when none is under way, or another replica moves it on. */
  readonly waitingFor: readonly string[]
  /** Why the store, or what is plugged in, is not taken; the last good stays. */
  readonly problem: string | undefined
  readonly books: LeafBooks
}

/** So long a replica signs after it has last been able to say that it does. */
const LEASE_MS = 600_000
/** Of the last word to the others; without it they take the worst for granted. */
const GOODBYE_MS = 2_000
/** Steps of one look; a rotation has four. */
const MAX_STEPS = 8

/**
 * Keeps the CA: reads and writes what all replicas share, tells them what this one has signed, and, as the leader, moves
 * rotations on. See `rotation.ts` for what is decided, and README.md for why it is safe.
 */
export class AuthorityKeeper implements Closer {
  readonly #settings: KeeperSettings
  readonly #parts: KeeperParts
  readonly #id = randomBytes(6).toString('hex')
  readonly #books = new LeafBooks()
  readonly #watch: PluggedWatch
  readonly #listeners = new Set<() => void>()
  readonly #ready = Promise.withResolvers<void>()
  #state: CaState | undefined
  #authority: Authority | undefined
  #notice: TrustNotice | undefined
  #reports: readonly ReplicaReport[] = []
  #waitingFor: readonly string[] = []
  #problem: string | undefined
  /** As this replica has last written it. */
  #report: ReplicaReport | undefined
  #longestLifeMs: number
  #turn: Promise<unknown> = Promise.resolve()
  #timer: Timer | undefined
  #isClosed = false

  constructor(settings: KeeperSettings, parts: KeeperParts) {
    this.#settings = settings
    this.#parts = parts
    this.#longestLifeMs = settings.usualLifeMs
    const { trustDomain } = settings
    const { pluggedIn, clock, logger } = parts
    this.#watch = new PluggedWatch(pluggedIn, { trustDomain, clock, logger })
    this.#ready.promise.catch(() => {})
  }

  /**
   * Resolves once there is a CA that this replica may sign with: at once from a folder, or when the API has answered, and
   * a plugged-in CA can be used.
   *
   * @throws MeshError `CONFIG_INVALID` when the first look finds a CA that cannot be read
   */
  async start(): Promise<void> {
    try {
      await this.#inTurn(() => this.#look())
      this.#recovered()
    } catch (error) {
      if (error instanceof MeshError && error.code === 'CONFIG_INVALID') throw error
      this.#fail(error)
    }
    this.#lookAgain()
  }

  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** @throws MeshError `CERTIFICATE_UNAVAILABLE` before `ready` */
  get current(): Authority {
    if (this.#authority === undefined) throw new MeshError('CERTIFICATE_UNAVAILABLE', 'there is no CA yet')
    return this.#authority
  }

  /** Undefined until every replica agrees on one. */
  get notice(): TrustNotice | undefined {
    return this.#notice
  }

  /** Undefined before `ready`. */
  get view(): KeeperView | undefined {
    if (this.#state === undefined) return undefined
    return {
      where: this.#parts.store.where,
      replicaId: this.#id,
      state: this.#state,
      reports: this.#reports,
      waitingFor: this.#waitingFor,
      problem: this.#problem,
      books: this.#books,
    }
  }

  /** Told whenever `current` or `notice` is another one. Returns the unsubscribe. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * To be called before a leaf of that life is signed.
   *
   * @throws MeshError `KUBE_API_UNREACHABLE` when the other replicas cannot be told and no longer count with this one
   */
  async reserve(lifeMs: number): Promise<void> {
    const { clock } = this.#parts
    if (lifeMs > this.#longestLifeMs) await this.#inTurn(() => this.#lengthen(lifeMs))
    const lease = this.#report?.lease
    if (lease === undefined || lease.kind === 'closed' || lease.untilMs <= clock.nowMs())
      throw unreachable('the state of the CA has not been seen for too long')
  }

  /** To be called with each leaf that was signed by `current`. */
  issued(leaf: IssuedLeaf): void {
    this.#books.add(leaf, this.#parts.clock.nowMs())
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    const late = Promise.withResolvers<void>()
    const timer = this.#parts.clock.setTimer(GOODBYE_MS, late.resolve)
    const goodbye = this.#inTurn(() => this.#sayGoodbye()).catch((error) =>
      this.#parts.logger.warn('the other replicas cannot be told that this one ends', { reason: reasonOf(error) }),
    )
    await Promise.race([goodbye, late.promise])
    timer.cancel()
  }

  /** A life that the others could not be told of is not given, also not to the next who asks. */
  async #lengthen(lifeMs: number): Promise<void> {
    const before = this.#longestLifeMs
    this.#longestLifeMs = Math.max(before, lifeMs)
    let isTold = false
    try {
      isTold = this.#state !== undefined && (await this.#tell(this.#state))
    } finally {
      if (!isTold) this.#longestLifeMs = before
    }
    if (!isTold) throw unreachable('a longer life cannot be agreed on now')
  }

  #lookAgain(): void {
    if (this.#isClosed) return
    this.#timer = this.#parts.clock.setTimer(this.#settings.refreshMs, () => {
      this.#inTurn(() => this.#look())
        .then(
          () => this.#recovered(),
          (error) => this.#fail(error),
        )
        .finally(() => this.#lookAgain())
    })
  }

  /** Looks, and goes on as long as there is something to do. */
  async #look(): Promise<void> {
    await this.#watch.look()
    for (let steps = 0; steps < MAX_STEPS && !this.#isClosed; steps++) {
      const held = (await this.#parts.store.read()) ?? (await this.#create())
      if (held === undefined) continue
      const { state, reports } = readDocument(held.texts, this.#parts.store.where)
      this.#adopt(state)
      this.#reports = reports
      if (this.#isTold(state) || (await this.#tell(state))) this.#ready.resolve()
      this.#announce(state)
      if (!this.#parts.isLeader() || !(await this.#drive(state, held))) return
    }
  }

  /** Of our own memory, if the store lost it; another replica may be first. */
  async #create(): Promise<undefined> {
    // Whoever brings a CA does not want another one made in its place.
    if (this.#state === undefined && this.#plugged.kind === 'unusable')
      throw new MeshError('CERTIFICATE_INVALID', this.#plugged.error.message)
    const state = this.#state ?? firstState(this.#firstMaterial(), this.#parts.clock.nowMs())
    const isCreated = await this.#parts.store.create(documentOf(state))
    if (isCreated) this.#parts.logger.info('CA kept', { where: this.#parts.store.where, origin: state.signing.origin })
    this.#report = undefined
  }

  #firstMaterial(): Material {
    return this.#plugged.kind === 'usable' ? this.#plugged.found.material : this.#selfSigned()
  }

  #selfSigned(): Material {
    const { trustDomain, rootLifeMs } = this.#settings
    return makeSelfSigned(trustDomain, rootLifeMs, this.#parts.clock.nowMs())
  }

  #adopt(state: CaState): void {
    const known = this.#state
    if (known !== undefined && state.revision < known.revision)
      throw new MeshError(
        'CONFIG_INVALID',
        `${this.#parts.store.where} is at revision ${state.revision}, before ${known.revision}, which is in use: restart every replica to go back`,
      )
    this.#state = state
    if (known?.revision === state.revision && isSameMaterial(known.signing, state.signing)) return
    const { signer, chainPems, notAfterMs } = readIssuer(state.signing)
    this.#authority = { signer, chainPems, rootsPem: trustedRoots(state), notAfterMs, revision: state.revision }
    this.#parts.logger.info('CA taken up', { revision: state.revision, phase: state.phase.kind })
    this.#changed()
  }

  /** A root is made known when every replica hands it out: who asks for it then gets it from whomever it asks. */
  #announce(state: CaState): void {
    const nowMs = this.#parts.clock.nowMs()
    const others = this.#reports.filter(({ id }) => id !== this.#id)
    if (others.some((report) => isLive(report, nowMs) && report.revision < state.revision)) return
    const rootsPem = trustedRoots(state)
    const crlPem = this.#crlPem
    if (this.#notice?.rootsPem === rootsPem && this.#notice.crlPem === crlPem) return
    this.#notice = { rootsPem, crlPem }
    this.#changed()
  }

  /** What was taken back stays so when the next list cannot be read. */
  get #crlPem(): string | undefined {
    if (this.#plugged.kind === 'none') return undefined
    return this.#plugged.kind === 'usable' ? this.#plugged.found.crlPem : this.#notice?.crlPem
  }

  /** @returns whether something was changed, so that it is worth to look again */
  async #drive(state: CaState, held: HeldDocument): Promise<boolean> {
    const nowMs = this.#parts.clock.nowMs()
    const gone = this.#reports.filter((report) => report.id !== this.#id && !isLive(report, nowMs))
    if (gone.length > 0) return this.#fold(state, gone, held)
    const facts: RotationFacts = {
      nowMs,
      pluggedIn: this.#plugged.kind === 'usable' ? this.#plugged.found.material : undefined,
      request: held.request,
      reports: this.#reports,
      propagationMs: this.#settings.propagationMs,
    }
    const step = nextStep(state, facts)
    this.#waitingFor = step.kind === 'wait' ? step.reasons : []
    if (step.kind === 'wait') return false
    const next = takeStep(state, this.#made(step), facts)
    if (!(await this.#parts.store.change(documentOf(next), held.version))) return true
    this.#parts.logger.info(wordsOf(step), { revision: next.revision, phase: next.phase.kind })
    return true
  }

  #made(step: Exclude<Step, { readonly kind: 'wait' }>): TakenStep {
    if (step.kind !== 'prepare') return step
    return { ...step, next: step.next === 'self-signed' ? this.#selfSigned() : step.next }
  }

  async #fold(state: CaState, gone: readonly ReplicaReport[], held: HeldDocument): Promise<boolean> {
    const departed = foldDeparted(state.departed, gone, this.#parts.clock.nowMs())
    const dropped = Object.fromEntries(gone.map(({ id }) => [reportKey(id), null]))
    await this.#parts.store.change({ ...documentOf({ ...state, departed }), ...dropped }, held.version)
    return true
  }

  /** Whether the others know everything that they need of this replica. */
  #isTold(state: CaState): boolean {
    const told = this.#report
    const nowMs = this.#parts.clock.nowMs()
    if (told === undefined || told.revision !== state.revision || told.lease.kind === 'closed') return false
    if (!this.#reports.some(({ id }) => id === this.#id)) return false
    if (told.lease.untilMs - nowMs < LEASE_MS / 2) return false
    const older = (report: ReplicaReport): string =>
      JSON.stringify(report.leaves.filter(({ revision }) => revision < state.revision))
    return older(told) === older({ ...told, leaves: this.#books.groups(nowMs) })
  }

  /** @returns false when the store is gone */
  async #tell(state: CaState): Promise<boolean> {
    const nowMs = this.#parts.clock.nowMs()
    const report: ReplicaReport = {
      id: this.#id,
      revision: state.revision,
      lease: { kind: 'open', untilMs: nowMs + LEASE_MS },
      longestLifeMs: this.#longestLifeMs,
      leaves: this.#books.groups(nowMs),
    }
    if (!(await this.#write(report))) return false
    this.#report = report
    this.#reports = [...this.#reports.filter(({ id }) => id !== this.#id), report]
    return true
  }

  async #sayGoodbye(): Promise<void> {
    if (this.#report === undefined) return
    const leaves = this.#books.groups(this.#parts.clock.nowMs())
    const last: ReplicaReport = { ...this.#report, lease: { kind: 'closed' }, leaves }
    this.#report = last
    await this.#write(last)
  }

  #write(report: ReplicaReport): Promise<boolean> {
    return this.#parts.store.change({ [reportKey(report.id)]: reportText(report) }, undefined)
  }

  get #plugged(): Plugged {
    return this.#watch.now
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  #fail(error: unknown): void {
    const reason = reasonOf(error)
    if (reason !== this.#problem) this.#parts.logger.error('the state of the CA cannot be kept now', { reason })
    this.#problem = reason
  }

  #recovered(): void {
    this.#problem = this.#plugged.kind === 'unusable' ? this.#plugged.error.message : undefined
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

function unreachable(reason: string): MeshError {
  return new MeshError('KUBE_API_UNREACHABLE', `no certificate is signed: ${reason}`)
}
