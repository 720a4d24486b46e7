/** A keyed set of values that is kept up to date; readers see whole states only, after everything has settled. */
export interface Collection<T> {
  readonly name: string
  readonly size: number
  get(key: string): T | undefined
  /** Sorted by key, so that nothing depends on the order of arrival. */
  list(): readonly T[]
  /** Everything as `added` at once (nothing when empty), then each settled difference. Returns the unsubscribe. */
  subscribe(listener: (changes: readonly Change<T>[]) => void): () => void
}

/** One difference between two settled states; never an update between equal values. */
export type Change<T> =
  | { readonly type: 'added'; readonly key: string; readonly value: T }
  | { readonly type: 'updated'; readonly key: string; readonly value: T; readonly before: T }
  | { readonly type: 'deleted'; readonly key: string; readonly before: T }

/** One value that is derived from collections. */
export interface Singleton<T> {
  readonly name: string
  /** Holds the value under the singleton's name. */
  readonly holder: Collection<{ readonly value: T }>
  get(): T
  subscribe(listener: (value: T) => void): () => void
}

/** Values of a collection by keys of another sort, such as pods by node. */
export interface Index<T> {
  readonly name: string
  /** Sorted by the values' own keys; empty for an unknown key. */
  get(key: string): readonly T[]
}

/** How often a node of the graph ran and what it saved; for dumps and for tests that count work. */
export interface NodeStatistics {
  readonly name: string
  readonly size: number
  /** Derivations run since the start. */
  readonly runs: number
  /** Results that were equal to the one before and so went no further. */
  readonly equals: number
}
