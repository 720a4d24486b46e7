/** What a draining part is told: stop taking new work, finish what runs until the deadline, then cut. */
export interface DrainOrder {
  /** `graceful` lets running work finish until `deadlineMs`; `immediate` cuts at once. */
  readonly mode: 'graceful' | 'immediate'
  /** How long running work may go on, ms from now; 0 when immediate. */
  readonly deadlineMs: number
}

/** A part that can be drained; resolves when nothing of it is left. */
export interface Drainable {
  drain(order: DrainOrder): Promise<void>
}
