import { Roster, type Seated } from '#shared/lifecycle'
import type { Connection, ConnectionCloseReason, ConnectionRecord, DeniedBy, InboundConnectionRecord } from './types.ts'

/** Live connections that one process may hold; beyond it new ones are turned away. */
export const DEFAULT_CONNECTION_LIMIT = 262_144

/**
 * Every live connection of the node's pods. A connection is listed before policy is asked about it, so that a policy
 * that arrives between the two finds it; what the table closes stays listed until its owner removes it.
 */
export class ConnectionTable {
  readonly #limit: number
  readonly #byPod = new Map<string, Roster<Entry>>()
  #lastId = 0
  #size = 0
  /** One function for all entries. */
  readonly #drop = (entry: Entry): void => {
    const ofPod = this.#byPod.get(entry.record.podUid)
    if (!ofPod?.remove(entry)) return
    if (ofPod.size === 0) this.#byPod.delete(entry.record.podUid)
    this.#size--
  }

  constructor(limit: number = DEFAULT_CONNECTION_LIMIT) {
    this.#limit = limit
  }

  get size(): number {
    return this.#size
  }

  /**
   * Lists a connection.
   *
   * @param close ends it; called at most once, for the first reason that comes
   * @returns undefined when the table is full: the connection is to be turned away
   */
  add<R extends ConnectionRecord>(
    record: R,
    close: (reason: ConnectionCloseReason) => void,
  ): Connection<R> | undefined {
    if (this.#size >= this.#limit) return undefined
    const entry = new Entry<R>(++this.#lastId, record, close, this.#drop)
    const ofPod = this.#byPod.get(record.podUid) ?? new Roster()
    ofPod.add(entry as Entry)
    this.#byPod.set(record.podUid, ofPod)
    this.#size++
    return entry
  }

  /** A snapshot in order of arrival within each pod. */
  list(): readonly Connection[] {
    return [...this.#byPod.keys()].flatMap((podUid) => this.ofPod(podUid))
  }

  ofPod(podUid: string): readonly Connection[] {
    return (this.#byPod.get(podUid)?.members() ?? []).sort((a, b) => a.id - b.id)
  }

  /** A snapshot of the connections that policy is about. */
  inbound(): readonly Connection<InboundConnectionRecord>[] {
    return this.list().filter(isInbound)
  }

  /** Tells every connection of a pod to end; returns how many there were. */
  closePod(podUid: string, reason: ConnectionCloseReason): number {
    const entries = this.ofPod(podUid)
    for (const entry of entries) entry.close(reason)
    return entries.length
  }
}

class Entry<R extends ConnectionRecord = ConnectionRecord> implements Connection<R>, Seated {
  seat = -1
  readonly id: number
  readonly record: R
  readonly #end: (reason: ConnectionCloseReason) => void
  readonly #drop: (entry: Entry) => void
  #closedBy: ConnectionCloseReason | undefined
  #deniedBy: DeniedBy | undefined

  constructor(id: number, record: R, end: (reason: ConnectionCloseReason) => void, drop: (entry: Entry) => void) {
    this.id = id
    this.record = record
    this.#end = end
    this.#drop = drop
  }

  get closedBy(): ConnectionCloseReason | undefined {
    return this.#closedBy
  }

  get deniedBy(): DeniedBy | undefined {
    return this.#deniedBy
  }

  close(reason: ConnectionCloseReason, deniedBy?: DeniedBy): void {
    if (this.#closedBy !== undefined) return
    this.#closedBy = reason
    this.#deniedBy = deniedBy
    this.#end(reason)
  }

  remove(): void {
    this.#drop(this as unknown as Entry) // an Entry<R> is looked up by identity alone
  }
}

function isInbound(connection: Connection): connection is Connection<InboundConnectionRecord> {
  return connection.record.direction === 'inbound'
}
