/**
 * Which of several control planes writes. Reading, deriving and serving need no leader; whatever changes objects of the
 * cluster on its own account does.
 */
export interface Leadership {
  /** True only while no other candidate can hold the lease, whatever happened to this process meanwhile. */
  readonly isLeader: boolean
  /**
   * Runs one write, which must end, one way or the other, within `LeaseTimes.writeTimeoutMs`: use a client with that
   * time limit. A lease is given back only after all writes have ended.
   *
   * @throws MeshError `NOT_LEADER` without having called `write`
   */
  perform<T>(write: () => Promise<T>): Promise<T>
  /** Told now and at each beginning and end of leadership. Returns the unsubscribe. */
  subscribe(listener: (isLeader: boolean) => void): () => void
}
