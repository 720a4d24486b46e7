import { isIP } from 'node:net'

/** Most values of `serviceAccounts`, and their longest text (istio-control-plane d.1). */
export const MAX_ACCOUNTS = 16
const MAX_ACCOUNT_TEXT = 320

/** Keys of `when` with a fixed name; those with a bracket carry one. */
const CONDITION_KEYS = new Set([
  'source.ip',
  'remote.ip',
  'source.namespace',
  'source.serviceAccount',
  'source.trustDomain',
  'source.principal',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'destination.ip',
  'destination.port',
  'connection.sni',
])
const BRACKETED_KEY = /^(request\.headers|request\.auth\.claims|experimental\.envoy\.filters\.[^[]+)(\[[^\]]+\])+$/

export function portProblem(port: string): string | undefined {
  return /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535 ? undefined : 'is no port from 1 to 65535'
}

/** An address, or address/bits of that family. */
export function cidrProblem(block: string): string | undefined {
  const [address = '', bits, ...rest] = block.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  const isShort = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
  return family !== 0 && isShort && rest.length === 0 ? undefined : 'is no IP address or CIDR'
}

/** `[namespace/]name`, no wildcards. */
export function serviceAccountProblem(account: string): string | undefined {
  if (account.length > MAX_ACCOUNT_TEXT) return `is longer than ${MAX_ACCOUNT_TEXT}`
  return /^([a-z0-9][-a-z0-9]*\/)?[a-z0-9][-a-z0-9.]*$/.test(account) ? undefined : 'is no [namespace/]name'
}

export function conditionKeyProblem(key: string): string | undefined {
  return CONDITION_KEYS.has(key) || BRACKETED_KEY.test(key) ? undefined : 'is no known condition'
}
