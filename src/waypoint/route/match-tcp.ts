import type { Backend, TcpMatch, TcpRule } from '#shared/l7'
import { cidrContains, type IpAddress } from '#shared/net'
import type { InnerConnection } from '../listen/index.ts'
import { Shares } from './shares.ts'
import { type SourceView, sourceHolds } from './source.ts'

/** What is known of a connection that is not HTTP. */
export interface StreamFacts {
  /** Of TLS, as the client wrote it; undefined = there is none. */
  readonly sni: string | undefined
  /** The address that was asked for; undefined when it was a name. */
  readonly address: IpAddress | undefined
  readonly connection: InnerConnection
  readonly view: SourceView
}

/** @returns undefined when no rule matches, and the connection is closed */
export function matchTcp(rules: readonly TcpRule[], facts: StreamFacts, random: () => number): Backend | undefined {
  const rule = rules.find(({ matches }) => matches.length === 0 || matches.some((match) => matchHolds(match, facts)))
  return rule && sharesOf(rule).choose(random)
}

function matchHolds(match: TcpMatch, { sni, address, connection, view }: StreamFacts): boolean {
  const { sniHosts, destinations, source } = match
  return (
    (sniHosts.length === 0 || (sni !== undefined && sniHosts.some((host) => nameHolds(host, sni)))) &&
    (destinations.length === 0 ||
      (address !== undefined && destinations.some((cidr) => cidrContains(cidr, address)))) &&
    (source === undefined || sourceHolds(source, connection, view))
  )
}

/** Names know no case; `*.` stands for one or more labels. */
function nameHolds(pattern: string, name: string): boolean {
  const [wanted, given] = [pattern.toLowerCase(), name.toLowerCase()]
  if (wanted === '*') return true
  return wanted.startsWith('*.') ? given.endsWith(wanted.slice(1)) && given.length >= wanted.length : given === wanted
}

const shares = new WeakMap<TcpRule, Shares<Backend>>()

function sharesOf(rule: TcpRule): Shares<Backend> {
  const known = shares.get(rule)
  if (known !== undefined) return known
  const made = new Shares(rule.backends.map(({ to, weight }) => ({ item: to, weight })))
  shares.set(rule, made)
  return made
}
