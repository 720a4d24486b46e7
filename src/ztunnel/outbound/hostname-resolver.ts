import { lookup } from 'node:dns/promises'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { type IpAddress, type IpFamily, ipFamily, parseIp } from '#shared/net'

/** Every address of a host name; `node:dns`'s `lookup` in production. */
export type LookUp = (hostname: string) => Promise<readonly IpAddress[]>

/** The system resolver tells no life time. */
const KEPT_MS = 30_000
const MAX_NAMES = 4096

interface Answer {
  readonly addresses: Promise<readonly IpAddress[]>
  readonly untilMs: number
}

/** Finds the address of workloads that xDS names by host name only (hbone-and-ztunnel e.2, 6). */
export class HostnameResolver {
  readonly #clock: Clock
  readonly #lookUp: LookUp
  /** In order of use, oldest first; simultaneous askers share one look-up. */
  readonly #answers = new Map<string, Answer>()

  constructor(clock: Clock, lookUp: LookUp = systemLookUp) {
    this.#clock = clock
    this.#lookUp = lookUp
  }

  /**
   * One address, at random among those of the first family that has any.
   *
   * @param families that may be used, the preferred one first
   * @throws MeshError `UPSTREAM_CONNECT_FAILED` when there is none
   */
  async resolve(hostname: string, families: readonly IpFamily[]): Promise<IpAddress> {
    const addresses = await this.#answerOf(hostname).addresses
    for (const family of families) {
      const usable = addresses.filter((address) => ipFamily(address) === family)
      const drawn = usable[Math.floor(this.#clock.random() * usable.length)]
      if (drawn !== undefined) return drawn
    }
    throw new MeshError('UPSTREAM_CONNECT_FAILED', `no usable address for hostname ${hostname}`)
  }

  #answerOf(hostname: string): Answer {
    const known = this.#answers.get(hostname)
    this.#answers.delete(hostname)
    const nowMs = this.#clock.monotonicMs()
    const answer = known !== undefined && known.untilMs > nowMs ? known : this.#ask(hostname, nowMs + KEPT_MS)
    this.#answers.set(hostname, answer)
    const oldest = this.#answers.keys().next()
    if (this.#answers.size > MAX_NAMES && !oldest.done) this.#answers.delete(oldest.value)
    return answer
  }

  #ask(hostname: string, untilMs: number): Answer {
    const addresses = this.#lookUp(hostname).catch((cause: unknown) => {
      // The next connection asks again.
      this.#answers.delete(hostname)
      throw new MeshError('UPSTREAM_CONNECT_FAILED', `${hostname} cannot be resolved: ${reasonOf(cause)}`, { cause })
    })
    return { addresses, untilMs }
  }
}

async function systemLookUp(hostname: string): Promise<readonly IpAddress[]> {
  const found = await lookup(hostname, { all: true, verbatim: true })
  return found.flatMap(({ address }) => parseIp(address) ?? [])
}
