import { formatSocketAddress, parseSocketAddress, type SocketAddress } from '#shared/net'

/** A connection that another tunnel process goes on with: two plain TCP sockets, and what is known of them. */
export interface Estate {
  /** `outbound` = passed through from 15001, `plaintext` = taken on 15006. */
  readonly way: 'outbound' | 'plaintext'
  readonly podUid: string
  readonly source: SocketAddress
  readonly originalDestination: SocketAddress
  /** Where the second socket leads. */
  readonly target: SocketAddress
  /** Of `outbound`: what the mesh knew of the destination. */
  readonly workloadUid: string | undefined
  readonly serviceKey: string | undefined
  /** Since it was accepted. */
  readonly elapsedMs: number
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** One packet carries one estate; names in it are Kubernetes', and those are short. */
export const MAX_ESTATE_BYTES: number = 8 * 1024

/** Another form is another number, and is not taken. */
const VERSION = 1

export function encodeEstate(estate: Estate): Uint8Array {
  const { source, originalDestination, target } = estate
  const text = JSON.stringify({
    ...estate,
    version: VERSION,
    source: formatSocketAddress(source),
    originalDestination: formatSocketAddress(originalDestination),
    target: formatSocketAddress(target),
  })
  return Buffer.from(text)
}

/** @returns undefined for anything that is none, of whatever version */
export function decodeEstate(bytes: Uint8Array): Estate | undefined {
  const read = parsed(bytes)
  if (read === undefined || read.version !== VERSION) return undefined
  const { way, podUid, workloadUid, serviceKey, elapsedMs, sentBytes, receivedBytes } = read
  const source = addressOf(read.source)
  const originalDestination = addressOf(read.originalDestination)
  const target = addressOf(read.target)
  if (way !== 'outbound' && way !== 'plaintext') return undefined
  if (source === undefined || originalDestination === undefined || target === undefined) return undefined
  if (typeof podUid !== 'string' || !isOptionalText(workloadUid) || !isOptionalText(serviceKey)) return undefined
  if (!isAmount(elapsedMs) || !isAmount(sentBytes) || !isAmount(receivedBytes)) return undefined
  const about = { workloadUid, serviceKey, elapsedMs, sentBytes, receivedBytes }
  return { way, podUid, source, originalDestination, target, ...about }
}

function parsed(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function addressOf(value: unknown): SocketAddress | undefined {
  return typeof value === 'string' ? parseSocketAddress(value) : undefined
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string'
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
