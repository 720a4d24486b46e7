import type { AuthorizationClause, AuthorizationMatch, AuthorizationRule, StringMatch } from '#shared/model'
import type { Cidr } from '#shared/net'
import { accountKey } from './subject.ts'

/**
 * A fact that a connection must have for a rule to be worth asking: what the index files rules under.
 *
 * `part` says which part of a connection `value` is compared with. Where `length` is set, only so much of that part is:
 * the first or last characters of a text, the first bits of an address.
 */
export interface RuleKey {
  readonly part: KeyPart
  readonly length: number | undefined
  readonly value: string
}

/** In order from what narrows a connection down most to what narrows it down least. */
const PARTS = [
  'principal',
  'account',
  'source-4',
  'source-6',
  'principal-start',
  'principal-end',
  'namespace',
  'namespace-start',
  'namespace-end',
  'port',
  'destination-4',
  'destination-6',
  'anonymous',
  'identified',
] as const

export type KeyPart = (typeof PARTS)[number]

/** Most keys that one rule is filed under; a rule with more is asked of every connection, by look-ups of its own. */
const MAX_KEYS = 4096

/**
 * The keys of the clause that narrows a rule down most: by the widest part that it uses, then by the shortest list.
 *
 * A clause can serve only if each of its matches lists something that a connection must have, and not only what it must
 * not have: then a connection without any of those facts fails that clause, and with it the rule.
 *
 * @param used parts that are not to be looked at, as the rule is filed by them already
 * @returns undefined when no clause can serve
 */
export function bestKeys(rule: AuthorizationRule, used: ReadonlySet<KeyPart>): readonly RuleKey[] | undefined {
  let best: ClauseKeys | undefined
  for (const clause of rule) {
    const candidate = clauseKeys(clause, used)
    if (candidate !== undefined && (best === undefined || isNarrower(candidate, best))) best = candidate
  }
  return best?.keys
}

/** One text for a key, the same as `keyText` of its fields. */
export function keyText(part: KeyPart, length: number | undefined, value: string): string {
  return length === undefined ? `${part} ${value}` : `${part} ${length} ${value}`
}

/** The first `bits` of an address, as a text that differs for each. */
export function leadingBits(bytes: Uint8Array, bits: number): string {
  const whole = bits >> 3
  let text = String.fromCharCode(...bytes.subarray(0, whole))
  if (bits & 7) text += String.fromCharCode((bytes[whole] ?? 0) & (0xff00 >> (bits & 7)) & 0xff)
  return text
}

interface ClauseKeys {
  readonly keys: readonly RuleKey[]
  /** `widthOf` the widest of them. */
  readonly width: number
}

function clauseKeys(clause: AuthorizationClause, used: ReadonlySet<KeyPart>): ClauseKeys | undefined {
  if (clause.length === 0) return undefined
  const keys = new Map<string, RuleKey>()
  let width = 0
  for (const match of clause) {
    const found = matchKeys(match, used)
    if (found === undefined) return undefined
    for (const key of found.keys) keys.set(keyText(key.part, key.length, key.value), key)
    if (keys.size > MAX_KEYS) return undefined
    width = Math.max(width, found.width)
  }
  return { keys: [...keys.values()], width }
}

/** The narrowest of the lists that a match has; undefined when it only excludes. */
function matchKeys(match: AuthorizationMatch, used: ReadonlySet<KeyPart>): ClauseKeys | undefined {
  let best: ClauseKeys | undefined
  for (const keysIn of LISTS) {
    const keys = keysIn(match)
    if (keys === undefined || keys.some(({ part }) => used.has(part))) continue
    const candidate = { keys, width: Math.max(...keys.map(widthOf)) }
    if (best === undefined || isNarrower(candidate, best)) best = candidate
  }
  return best
}

/** The lists of a match that say what a connection must have; undefined for one that is empty, or too long to file. */
const LISTS: readonly ((match: AuthorizationMatch) => readonly RuleKey[] | undefined)[] = [
  ({ principals }) => keysOf(principals, (one) => textKey('principal', one)),
  ({ serviceAccounts }) => keysOf(serviceAccounts, (one) => whole('account', accountKey(one))),
  ({ sourceIps }) => keysOf(sourceIps, (one) => networkKey('source', one)),
  ({ namespaces }) => keysOf(namespaces, (one) => textKey('namespace', one)),
  ({ destinationPorts }) => keysOf(destinationPorts, (one) => whole('port', String(one))),
  ({ destinationIps }) => keysOf(destinationIps, (one) => networkKey('destination', one)),
  // What STRICT mTLS becomes: whoever has an identity cannot match.
  ({ notPrincipals }) => (notPrincipals.some(({ kind }) => kind === 'presence') ? [whole('anonymous', '')] : undefined),
]

function keysOf<T>(list: readonly T[], keyOf: (entry: T) => RuleKey): readonly RuleKey[] | undefined {
  return list.length === 0 || list.length > MAX_KEYS ? undefined : list.map(keyOf)
}

function isNarrower(a: ClauseKeys, b: ClauseKeys): boolean {
  return a.width < b.width || (a.width === b.width && a.keys.length < b.keys.length)
}

/** Smaller is narrower: the place of the part, and behind all of these whatever takes in half the mesh. */
function widthOf(key: RuleKey): number {
  return PARTS.indexOf(key.part) + (isCoarse(key) ? PARTS.length : 0)
}

/** A network of more than a node's size, or the beginning of an identity that does not go as far as its account. */
function isCoarse({ part, length = 0, value }: RuleKey): boolean {
  switch (part) {
    case 'source-4':
    case 'destination-4':
      return length < 20
    case 'source-6':
    case 'destination-6':
      return length < 64
    case 'principal-start':
      return !/^[^/]*\/ns\/[^/]*\//.test(value)
    default:
      return false
  }
}

function textKey(part: 'principal' | 'namespace', match: StringMatch): RuleKey {
  switch (match.kind) {
    case 'exact':
      return whole(part, match.value)
    case 'prefix':
      return { part: `${part}-start`, length: match.value.length, value: match.value }
    case 'suffix':
      return { part: `${part}-end`, length: match.value.length, value: match.value }
    case 'presence':
      return whole('identified', '')
  }
}

function networkKey(part: 'source' | 'destination', { network, prefixBits, family }: Cidr): RuleKey {
  return { part: `${part}-${family}`, length: prefixBits, value: leadingBits(network, prefixBits) }
}

function whole(part: KeyPart, value: string): RuleKey {
  return { part, length: undefined, value }
}
