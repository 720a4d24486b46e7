import type { Clock, Timer } from '#shared/clock'

export interface DebounceSettings {
  /** A burst counts as over after so long without a change. */
  readonly quietMs: number
  /** A burst is told after so long even if it goes on. */
  readonly longestMs: number
}

/** Names that changed, by type. */
export type Changes = ReadonlyMap<string, readonly string[]>

/** Gathers what changes in a burst and hands it on once. Names only, each once, so a burst has a bounded size. */
export class Debounce {
  readonly #clock: Clock
  readonly #settings: DebounceSettings
  readonly #tell: (changes: Changes, sinceMs: number) => void
  readonly #pending = new Map<string, Set<string>>()
  #sinceMs: number | undefined
  #timer: Timer | undefined

  /** @param tell gets the time of the burst's first change, too; monotonic */
  constructor(clock: Clock, settings: DebounceSettings, tell: (changes: Changes, sinceMs: number) => void) {
    this.#clock = clock
    this.#settings = settings
    this.#tell = tell
  }

  /** A burst is being gathered. */
  get isPending(): boolean {
    return this.#sinceMs !== undefined
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
    this.#sinceMs = undefined
    this.#pending.clear()
  }

  #end(): void {
    const sinceMs = this.#sinceMs ?? this.#clock.monotonicMs()
    const changes = new Map([...this.#pending].map(([typeUrl, names]) => [typeUrl, [...names]]))
    this.#pending.clear()
    this.#sinceMs = undefined
    this.#timer = undefined
    this.#tell(changes, sinceMs)
  }
}
