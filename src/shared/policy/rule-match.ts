import type {
  AuthorizationClause,
  AuthorizationMatch,
  AuthorizationRule,
  ServiceAccountMatch,
  StringMatch,
} from '#shared/model'
import { type Cidr, cidrContainsBytes, type IpAddress, ipFromBytes } from '#shared/net'
import { accountKey, type Subject } from './subject.ts'

/** All clauses; without clauses everything matches (hbone-and-ztunnel f, "Matching"). */
export function ruleMatches(rule: AuthorizationRule, subject: Subject): boolean {
  for (const clause of rule) if (clause.length > 0 && !clauseMatches(clause, subject)) return false
  return true
}

/** Whether there is any connection that the rule matches, as far as its shape says. */
export function canMatch(rule: AuthorizationRule): boolean {
  return rule.every((clause) => clause.length === 0 || !clause.every(isEmpty))
}

function clauseMatches(clause: AuthorizationClause, subject: Subject): boolean {
  for (const match of clause) if (matchMatches(match, subject)) return true
  return false
}

/** All kinds must hold: an empty list or any hit, and no hit of those excluded. An empty match never matches. */
function matchMatches(match: AuthorizationMatch, subject: Subject): boolean {
  if (isEmpty(match)) return false
  const { destinationPort: port, principal, account, namespace } = subject
  return (
    (match.destinationPorts.length === 0 || isIn(match.destinationPorts, port)) &&
    !isIn(match.notDestinationPorts, port) &&
    (match.principals.length === 0 || (principal !== undefined && anyText(match.principals, principal))) &&
    !(principal !== undefined && anyText(match.notPrincipals, principal)) &&
    (match.serviceAccounts.length === 0 || (account !== undefined && anyAccount(match.serviceAccounts, account))) &&
    !(account !== undefined && anyAccount(match.notServiceAccounts, account)) &&
    (match.namespaces.length === 0 || anyText(match.namespaces, namespace)) &&
    !anyText(match.notNamespaces, namespace) &&
    (match.sourceIps.length === 0 || anySource(match.sourceIps, subject)) &&
    !anySource(match.notSourceIps, subject) &&
    (match.destinationIps.length === 0 || anyDestination(match.destinationIps, subject)) &&
    !anyDestination(match.notDestinationIps, subject)
  )
}

function isEmpty(match: AuthorizationMatch): boolean {
  return (
    match.destinationPorts.length === 0 &&
    match.notDestinationPorts.length === 0 &&
    match.principals.length === 0 &&
    match.notPrincipals.length === 0 &&
    match.serviceAccounts.length === 0 &&
    match.notServiceAccounts.length === 0 &&
    match.namespaces.length === 0 &&
    match.notNamespaces.length === 0 &&
    match.sourceIps.length === 0 &&
    match.notSourceIps.length === 0 &&
    match.destinationIps.length === 0 &&
    match.notDestinationIps.length === 0
  )
}

function anyText(matches: readonly StringMatch[], text: string): boolean {
  if (matches.length <= SHORT) return firstText(matches, text)
  const { exact, others } = lookupOf(matches, exactText)
  return exact.has(text) || firstText(others, text)
}

function firstText(matches: readonly StringMatch[], text: string): boolean {
  for (const match of matches) if (textMatches(match, text)) return true
  return false
}

/** An empty prefix or suffix hits everything. */
function textMatches(match: StringMatch, text: string): boolean {
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

function anyAccount(accounts: readonly ServiceAccountMatch[], account: string): boolean {
  if (accounts.length > SHORT) return lookupOf(accounts, accountKey).exact.has(account)
  for (const wanted of accounts) if (accountKey(wanted) === account) return true
  return false
}

function anySource(networks: readonly Cidr[], subject: Subject): boolean {
  return networks.length > 0 && anyNetwork(networks, subject.sourceIp, subject.sourceBytes)
}

function anyDestination(networks: readonly Cidr[], subject: Subject): boolean {
  return networks.length > 0 && anyNetwork(networks, subject.destinationIp, subject.destinationBytes)
}

/** @param bytes those of `ip` */
export function anyNetwork(networks: readonly Cidr[], ip: IpAddress, bytes: Uint8Array): boolean {
  if (networks.length <= SHORT) return firstNetwork(networks, bytes)
  const { exact, others } = lookupOf(networks, singleAddress)
  return exact.has(ip) || firstNetwork(others, bytes)
}

function firstNetwork(networks: readonly Cidr[], bytes: Uint8Array): boolean {
  for (const network of networks) if (cidrContainsBytes(network, bytes)) return true
  return false
}

function isIn(ports: readonly number[], port: number): boolean {
  return ports.length > SHORT ? lookupOf(ports, (one) => one).exact.has(port) : ports.includes(port)
}

/** Up to so many entries a list is read from its beginning, which is then faster than a look-up and needs no memory. */
const SHORT = 8

/** A long list, made fit for look-ups when it is first read. */
interface Lookup<T> {
  readonly exact: ReadonlySet<string | number>
  /** Entries that stand for more than one value. */
  readonly others: readonly T[]
}

const lookups = new WeakMap<readonly unknown[], Lookup<unknown>>()

/** @param exactly the one value that an entry stands for; undefined when it stands for more */
function lookupOf<T>(list: readonly T[], exactly: (entry: T) => string | number | undefined): Lookup<T> {
  const known = lookups.get(list)
  if (known !== undefined) return known as Lookup<T> // made from this very list, below
  const made: Lookup<T> = {
    exact: new Set(list.flatMap((entry) => exactly(entry) ?? [])),
    others: list.filter((entry) => exactly(entry) === undefined),
  }
  lookups.set(list, made)
  return made
}

function exactText(match: StringMatch): string | undefined {
  return match.kind === 'exact' ? match.value : undefined
}

/** The address of a network of one; its text is canonical. */
function singleAddress(cidr: Cidr): IpAddress | undefined {
  return cidr.prefixBits === cidr.network.length * 8 ? ipFromBytes(cidr.network) : undefined
}
