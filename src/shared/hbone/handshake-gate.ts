import type { IpAddress } from '#shared/net'

export interface HandshakeGateSettings {
  /** Hand-shakes at once, from anywhere. Each holds some 40 KiB of TLS state. */
  readonly maxPending: number
  /** Hand-shakes at once from one address. An honest pod has one for each pod of this node that it calls. */
  readonly maxPendingPerSource: number
}

const DEFAULTS: HandshakeGateSettings = { maxPending: 4096, maxPendingPerSource: 256 }

/** Bounds the hand-shakes that peers may begin and leave unfinished; shared by all listeners of a process. */
export class HandshakeGate {
  readonly #settings: HandshakeGateSettings
  readonly #pendingOf: Map<IpAddress, number> = new Map()
  #pending = 0

  constructor(settings: Partial<HandshakeGateSettings> = {}) {
    this.#settings = { ...DEFAULTS, ...settings }
  }

  get pending(): number {
    return this.#pending
  }

  /** False when there are too many; who was let in leaves once. */
  enter(source: IpAddress): boolean {
    const ofSource = this.#pendingOf.get(source) ?? 0
    if (this.#pending >= this.#settings.maxPending || ofSource >= this.#settings.maxPendingPerSource) return false
    this.#pending++
    this.#pendingOf.set(source, ofSource + 1)
    return true
  }

  leave(source: IpAddress): void {
    const ofSource = this.#pendingOf.get(source) ?? 0
    if (ofSource === 0) throw new Error(`nobody from ${source} is in a hand-shake`)
    this.#pending--
    if (ofSource === 1) this.#pendingOf.delete(source)
    else this.#pendingOf.set(source, ofSource - 1)
  }
}
