import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Authorization, AuthorizationMatch, AuthorizationRule, StringMatch } from '#shared/model'
import { type Cidr, cidrContains, type IpAddress } from '#shared/net'
import {
  type CompiledPolicy,
  type ConnectionFacts,
  compilePolicy,
  type Decision,
  decide,
  PolicySet,
} from '#shared/policy'
import { cidr, identity, match, policy, socket, stringMatch } from '../../../support/mesh-builder.ts'

const NAMESPACES = ['a', 'b', 'ab']
const ACCOUNTS = ['x', 'y']
const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.1.0.1', 'fd00::1', 'fd00::1:1']
const NETWORKS = ['10.0.0.1', '10.0.0.0/30', '10.0.0.0/8', '0.0.0.0/0', 'fd00::1', 'fd00::/64', '::/0']
const PORTS = [80, 443, 8080]

const strings = fc.constantFrom(
  ...[
    '',
    '*',
    '*x',
    'cluster*',
    'a',
    'b',
    'a*',
    '*b',
    'cluster.local/ns/a/sa/x',
    'cluster.local/ns/b/sa/y',
    'cluster.local/ns/a/*',
    'cluster.local/ns/a*',
    '/ns/a/*',
  ].map(stringMatch),
)
const list = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant<T[]>([]) },
    { weight: 4, arbitrary: fc.array(one, { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(one, { minLength: 9, maxLength: 12 }) },
  )
const networks = list(fc.constantFrom(...NETWORKS.map(cidr)))
const ports = list(fc.constantFrom(...PORTS))
const accounts = list(
  fc.record({ namespace: fc.constantFrom(...NAMESPACES), serviceAccount: fc.constantFrom(...ACCOUNTS) }),
)
const matches: fc.Arbitrary<AuthorizationMatch> = fc.record({
  namespaces: list(strings),
  notNamespaces: list(strings),
  principals: list(strings),
  notPrincipals: list(strings),
  sourceIps: networks,
  notSourceIps: networks,
  destinationIps: networks,
  notDestinationIps: networks,
  destinationPorts: ports,
  notDestinationPorts: ports,
  serviceAccounts: accounts,
  notServiceAccounts: accounts,
})
const rules = fc.array(fc.array(fc.array(matches, { maxLength: 3 }), { maxLength: 3 }), { maxLength: 4 })
const policies = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom('p', 'q', 'r', 's', 't', 'u'),
      action: fc.constantFrom('Allow' as const, 'Deny' as const),
      dryRun: fc.boolean(),
      rules,
    })
    .map(policy),
  { maxLength: 6, selector: (one) => one.name },
)
const facts: fc.Arbitrary<ConnectionFacts> = fc.record({
  peer: fc.option(
    fc
      .tuple(fc.constantFrom(...NAMESPACES), fc.constantFrom(...ACCOUNTS))
      .map(([namespace, account]) => identity(`${namespace}/${account}`)),
    { nil: undefined },
  ),
  source: fc.constantFrom(...ADDRESSES).map((text) => socket(`${text.includes(':') ? `[${text}]` : text}:1`)),
  destination: fc
    .tuple(fc.constantFrom(...ADDRESSES), fc.constantFrom(...PORTS))
    .map(([text, port]) => socket(`${text.includes(':') ? `[${text}]` : text}:${port}`)),
})

describe('an indexed set of compiled policies', () => {
  it('says what reading the rules one after the other says', () => {
    fc.assert(
      fc.property(policies, facts, (list, about) => {
        const split = Math.floor(list.length / 2)
        const sets = [list.slice(0, split), list.slice(split)].map(setOf)
        expect(decide(sets, about)).toEqual(naively(list, about))
      }),
      { numRuns: 2_000 },
    )
  })

  it('forgets what was replaced or removed', () => {
    fc.assert(
      fc.property(policies, policies, facts, (before, after, about) => {
        const set = setOf(before)
        decide([set], about) // reads every list once, so that stale ones would be seen
        for (const one of after) set.put(compilePolicy(keyOf(one), one))
        for (const one of before) if (!after.some(({ name }) => name === one.name)) set.remove(keyOf(one))
        expect(decide([set], about)).toEqual(naively(after, about))
        expect(set.size).toBe(after.length)
      }),
      { numRuns: 500 },
    )
  })

  it('says the same of hundreds of rules that share their facts', () => {
    const oneRule = fc.array(fc.array(matches, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 })
    const crowd = fc
      .array(oneRule, { minLength: 100, maxLength: 300 })
      .map((all) =>
        all.map((rule, n) => policy({ name: `p${n}`, action: n % 3 === 0 ? 'Allow' : 'Deny', rules: [rule] })),
      )
    fc.assert(
      fc.property(crowd, fc.array(facts, { minLength: 5, maxLength: 5 }), fc.nat(), (list, abouts, at) => {
        const set = setOf(list)
        const others = list.filter((_, n) => n !== at % list.length)
        const gone = list[at % list.length] as Authorization // the index is within the list
        for (const about of abouts) expect(decide([set], about)).toEqual(naively(list, about))
        set.remove(keyOf(gone))
        for (const about of abouts) expect(decide([set], about)).toEqual(naively(others, about))
        set.put(compilePolicy(keyOf(gone), gone))
        for (const about of abouts) expect(decide([set], about)).toEqual(naively(list, about))
      }),
      { numRuns: 100 },
    )
  })

  it('may be given the same compiled policy again', () => {
    const [one, other] = ['p', 'q'].map((name) => policy({ name, rules: [[[match({ destinationPorts: [80] })]]] }))
    const [first, second] = [one, other].map((each) =>
      compilePolicy(keyOf(each as Authorization), each as Authorization),
    )
    const set = new PolicySet([first as CompiledPolicy, second as CompiledPolicy])
    set.put(first as CompiledPolicy)
    const about = { peer: undefined, source: socket('10.0.0.1:1'), destination: socket('10.0.0.2:80') }
    expect(decide([set], about)).toMatchObject({ policy: 'default/p' })
  })

  it('finds a rule by a source address, and one that lists more facts than the index files', () => {
    const many = Array.from({ length: 5000 }, (_, i) => `cluster.local/ns/n${i}/sa/x`)
    const set = setOf([
      policy({ name: 'by-address', rules: [[[match({ sourceIps: ['10.9.9.9'] })]]] }),
      policy({ name: 'by-many', rules: [[[match({ principals: many })]]] }),
    ])
    const at = (source: string, peer: string): Decision =>
      decide([set], { peer: identity(peer), source: socket(source), destination: socket('10.0.0.1:80') })
    expect(at('10.9.9.9:1', 'other/x')).toMatchObject({ policy: 'default/by-address' })
    expect(at('10.9.9.8:1', 'n4999/x')).toMatchObject({ policy: 'default/by-many' })
    expect(at('10.9.9.8:1', 'other/x')).toEqual({ kind: 'allowed', by: 'no-policy' })
  })
})

function keyOf(one: Authorization): string {
  return `${one.namespace}/${one.name}`
}

function setOf(list: readonly Authorization[]): PolicySet {
  return new PolicySet(list.map((one) => compilePolicy(keyOf(one), one)))
}

/** Section f of the reference, read aloud. */
function naively(list: readonly Authorization[], about: ConnectionFacts): Decision {
  const enforced = list.filter((one) => !one.dryRun).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const first = (action: Authorization['action']): { policy: string; rule: number } | undefined => {
    for (const one of enforced) {
      const rule = one.rules.findIndex((candidate) => ruleMatches(candidate, about))
      if (one.action === action && rule >= 0) return { policy: keyOf(one), rule }
    }
    return undefined
  }
  const deny = first('Deny')
  if (deny) return { kind: 'denied', by: 'policy', ...deny }
  if (!enforced.some((one) => one.action === 'Allow')) return { kind: 'allowed', by: 'no-policy' }
  const allow = first('Allow')
  return allow ? { kind: 'allowed', by: 'policy', ...allow } : { kind: 'denied', by: 'no-match' }
}

function ruleMatches(rule: AuthorizationRule, about: ConnectionFacts): boolean {
  return rule.every((clause) => clause.length === 0 || clause.some((one) => matchMatches(one, about)))
}

function matchMatches(one: AuthorizationMatch, { peer, source, destination }: ConnectionFacts): boolean {
  if (Object.values(one).every((values) => values.length === 0)) return false
  const principal = peer?.replace('spiffe://', '')
  const [, , namespace = '', , account = ''] = principal?.split('/') ?? []
  const holds = <T>(has: readonly T[], hasNot: readonly T[], hits: (wanted: T) => boolean): boolean =>
    (has.length === 0 || has.some(hits)) && !hasNot.some(hits)
  const inNetwork =
    (address: IpAddress) =>
    (wanted: Cidr): boolean =>
      cidrContains(wanted, address)
  return (
    holds(one.namespaces, one.notNamespaces, (wanted) => textMatches(wanted, namespace)) &&
    holds(one.principals, one.notPrincipals, (wanted) => principal !== undefined && textMatches(wanted, principal)) &&
    holds(one.sourceIps, one.notSourceIps, inNetwork(source.ip)) &&
    holds(one.destinationIps, one.notDestinationIps, inNetwork(destination.ip)) &&
    holds(one.destinationPorts, one.notDestinationPorts, (port) => port === destination.port) &&
    holds(
      one.serviceAccounts,
      one.notServiceAccounts,
      (wanted) => peer !== undefined && wanted.namespace === namespace && wanted.serviceAccount === account,
    )
  )
}

function textMatches(wanted: StringMatch, text: string): boolean {
  if (wanted.kind === 'exact') return text === wanted.value
  if (wanted.kind === 'prefix') return text.startsWith(wanted.value)
  if (wanted.kind === 'suffix') return text.endsWith(wanted.value)
  return text.length > 0
}
