import type { Clock } from '#shared/clock'
import type { AdsServerObserver, ConnectedClient } from '#shared/xds'

/** What is known of one client's copy of one type. */
export interface TypeProgress {
  readonly sentNonce: string
  readonly sentAtMs: number
  readonly ackedNonce: string | undefined
  /** The last response that the client took in part only; kept until it takes one whole. */
  readonly rejection: { readonly nonce: string; readonly message: string; readonly atMs: number } | undefined
}

export type SyncState = 'NOT SENT' | 'STALE' | 'SYNCED' | 'REJECTED'

/** The books of acknowledgements: what each client was sent, has taken and has refused. */
export class ClientLog implements AdsServerObserver {
  readonly #clock: Clock
  readonly #clients = new Map<number, Map<string, TypeProgress>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  connected(client: ConnectedClient): void {
    this.#clients.set(client.id, new Map())
  }

  disconnected(client: ConnectedClient): void {
    this.#clients.delete(client.id)
  }

  sent(client: ConnectedClient, typeUrl: string, nonce: string): void {
    const before = this.progress(client.id, typeUrl)
    const progress: TypeProgress = {
      sentNonce: nonce,
      sentAtMs: this.#clock.nowMs(),
      ackedNonce: before?.ackedNonce,
      rejection: before?.rejection,
    }
    this.#clients.get(client.id)?.set(typeUrl, progress)
  }

  acknowledged(client: ConnectedClient, typeUrl: string, nonce: string): void {
    this.#answered(client, typeUrl, { ackedNonce: nonce, rejection: undefined })
  }

  rejected(client: ConnectedClient, typeUrl: string, nonce: string, message: string): void {
    this.#answered(client, typeUrl, {
      ackedNonce: nonce,
      rejection: { nonce, message, atMs: this.#clock.nowMs() },
    })
  }

  progress(clientId: number, typeUrl: string): TypeProgress | undefined {
    return this.#clients.get(clientId)?.get(typeUrl)
  }

  #answered(client: ConnectedClient, typeUrl: string, answer: Pick<TypeProgress, 'ackedNonce' | 'rejection'>): void {
    const progress = this.progress(client.id, typeUrl)
    if (progress !== undefined) this.#clients.get(client.id)?.set(typeUrl, { ...progress, ...answer })
  }
}

export function syncState(progress: TypeProgress | undefined): SyncState {
  if (progress === undefined) return 'NOT SENT'
  if (progress.ackedNonce !== progress.sentNonce) return 'STALE'
  return progress.rejection === undefined ? 'SYNCED' : 'REJECTED'
}
