import type { AuthorizationClause, AuthorizationMatch, AuthorizationRule, StringMatch } from '#shared/model'
import { ipFromBytes } from '#shared/net'
import { accountKey, type Subject } from './subject.ts'

/** A fact that a connection must have for a rule to be worth asking: what the index files rules under. */
export type RuleKey = string

/** Most keys that one rule is filed under; a rule with more is asked of every connection. */
const MAX_KEYS = 64

/**
 * The keys of the clause that narrows a rule down most: its identities before its ports, then the shortest list.
 *
 * A clause can serve only if each of its matches names its facts one by one (no prefixes, no networks, no negation):
 * then a connection without any of those facts fails that clause, and with it the rule.
 *
 * @returns undefined when no clause can serve
 */
export function bestKeys(rule: AuthorizationRule): readonly RuleKey[] | undefined {
  let best: ClauseKeys | undefined
  for (const clause of rule) {
    const candidate = clauseKeys(clause)
    if (candidate !== undefined && (best === undefined || isNarrower(candidate, best))) best = candidate
  }
  return best?.keys
}

/** Every key that a connection's facts are found under. */
export function keysOf(subject: Subject): readonly RuleKey[] {
  const keys = [`ip ${subject.sourceIp}`, `ns ${subject.namespace}`, `port ${subject.destinationPort}`]
  if (subject.principal !== undefined) keys.push(`id ${subject.principal}`)
  if (subject.account !== undefined) keys.push(`sa ${subject.account}`)
  return keys
}

interface ClauseKeys {
  readonly keys: readonly RuleKey[]
  /** Place in `KINDS` of the widest kind used; smaller is narrower. */
  readonly width: number
}

/** The kinds that can be looked up, narrowest first. */
const KINDS: readonly ((match: AuthorizationMatch) => readonly RuleKey[] | undefined)[] = [
  (match) => exactly(match.principals)?.map((text) => `id ${text}`),
  (match) => nonEmpty(match.serviceAccounts)?.map((account) => `sa ${accountKey(account)}`),
  sourceKeys,
  namespacesOfPrincipals,
  (match) => exactly(match.namespaces)?.map((text) => `ns ${text}`),
  (match) => nonEmpty(match.destinationPorts)?.map((port) => `port ${port}`),
]

function clauseKeys(clause: AuthorizationClause): ClauseKeys | undefined {
  if (clause.length === 0) return undefined
  const keys = new Set<RuleKey>()
  let width = 0
  for (const match of clause) {
    const found = matchKeys(match)
    if (found === undefined) return undefined
    for (const key of found.keys) keys.add(key)
    width = Math.max(width, found.width)
  }
  return keys.size > MAX_KEYS ? undefined : { keys: [...keys], width }
}

function matchKeys(match: AuthorizationMatch): ClauseKeys | undefined {
  for (const [width, keysIn] of KINDS.entries()) {
    const keys = keysIn(match)
    if (keys !== undefined) return { keys, width }
  }
  return undefined
}

function isNarrower(a: ClauseKeys, b: ClauseKeys): boolean {
  return a.width < b.width || (a.width === b.width && a.keys.length < b.keys.length)
}

function exactly(matches: readonly StringMatch[]): readonly string[] | undefined {
  const texts = matches.flatMap((match) => (match.kind === 'exact' ? [match.value] : []))
  return matches.length > 0 && texts.length === matches.length ? texts : undefined
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined
}

function sourceKeys(match: AuthorizationMatch): readonly RuleKey[] | undefined {
  const isSingle = match.sourceIps.every((cidr) => cidr.prefixBits === cidr.network.length * 8)
  if (match.sourceIps.length === 0 || !isSingle) return undefined
  return match.sourceIps.map((cidr) => `ip ${ipFromBytes(cidr.network)}`)
}

/** `cluster.local/ns/shop/` and whatever follows: nobody outside that namespace begins with it. */
const PREFIX_WITH_NAMESPACE = /^[^/]+\/ns\/([^/]+)\//

function namespacesOfPrincipals(match: AuthorizationMatch): readonly RuleKey[] | undefined {
  const namespaces = match.principals.map((one) =>
    one.kind === 'exact' || one.kind === 'prefix' ? PREFIX_WITH_NAMESPACE.exec(one.value)?.[1] : undefined,
  )
  if (namespaces.length === 0 || namespaces.includes(undefined)) return undefined
  return namespaces.map((namespace) => `ns ${namespace}`)
}
