/** Where istiod-lite tells tunnels other than istiod does, and why. A case that no longer differs so fails. */
export interface AcceptedDifference {
  /** Case or folder of test/golden. */
  readonly of: readonly string[]
  readonly why: string
  /** As the comparison words them. */
  readonly lines: readonly string[]
}

export const acceptedDifferences: readonly AcceptedDifference[] = []
