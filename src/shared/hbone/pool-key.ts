import { formatSocketAddress } from '#shared/net'
import type { PoolKey } from './types.ts'

/**
 * One text per key; no part can hold a space, but the uid at its end. The accepted peers are a list, not a set: connections are shared only
 * by those who would verify them alike (hbone-and-ztunnel d.6).
 */
export function poolKeyText(key: PoolKey): string {
  return `${key.source} ${key.sourceIp} ${formatSocketAddress(key.destination)} ${key.acceptedPeers.join(',')} ${key.workloadUid}`
}

/** Connections often go where the one before went: its text is not made again. */
export class PoolKeyTexts {
  #last: { readonly key: PoolKey; readonly text: string } | undefined

  of(key: PoolKey): string {
    if (this.#last === undefined || !isAlike(key, this.#last.key)) this.#last = { key, text: poolKeyText(key) }
    return this.#last.text
  }
}

function isAlike(a: PoolKey, b: PoolKey): boolean {
  return (
    a.workloadUid === b.workloadUid &&
    a.source === b.source &&
    a.sourceIp === b.sourceIp &&
    a.destination.ip === b.destination.ip &&
    a.destination.port === b.destination.port &&
    a.acceptedPeers.length === b.acceptedPeers.length &&
    a.acceptedPeers.every((peer, i) => peer === b.acceptedPeers[i])
  )
}
