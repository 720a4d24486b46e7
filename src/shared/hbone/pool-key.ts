import { formatSocketAddress } from '#shared/net'
import type { PoolKey } from './types.ts'

/**
 * One text per key; no part can hold a space, but the uid at its end. The accepted peers are a list, not a set: connections are shared only
 * by those who would verify them alike (hbone-and-ztunnel d.6).
 */
export function poolKeyText(key: PoolKey): string {
  return `${key.source} ${key.sourceIp} ${formatSocketAddress(key.destination)} ${key.acceptedPeers.join(',')} ${key.workloadUid}`
}
