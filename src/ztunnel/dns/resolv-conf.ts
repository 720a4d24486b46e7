import { type IpAddress, isLoopback, parseIp } from '#shared/net'

/** Who answers what the mesh does not know, and how patiently they are asked: resolv.conf(5). */
export interface ResolverConfig {
  readonly servers: readonly IpAddress[]
  readonly timeoutMs: number
  /** Rounds through all servers. */
  readonly attempts: number
  /** Each query begins with another server. */
  readonly isRotating: boolean
}

export interface ReadResolverConfig {
  readonly config: ResolverConfig
  /** Lines that cannot be followed, and why. */
  readonly problems: readonly string[]
}

/** The limits of the C library. */
const MAX_SERVERS = 3
const MAX_TIMEOUT_SECONDS = 30
const MAX_ATTEMPTS = 5
const DEFAULTS = { timeoutSeconds: 5, attempts: 2 }

/**
 * Reads resolv.conf as far as forwarding needs it: `search` and its relatives are the clients' affair. Lines that it
 * does not know are passed over, as resolvers do.
 */
export function readResolvConf(text: string): ReadResolverConfig {
  const servers: IpAddress[] = []
  const problems: string[] = []
  let { timeoutSeconds, attempts } = DEFAULTS
  let isRotating = false
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line.trim().split(/\s+/)
    if (keyword === 'nameserver') {
      const [written = ''] = words
      const ip = parseIp(written)
      const problem = problemOf(ip, servers)
      if (problem !== undefined) problems.push(`nameserver ${written.slice(0, 64)} ${problem}`)
      else if (ip !== undefined) servers.push(ip)
    }
    if (keyword !== 'options') continue
    for (const option of words) {
      const [name, value = ''] = option.split(':')
      if (name === 'rotate') isRotating = true
      if (name === 'timeout') timeoutSeconds = numberOf(value, MAX_TIMEOUT_SECONDS) ?? timeoutSeconds
      if (name === 'attempts') attempts = numberOf(value, MAX_ATTEMPTS) ?? attempts
    }
  }
  return { config: { servers, timeoutMs: timeoutSeconds * 1000, attempts, isRotating }, problems }
}

function problemOf(ip: IpAddress | undefined, servers: readonly IpAddress[]): string | undefined {
  if (ip === undefined) return 'is no address'
  // Questions leave from the pods' namespaces, where it would be the pod, which would ask the tunnel again.
  if (isLoopback(ip)) return 'is left out: in a pod it would be the pod itself'
  if (servers.length >= MAX_SERVERS) return `is left out: only ${MAX_SERVERS} count`
  return undefined
}

/** Cut to the limit, as the C library does. */
function numberOf(text: string, max: number): number | undefined {
  return /^[0-9]{1,6}$/.test(text) ? Math.min(Math.max(Number(text), 1), max) : undefined
}
