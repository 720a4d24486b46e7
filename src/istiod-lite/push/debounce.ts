import type { Clock, Timer } from '#shared/clock'

export interface DebounceSettings {
  /** A burst counts as over after so long without a change. */
  readonly quietMs: number
  /** A burst is told after so long even if it goes on. */
  readonly longestMs: number
}

/** Gathers what changes in a burst and hands it on once. Names only, each once, so a burst has a bounded size. */
export class Debounce {
  readonly #clock: Clock
  readonly #settings: DebounceSettings
  readonly #tell: (changes: ReadonlyMap<string, readonly string[]>, waitedMs: number) => void
  readonly #pending = new Map<string, Set<string>>()
  #sinceMs: number | undefined
  #timer: Timer | undefined

  constructor(
    clock: Clock,
    settings: DebounceSettings,
    tell: (changes: ReadonlyMap<string, readonly string[]>, waitedMs: number) => void,
  ) {
    this.#clock = clock
    this.#settings = settings
    this.#tell = tell
  }

  add(typeUrl: string, names: Iterable<string>): void {
    const set = this.#pending.get(typeUrl) ?? new Set()
    this.#pending.set(typeUrl, set)
    for (const name of names) set.add(name)
    const nowMs = this.#clock.monotonicMs()
    this.#sinceMs ??= nowMs
    const untilMs = Math.min(nowMs + this.#settings.quietMs, this.#sinceMs + this.#settings.longestMs)
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(untilMs - nowMs, () => this.#end())
  }

  /** What waits is dropped: nobody is left to be told. */
  close(): void {
    this.#timer?.cancel()
    this.#pending.clear()
  }

  #end(): void {
    const waitedMs = this.#clock.monotonicMs() - (this.#sinceMs ?? 0)
    const changes = new Map([...this.#pending].map(([typeUrl, names]) => [typeUrl, [...names]]))
    this.#pending.clear()
    this.#sinceMs = undefined
    this.#timer = undefined
    this.#tell(changes, waitedMs)
  }
}
