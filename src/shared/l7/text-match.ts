/**
 * How one text is compared. `regex` is RE2, must match the whole text, and was compiled once before it was sent;
 * `presence` holds for every text that is not empty.
 */
export type TextMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'regex'; readonly value: string }
  | { readonly kind: 'presence' }

/**
 * How a path without its query is compared. `prefix` compares characters, `segments` whole parts between slashes (`/a`
 * holds for `/a` and `/a/b`, not for `/ab`).
 */
export type PathMatch = { readonly kind: 'exact' | 'prefix' | 'segments' | 'regex'; readonly value: string }

/**
 * A header, query parameter or cookie by its name; names of headers are in lower case. Here `presence` holds for whatever is
 * there, also when it is empty.
 */
export interface NamedMatch {
  readonly name: string
  readonly match: TextMatch
}

/** A claim of a verified token, by the way to it: `['realm', 'roles']`. */
export interface ClaimMatch {
  readonly path: readonly string[]
  readonly match: TextMatch
}

/** Who asks. Both must hold; what says nothing holds for everybody. */
export interface SourceMatch {
  /** The namespace of the peer's proven identity; empty = any. */
  readonly namespace: string
  /** Labels of the workload at the peer's address, as `WorkloadLabels` tells them. */
  readonly labels: Readonly<Record<string, string>>
}

/** A service by its key in the Address family. */
export interface ServiceName {
  readonly namespace: string
  readonly hostname: string
}
