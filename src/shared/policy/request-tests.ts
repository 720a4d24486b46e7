import type { AnyOf, PolicyPathMatch, RequestCondition, RequestOperation, RequestSource, TokenMatch } from '#shared/l7'
import type { Cidr } from '#shared/net'
import { claimTexts } from './claims.ts'
import type { AddressFact, PeerFacts, RequestFacts, TokenFacts } from './request-facts.ts'
import { anyNetwork } from './rule-match.ts'
import { accountKey } from './subject.ts'
import { anyText } from './text-test.ts'

/** One thing that must hold. */
export type Test<F> = (facts: F) => boolean

/**
 * How a fact is read that is said several times, as by two lines of a header: a rule that allows needs `certain` matches,
 * for one that denies a `possible` one suffices. So nobody gains by saying a thing twice.
 */
export type Reading = 'certain' | 'possible'

/** What is excluded is read the other way round. */
function opposite(reading: Reading): Reading {
  return reading === 'certain' ? 'possible' : 'certain'
}

/** What holds of a connection, and what only a request can tell. */
export interface Tests {
  readonly peer: readonly Test<PeerFacts>[]
  readonly http: readonly Test<RequestFacts>[]
}

export function sourceTests(source: RequestSource, reading: Reading): Tests {
  return {
    peer: present([
      textTest<PeerFacts>((facts) => facts.principal, source.principals, reading),
      textTest<PeerFacts>((facts) => facts.namespace, source.namespaces, reading),
      textTest<PeerFacts>((facts) => facts.account, accounts(source.serviceAccounts), reading),
      textTest<PeerFacts>((facts) => facts.trustDomain, source.trustDomains, reading),
      addressTest((facts) => facts.source, source.ips),
      addressTest((facts) => facts.remote, source.remoteIps),
    ]),
    http: present([tokenTest(source.requestPrincipals, reading)]),
  }
}

export function operationTests(operation: RequestOperation, reading: Reading): Tests {
  return {
    peer: present([portTest(operation.ports)]),
    http: present([
      textTest<RequestFacts>((facts) => facts.method, operation.methods, reading),
      textTest<RequestFacts>((facts) => facts.path, operation.paths, reading),
      hostTest(operation.hosts, reading),
    ]),
  }
}

export function conditionTests(condition: RequestCondition, reading: Reading): Tests {
  switch (condition.kind) {
    case 'namespace':
      return peer(textTest((facts) => facts.namespace, condition, reading))
    case 'principal':
      return peer(textTest((facts) => facts.principal, condition, reading))
    case 'sni':
      return peer(textTest((facts) => facts.sni, condition, reading))
    case 'trust-domain':
      return peer(textTest((facts) => facts.trustDomain, condition, reading))
    case 'service-account':
      return peer(textTest((facts) => facts.account, accounts(condition), reading))
    case 'source-ip':
      return peer(addressTest((facts) => facts.source, condition))
    case 'remote-ip':
      return peer(addressTest((facts) => facts.remote, condition))
    case 'destination-ip':
      return peer(destinationTest(condition, reading))
    case 'destination-port':
      return peer(portTest(condition))
    case 'request-principal':
      return http(tokenTest(condition, reading))
    case 'audience':
      return http(listTest((facts) => facts.token?.audiences ?? NONE, condition, reading))
    case 'presenter':
      return http(textTest((facts) => facts.token?.presenter, condition, reading))
    case 'claim':
      return http(listTest((facts) => claimTexts(facts.token, condition.path), condition, reading))
    case 'header':
      return http(headerTest(condition.name, condition, reading))
  }
}

const NONE: readonly string[] = []

function peer(test: Test<PeerFacts> | undefined): Tests {
  return { peer: present([test]), http: [] }
}

function http(test: Test<RequestFacts> | undefined): Tests {
  return { peer: [], http: present([test]) }
}

/** A list without values holds always, and is not asked. */
function present<F>(tests: readonly (Test<F> | undefined)[]): readonly Test<F>[] {
  return tests.flatMap((test) => test ?? [])
}

function accounts({ any, none }: RequestSource['serviceAccounts']): AnyOf<PolicyPathMatch> {
  const text = (account: (typeof any)[number]): PolicyPathMatch => ({ kind: 'exact', value: accountKey(account) })
  return { any: any.map(text), none: none.map(text) }
}

/** An expression that cannot be read: lets nobody in, and keeps nobody out of a refusal. */
function textsOf(
  { any, none }: AnyOf<PolicyPathMatch>,
  reading: Reading,
): { readonly wanted: ReturnType<typeof anyText>; readonly unwanted: ReturnType<typeof anyText> } {
  return {
    wanted: anyText(any, reading === 'possible'),
    unwanted: anyText(none, reading === 'certain'),
  }
}

/** A fact that is not there is none of the wanted ones, and none of the unwanted. */
function textTest<F>(
  factOf: (facts: F) => string | undefined,
  texts: AnyOf<PolicyPathMatch>,
  reading: Reading,
): Test<F> | undefined {
  const { wanted, unwanted } = textsOf(texts, reading)
  if (wanted === undefined && unwanted === undefined) return undefined
  return (facts) => {
    const text = factOf(facts)
    if (text === undefined) return wanted === undefined
    return (wanted === undefined || wanted(text)) && !(unwanted?.(text) ?? false)
  }
}

/** Of a list of facts one must be wanted, and none unwanted. */
function listTest(
  factsOf: (facts: RequestFacts) => readonly string[],
  texts: AnyOf<PolicyPathMatch>,
  reading: Reading,
): Test<RequestFacts> | undefined {
  const { wanted, unwanted } = textsOf(texts, reading)
  if (wanted === undefined && unwanted === undefined) return undefined
  return (facts) => {
    const found = factsOf(facts)
    return (wanted === undefined || found.some(wanted)) && !(unwanted !== undefined && found.some(unwanted))
  }
}

/** Named with its port or without. */
function hostTest(hosts: AnyOf<PolicyPathMatch>, reading: Reading): Test<RequestFacts> | undefined {
  const { wanted, unwanted } = textsOf({ any: hosts.any.map(lowerCase), none: hosts.none.map(lowerCase) }, reading)
  if (wanted === undefined && unwanted === undefined) return undefined
  return ({ authority, host }) =>
    (wanted === undefined || wanted(host) || wanted(authority)) &&
    !(unwanted !== undefined && (unwanted(host) || unwanted(authority)))
}

function lowerCase(match: PolicyPathMatch): PolicyPathMatch {
  return match.kind === 'presence' ? match : { kind: match.kind, value: match.value.toLowerCase() }
}

/** Lines that repeat a name may be read as one with commas, as the first or as the last of them. */
function headerTest(name: string, texts: AnyOf<PolicyPathMatch>, reading: Reading): Test<RequestFacts> | undefined {
  const { wanted, unwanted } = textsOf(texts, reading)
  // For headers, to be there is enough.
  const isWantedThere = texts.any.some((match) => match.kind === 'presence')
  const isUnwantedThere = texts.none.some((match) => match.kind === 'presence')
  if (wanted === undefined && unwanted === undefined) return undefined
  return (facts) => {
    const lines = facts.header(name)
    if (lines.length === 0) return wanted === undefined
    const isWanted = wanted === undefined || isWantedThere || saysOf(wanted, lines, reading)
    if (!isWanted || unwanted === undefined) return isWanted
    return !isUnwantedThere && !saysOf(unwanted, lines, opposite(reading))
  }
}

function saysOf(test: (text: string) => boolean, lines: readonly string[], reading: Reading): boolean {
  if (lines.length > 1 && reading === 'possible') return lines.some(test) || test(lines.join(','))
  return lines.every(test)
}

function portTest({ any, none }: AnyOf<number>): Test<PeerFacts> | undefined {
  if (any.length === 0 && none.length === 0) return undefined
  return ({ port }) => (any.length === 0 || any.includes(port)) && !none.includes(port)
}

function addressTest(
  factOf: (facts: PeerFacts) => AddressFact,
  { any, none }: AnyOf<Cidr>,
): Test<PeerFacts> | undefined {
  if (any.length === 0 && none.length === 0) return undefined
  return (facts) => {
    const { ip, bytes } = factOf(facts)
    return (any.length === 0 || anyNetwork(any, ip, bytes)) && !anyNetwork(none, ip, bytes)
  }
}

/** Which of its addresses was dialled is not known. */
function destinationTest({ any, none }: AnyOf<Cidr>, reading: Reading): Test<PeerFacts> | undefined {
  if (any.length === 0 && none.length === 0) return undefined
  const isIn = (networks: readonly Cidr[], all: readonly AddressFact[], how: Reading): boolean => {
    const holds = ({ ip, bytes }: AddressFact): boolean => anyNetwork(networks, ip, bytes)
    return how === 'possible' ? all.some(holds) : all.length > 0 && all.every(holds)
  }
  return ({ destinations }) =>
    (any.length === 0 || isIn(any, destinations, reading)) && !isIn(none, destinations, opposite(reading))
}

function tokenTest({ any, none }: AnyOf<TokenMatch>, reading: Reading): Test<RequestFacts> | undefined {
  if (any.length === 0 && none.length === 0) return undefined
  const wanted = any.map((match) => partsTest(match, reading === 'possible'))
  const unwanted = none.map((match) => partsTest(match, reading === 'certain'))
  return ({ token }) => {
    if (token === undefined) return any.length === 0
    return (any.length === 0 || wanted.some((test) => test(token))) && !unwanted.some((test) => test(token))
  }
}

function partsTest({ issuer, subject }: TokenMatch, ifUnreadable: boolean): (token: TokenFacts) => boolean {
  const issuers = anyText([issuer], ifUnreadable)
  const subjects = anyText([subject], ifUnreadable)
  return (token) => (issuers?.(token.issuer) ?? true) && (subjects?.(token.subject) ?? true)
}
