import type {
  Authorization,
  AuthorizationClause,
  AuthorizationMatch,
  AuthorizationRule,
  StringMatch,
} from '#shared/model'
import type { Cidr, IpAddress } from '#shared/net'
import { cidrContainsBytes, ipFromBytes } from '#shared/net'
import { bestKeys, type RuleKey } from './rule-key.ts'
import { accountKey, type Subject } from './subject.ts'

/** A policy ready to be asked; make it with `compilePolicy` and put it into a `PolicySet`. */
export interface CompiledPolicy {
  readonly key: string
  readonly source: Authorization
  readonly rules: readonly CompiledRule[]
}

export interface CompiledRule {
  readonly policy: CompiledPolicy
  /** Place among the policy's rules, 0-based. */
  readonly index: number
  /** A connection that has none of these facts cannot match; undefined = any connection may. */
  readonly keys: readonly RuleKey[] | undefined
  readonly matches: Test
}

type Test = (subject: Subject) => boolean

/**
 * Turns a policy into closures over sets (hbone-and-ztunnel f, "Matching"). Rules that can never match are left out,
 * the others keep their index.
 *
 * @param key the resource name on the wire, `<namespace>/<name>`
 */
export function compilePolicy(key: string, source: Authorization): CompiledPolicy {
  const rules: CompiledRule[] = []
  const policy: CompiledPolicy = { key, source, rules }
  source.rules.forEach((rule, index) => {
    const matches = compileRule(rule)
    if (matches !== undefined) rules.push({ policy, index, keys: bestKeys(rule), matches })
  })
  return policy
}

/** All clauses; without clauses everything matches. Undefined = never. */
function compileRule(rule: AuthorizationRule): Test | undefined {
  const clauses: Test[] = []
  for (const clause of rule) {
    if (clause.length === 0) continue
    const test = compileClause(clause)
    if (test === undefined) return undefined
    clauses.push(test)
  }
  return allOf(clauses)
}

/** Any match of a clause that lists some. Undefined = never. */
function compileClause(clause: AuthorizationClause): Test | undefined {
  const matches = clause.flatMap((match) => compileMatch(match) ?? [])
  if (matches.length === 0) return undefined
  if (matches.length === 1) return matches[0]
  return (subject) => {
    for (const match of matches) if (match(subject)) return true
    return false
  }
}

/** All kinds that say something. Undefined when none does: an empty match never matches. */
function compileMatch(match: AuthorizationMatch): Test | undefined {
  const tests: Test[] = []
  const add = (has: Test | undefined, hasNot: Test | undefined): void => {
    if (has !== undefined) tests.push(has)
    if (hasNot !== undefined) tests.push((subject) => !hasNot(subject))
  }
  add(portIn(match.destinationPorts), portIn(match.notDestinationPorts))
  add(principalIn(match.principals), principalIn(match.notPrincipals))
  add(accountIn(match.serviceAccounts), accountIn(match.notServiceAccounts))
  add(namespaceIn(match.namespaces), namespaceIn(match.notNamespaces))
  add(sourceIn(match.sourceIps), sourceIn(match.notSourceIps))
  add(destinationIn(match.destinationIps), destinationIn(match.notDestinationIps))
  return tests.length === 0 ? undefined : allOf(tests)
}

function allOf(tests: readonly Test[]): Test {
  const [first] = tests
  if (first !== undefined && tests.length === 1) return first
  return (subject) => {
    for (const test of tests) if (!test(subject)) return false
    return true
  }
}

function portIn(ports: readonly number[]): Test | undefined {
  if (ports.length === 0) return undefined
  const wanted = new Set(ports)
  return (subject) => wanted.has(subject.destinationPort)
}

function principalIn(matches: readonly StringMatch[]): Test | undefined {
  const test = stringIn(matches)
  return test && ((subject) => subject.principal !== undefined && test(subject.principal))
}

function namespaceIn(matches: readonly StringMatch[]): Test | undefined {
  const test = stringIn(matches)
  return test && ((subject) => test(subject.namespace))
}

function accountIn(accounts: AuthorizationMatch['serviceAccounts']): Test | undefined {
  if (accounts.length === 0) return undefined
  const wanted = new Set(accounts.map(accountKey))
  return (subject) => subject.account !== undefined && wanted.has(subject.account)
}

function sourceIn(cidrs: readonly Cidr[]): Test | undefined {
  const { single, networks } = splitNetworks(cidrs)
  if (cidrs.length === 0) return undefined
  if (networks.length === 0) return (subject) => single.has(subject.sourceIp)
  return (subject) => single.has(subject.sourceIp) || isIn(networks, subject.sourceBytes)
}

function destinationIn(cidrs: readonly Cidr[]): Test | undefined {
  const { single, networks } = splitNetworks(cidrs)
  if (cidrs.length === 0) return undefined
  if (networks.length === 0) return (subject) => single.has(subject.destinationIp)
  return (subject) => single.has(subject.destinationIp) || isIn(networks, subject.destinationBytes)
}

/** Exact texts in a set, the rest one after the other; an empty prefix or suffix hits everything. */
function stringIn(matches: readonly StringMatch[]): ((text: string) => boolean) | undefined {
  if (matches.length === 0) return undefined
  const exact = new Set(matches.flatMap((match) => (match.kind === 'exact' ? [match.value] : [])))
  const others = matches.filter((match) => match.kind !== 'exact')
  if (others.length === 0) return (text) => exact.has(text)
  return (text) => exact.has(text) || others.some((match) => stringMatches(match, text))
}

function stringMatches(match: StringMatch, text: string): boolean {
  switch (match.kind) {
    case 'exact':
      return text === match.value
    case 'prefix':
      return text.startsWith(match.value)
    case 'suffix':
      return text.endsWith(match.value)
    case 'presence':
      return text !== ''
  }
}

/** Single addresses go into a set (their text is canonical), networks are asked one after the other. */
function splitNetworks(cidrs: readonly Cidr[]): {
  readonly single: ReadonlySet<IpAddress>
  readonly networks: readonly Cidr[]
} {
  const single = new Set(cidrs.flatMap((cidr) => singleAddress(cidr) ?? []))
  return { single, networks: cidrs.filter((cidr) => singleAddress(cidr) === undefined) }
}

function isIn(networks: readonly Cidr[], bytes: Uint8Array): boolean {
  for (const cidr of networks) if (cidrContainsBytes(cidr, bytes)) return true
  return false
}

/** The address of a network of one. */
function singleAddress(cidr: Cidr): IpAddress | undefined {
  return cidr.prefixBits === cidr.network.length * 8 ? ipFromBytes(cidr.network) : undefined
}
