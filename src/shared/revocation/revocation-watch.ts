import type { Revocation } from '#shared/hbone'
import { type PeerChain, type RevocationList, revokedSerial } from '#shared/pki'
import type { Counter, Metrics, Reporter } from '#shared/telemetry'

interface Follower {
  readonly chain: PeerChain
  readonly onRevoked: () => void
}

/** Judges the peers of both roles by the lists that are known, and ends what newer lists take back. */
export class RevocationWatch {
  readonly #rejections: (reporter: Reporter) => Counter
  readonly #followers = new Set<Follower>()
  #lists: readonly RevocationList[] = []

  constructor(metrics: Metrics) {
    const family = metrics.counters(
      'istio_crl_policy_rejections',
      'The total number of connections rejected or closed because of a revoked certificate',
      ['reporter'],
    )
    this.#rejections = (reporter) => family.with(reporter)
  }

  get followerCount(): number {
    return this.#followers.size
  }

  /** How one role asks: `source` = of the servers that we dial, `destination` = of the clients that dial us. */
  for(reporter: Reporter): Revocation {
    return {
      faultOf: (chain) => {
        const serial = revokedSerial(chain, this.#lists)
        if (serial === undefined) return undefined
        this.#rejections(reporter).value++
        return `certificate with serial number ${serial} is revoked`
      },
      follow: (chain, onRevoked) => {
        const follower: Follower = {
          chain,
          onRevoked: () => {
            this.#rejections(reporter).value++
            onRevoked()
          },
        }
        // It may have come between the hand-shake and now; told when the caller has what it waits for in hand.
        if (revokedSerial(chain, this.#lists) !== undefined) queueMicrotask(() => follower.onRevoked())
        else this.#followers.add(follower)
        return () => void this.#followers.delete(follower)
      },
    }
  }

  /** From now on these lists count, and no others. */
  update(lists: readonly RevocationList[]): void {
    this.#lists = lists
    // Connections of one tunnel share its chain, which is judged once.
    const judged = new Map<PeerChain, boolean>()
    for (const follower of [...this.#followers]) {
      const { chain } = follower
      const isRevoked = judged.get(chain) ?? revokedSerial(chain, lists) !== undefined
      judged.set(chain, isRevoked)
      if (isRevoked && this.#followers.delete(follower)) follower.onRevoked()
    }
  }
}
