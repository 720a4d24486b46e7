import type { Clock } from '#shared/clock'
import type { AdsServerObserver, ConnectedClient, PushMark, SentResponse } from '#shared/xds'

/** A response that a client did not take whole. */
export interface Refusal {
  readonly nonce: string
  /** Peer text, cut. */
  readonly message: string
  readonly atMs: number
  /** The pushes whose changes were in it. */
  readonly firstPush: number
  readonly lastPush: number
}

/** What is known of one client's copy of one type. */
export interface TypeProgress {
  readonly sentNonce: string
  readonly sentAtMs: number
  readonly since: PushMark | undefined
  readonly ackedNonce: string | undefined
  /** Kept until every resource that may be meant was sent again and taken, or removed. */
  readonly refusal: Refusal | undefined
}

export type SyncState = 'NOT SENT' | 'STALE' | 'SYNCED' | 'NACKED'

interface Entry {
  progress: TypeProgress
  /** Names in the response that is outstanding. */
  sentNames: readonly string[]
  lastPush: number
  /** Names that the refusal may mean. */
  readonly refused: Set<string>
}

/** The books of acknowledgements: what each client was sent, has taken and has refused. */
export class ClientLog implements AdsServerObserver {
  readonly #clock: Clock
  readonly #newestPush: () => number
  readonly #clients = new Map<number, Map<string, Entry>>()

  constructor(clock: Clock, newestPush: () => number) {
    this.#clock = clock
    this.#newestPush = newestPush
  }

  connected(client: ConnectedClient): void {
    this.#clients.set(client.id, new Map())
  }

  disconnected(client: ConnectedClient): void {
    this.#clients.delete(client.id)
  }

  sent(client: ConnectedClient, { typeUrl, nonce, changed, removed, since }: SentResponse): void {
    const types = this.#clients.get(client.id)
    const before = types?.get(typeUrl)
    types?.set(typeUrl, {
      progress: {
        sentNonce: nonce,
        sentAtMs: this.#clock.nowMs(),
        since,
        ackedNonce: before?.progress.ackedNonce,
        refusal: before?.progress.refusal,
      },
      sentNames: [...changed.map(({ name }) => name), ...removed],
      lastPush: this.#newestPush(),
      refused: before?.refused ?? new Set(),
    })
  }

  acknowledged(client: ConnectedClient, typeUrl: string, nonce: string): void {
    const entry = this.#clients.get(client.id)?.get(typeUrl)
    if (entry === undefined) return
    for (const name of entry.sentNames) entry.refused.delete(name)
    entry.sentNames = []
    const refusal = entry.refused.size > 0 ? entry.progress.refusal : undefined
    entry.progress = { ...entry.progress, ackedNonce: nonce, refusal }
  }

  /** The good resources of a refused response apply, but which those are only its message says, to people. */
  rejected(client: ConnectedClient, typeUrl: string, nonce: string, message: string): void {
    const entry = this.#clients.get(client.id)?.get(typeUrl)
    if (entry === undefined) return
    const { sentNames, progress, lastPush } = entry
    const named = sentNames.filter((name) => mentions(message, name))
    for (const name of sentNames) entry.refused.delete(name)
    for (const name of named.length > 0 ? named : sentNames) entry.refused.add(name)
    entry.sentNames = []
    const firstPush = progress.since?.push ?? lastPush
    const refusal = { nonce, message, atMs: this.#clock.nowMs(), firstPush, lastPush }
    entry.progress = { ...progress, ackedNonce: nonce, refusal }
  }

  progress(clientId: number, typeUrl: string): TypeProgress | undefined {
    return this.#clients.get(clientId)?.get(typeUrl)?.progress
  }
}

/** @param behind the first change that the client has not answered */
export function syncState(progress: TypeProgress | undefined, behind: PushMark | undefined): SyncState {
  if (progress === undefined) return 'NOT SENT'
  if (progress.refusal !== undefined) return 'NACKED'
  return progress.ackedNonce === progress.sentNonce && behind === undefined ? 'SYNCED' : 'STALE'
}

/** As a word of its own: names may be parts of one another. */
function mentions(message: string, name: string): boolean {
  for (let at = message.indexOf(name); at >= 0; at = message.indexOf(name, at + 1)) {
    const around = message.charAt(at - 1) + message.charAt(at + name.length)
    if (!/[\w./-]/.test(around)) return true
  }
  return false
}
