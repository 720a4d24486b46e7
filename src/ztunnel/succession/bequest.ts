import { readdirSync, statSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { connectSeqPacket, type SeqPacketConnection } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import { type Estate, encodeEstate } from './estate.ts'
import { HEIR_FILE, TAKEN } from './heir.ts'

/** The tunnel that takes this one's place. */
export interface Successor extends Closer {
  /** Where it takes connections. */
  readonly path: string
  /**
   * Leaves it a connection; the caller's own descriptors stay the caller's to close.
   * @returns false when it certainly does not go on with it. Without an answer it may, so the caller must not either: two
   *   processes on one socket would mix up its bytes
   */
  leave(estate: Estate, opener: number, target: number): Promise<boolean>
}

/** How long the successor may think about one connection. */
const ANSWER_TIMEOUT_MS = 5_000

/**
 * The newest tunnel of this node that began after this one; undefined when there is none.
 *
 * @param ownPath where connections can be left to this tunnel itself
 */
export function findSuccessor(ownPath: string, clock: Clock, log: Logger): Successor | undefined {
  const folder = dirname(ownPath)
  const ownMs = statSync(ownPath, { throwIfNoEntry: false })?.mtimeMs
  if (ownMs === undefined) return undefined
  const newer = readdirSync(folder)
    .filter((name) => HEIR_FILE.test(name))
    .map((name) => join(folder, name))
    .flatMap((path) => {
      const mtimeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs
      return path === ownPath || mtimeMs === undefined || mtimeMs < ownMs ? [] : [{ path, mtimeMs }]
    })
    .sort((a, b) => b.mtimeMs - a.mtimeMs)
  for (const { path } of newer) {
    const successor = successorAt(path, clock, log)
    if (successor !== undefined) return successor
    unlinkSync(path)
  }
  return undefined
}

/** Who takes connections at that path; undefined when nobody does. */
export function successorAt(path: string, clock: Clock, log: Logger): Successor | undefined {
  try {
    return new ConnectedSuccessor(path, connectSeqPacket(path), clock)
  } catch (error) {
    log.debug('nobody takes connections there', { path, reason: reasonOf(error) })
    return undefined
  }
}

class ConnectedSuccessor implements Successor {
  readonly path: string
  readonly #connection: SeqPacketConnection
  readonly #clock: Clock
  /** One question at a time; each begins when the answer to the last has come. */
  #last: Promise<unknown> = Promise.resolve()
  #isLost = false

  constructor(path: string, connection: SeqPacketConnection, clock: Clock) {
    this.path = path
    this.#connection = connection
    this.#clock = clock
  }

  leave(estate: Estate, opener: number, target: number): Promise<boolean> {
    const answer = this.#last.then(() => this.#ask(estate, opener, target))
    this.#last = answer
    return answer
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  /** Never rejects. */
  async #ask(estate: Estate, opener: number, target: number): Promise<boolean> {
    if (this.#isLost) return false
    try {
      await this.#connection.send(encodeEstate(estate), [opener, target])
    } catch {
      this.#isLost = true
      return false
    }
    const late = new AbortController()
    const timer = this.#clock.setTimer(ANSWER_TIMEOUT_MS, () => late.abort(), true)
    const answer = await this.#connection.receive(late.signal).catch(() => undefined)
    timer.cancel()
    // One that is late could be taken for that to the next question.
    this.#isLost = answer === undefined
    return answer === undefined || Buffer.from(answer.bytes).equals(TAKEN)
  }
}
