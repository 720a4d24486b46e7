import { describe, expect, it } from 'vitest'
import type { Authorization, AuthorizationRule } from '#shared/model'
import {
  type ConnectionFacts,
  compilePolicy,
  type Decision,
  decide,
  denialReason,
  dryRunVerdicts,
  PolicySet,
} from '#shared/policy'
import { identity, type MatchInput, match, policy, socket } from '../../../support/mesh-builder.ts'

const alice: ConnectionFacts = {
  peer: identity('shop/alice'),
  source: socket('10.0.1.7:40000'),
  destination: socket('10.0.2.9:8080'),
}
const anonymous: ConnectionFacts = { ...alice, peer: undefined }
const alice6: ConnectionFacts = {
  ...alice,
  source: socket('[fd00::1:7]:40000'),
  destination: socket('[fd00::2:9]:8080'),
}

function setOf(...policies: readonly Authorization[]): readonly PolicySet[] {
  return [new PolicySet(policies.map((one) => compilePolicy(`${one.namespace}/${one.name}`, one)))]
}

function denyWhen(...rules: readonly AuthorizationRule[]): Authorization {
  return policy({ name: 'deny', action: 'Deny', rules })
}

function allowWhen(...rules: readonly AuthorizationRule[]): Authorization {
  return policy({ name: 'allow', action: 'Allow', rules })
}

const everything: AuthorizationRule = []
const nobody: AuthorizationRule = [[match({})]]

describe('the order of policies', () => {
  it.each<[string, readonly Authorization[], Decision]>([
    ['nothing applies: allowed', [], { kind: 'allowed', by: 'no-policy' }],
    [
      'a DENY matches: denied, although an ALLOW matches too',
      [allowWhen(everything), denyWhen(everything)],
      { kind: 'denied', by: 'policy', policy: 'default/deny', rule: 0 },
    ],
    ['a DENY does not match and there is no ALLOW: allowed', [denyWhen(nobody)], { kind: 'allowed', by: 'no-policy' }],
    [
      'an ALLOW matches: allowed by it',
      [allowWhen(everything), denyWhen(nobody)],
      { kind: 'allowed', by: 'policy', policy: 'default/allow', rule: 0 },
    ],
    ['there are ALLOWs and none matches: denied', [allowWhen(nobody)], { kind: 'denied', by: 'no-match' }],
    ['an ALLOW without rules denies everyone', [allowWhen()], { kind: 'denied', by: 'no-match' }],
    ['a DENY without rules denies nobody', [denyWhen()], { kind: 'allowed', by: 'no-policy' }],
    [
      'the matching rule is named, not the first one',
      [denyWhen(nobody, everything)],
      { kind: 'denied', by: 'policy', policy: 'default/deny', rule: 1 },
    ],
    [
      'a dry-run DENY that matches does not deny',
      [{ ...denyWhen(everything), dryRun: true }],
      { kind: 'allowed', by: 'no-policy' },
    ],
    [
      'a dry-run ALLOW that does not match does not turn the default round',
      [{ ...allowWhen(nobody), dryRun: true }],
      { kind: 'allowed', by: 'no-policy' },
    ],
    [
      'a dry-run ALLOW that matches does not satisfy an enforced one that does not',
      [allowWhen(nobody), { ...allowWhen(everything), name: 'dry', dryRun: true }],
      { kind: 'denied', by: 'no-match' },
    ],
  ])('%s', (_, policies, decision) => {
    expect(decide(setOf(...policies), alice)).toEqual(decision)
  })

  it('names the policy with the smallest key, across sets and whatever came first', () => {
    const named = (name: string): Authorization => ({ ...denyWhen(everything), name })
    const sets = [...setOf(named('c'), named('b')), ...setOf(named('d'), named('a'))]
    expect(decide(sets, alice)).toMatchObject({ policy: 'default/a' })
  })

  it('gives Istio’s words for both kinds of refusal', () => {
    const reasons = [setOf(denyWhen(everything)), setOf(allowWhen(nobody))].map((sets) => {
      const decision = decide(sets, alice)
      return decision.kind === 'denied' ? denialReason(decision) : undefined
    })
    expect(reasons).toEqual(['explicitly denied by: default/deny', 'allow policies exist, but none allowed'])
  })
})

describe('rules, clauses and matches', () => {
  const hit = match({ destinationPorts: [8080] })
  const miss = match({ destinationPorts: [9090] })
  it.each<[string, AuthorizationRule, boolean]>([
    ['a rule without clauses matches everything', [], true],
    ['a clause without matches matches', [[]], true],
    ['an empty match never matches', [[match({})]], false],
    ['an empty match beside one that hits is skipped', [[match({}), hit]], true],
    ['an empty match beside one that misses does not help', [[match({}), miss]], false],
    ['any match of a clause suffices', [[miss, hit]], true],
    ['all clauses must match', [[hit], [miss]], false],
    ['all clauses match', [[hit], [hit, miss]], true],
    ['a clause without matches does not make up for one that misses', [[], [miss]], false],
  ])('%s', (_, rule, isMatch) => {
    expect(decide(setOf(denyWhen(rule)), alice).kind === 'denied').toBe(isMatch)
  })

  it('matches when any one rule does', () => {
    expect(decide(setOf(denyWhen([[miss]], [[hit]])), alice)).toMatchObject({ kind: 'denied', rule: 1 })
  })
})

describe('the kinds of a match', () => {
  const me = 'cluster.local/ns/shop/sa/alice'
  it.each<[string, MatchInput, ConnectionFacts, boolean]>([
    ['a principal is the id without its scheme', { principals: [me] }, alice, true],
    ['a principal with its scheme is another text', { principals: [`spiffe://${me}`] }, alice, false],
    ['text is case-sensitive', { principals: [me.toUpperCase()] }, alice, false],
    ['any principal of the list suffices', { principals: ['x', me] }, alice, true],
    ['a prefix', { principals: ['cluster.local/ns/shop/*'] }, alice, true],
    ['a prefix of something else', { principals: ['cluster.local/ns/shopper/*'] }, alice, false],
    ['a suffix', { principals: ['*/sa/alice'] }, alice, true],
    ['a suffix of something else', { principals: ['*/sa/bob'] }, alice, false],
    ['presence', { principals: ['*'] }, alice, true],
    ['no identity: no principal hits, not even presence', { principals: ['*'] }, anonymous, false],
    ['no identity: excluded principals hold', { notPrincipals: [me] }, anonymous, true],
    ['an identity is there: excluded presence does not hold', { notPrincipals: ['*'] }, alice, false],
    ['no identity: excluded presence holds (STRICT mTLS)', { notPrincipals: ['*'] }, anonymous, true],
    ['an excluded principal', { notPrincipals: [me] }, alice, false],
    ['another one is excluded', { notPrincipals: ['x'] }, alice, true],
    ['listed and excluded at once does not hold', { principals: ['*'], notPrincipals: [me] }, alice, false],

    ['the namespace of the peer', { namespaces: ['shop'] }, alice, true],
    ['another namespace', { namespaces: ['legacy'] }, alice, false],
    ['no identity: the namespace is empty, so presence fails', { namespaces: ['*'] }, anonymous, false],
    ['no identity: the empty name hits', { namespaces: [''] }, anonymous, true],
    ['no identity: an excluded namespace holds', { notNamespaces: ['shop'] }, anonymous, true],
    ['an excluded namespace', { notNamespaces: ['shop'] }, alice, false],

    ['a service account, whatever the trust domain', { serviceAccounts: ['shop/alice'] }, alice, true],
    ['the same account of another namespace', { serviceAccounts: ['legacy/alice'] }, alice, false],
    ['no identity: no account', { serviceAccounts: ['shop/alice'] }, anonymous, false],
    ['no identity: excluded accounts hold', { notServiceAccounts: ['shop/alice'] }, anonymous, true],
    ['an excluded account', { notServiceAccounts: ['shop/alice'] }, alice, false],

    ['the source address', { sourceIps: ['10.0.1.7'] }, alice, true],
    ['the network of the source', { sourceIps: ['10.0.0.0/16'] }, alice, true],
    ['another network', { sourceIps: ['10.1.0.0/16'] }, alice, false],
    ['host bits are masked', { sourceIps: ['10.0.99.99/16'] }, alice, true],
    ['a prefix that ends inside a byte', { sourceIps: ['10.0.0.0/23'] }, alice, true],
    ['a prefix that ends inside a byte, beyond it', { sourceIps: ['10.0.2.0/23'] }, alice, false],
    ['length 0 is everything of the family', { sourceIps: ['0.0.0.0/0'] }, alice, true],
    ['families never match each other', { sourceIps: ['::/0'] }, alice, false],
    ['the IPv6 source', { sourceIps: ['fd00::1:0/112'] }, alice6, true],
    ['IPv4 networks say nothing of IPv6', { notSourceIps: ['0.0.0.0/0'] }, alice6, true],
    ['an excluded source', { notSourceIps: ['10.0.1.0/24'] }, alice, false],

    ['the destination address', { destinationIps: ['10.0.2.9'] }, alice, true],
    ['not the source', { destinationIps: ['10.0.1.7'] }, alice, false],
    ['an excluded destination', { notDestinationIps: ['10.0.2.9/32'] }, alice, false],

    ['the port', { destinationPorts: [80, 8080] }, alice, true],
    ['another port', { destinationPorts: [80] }, alice, false],
    ['an excluded port', { notDestinationPorts: [8080] }, alice, false],
    ['another port is excluded', { notDestinationPorts: [80] }, alice, true],

    ['all kinds must hold', { principals: [me], destinationPorts: [80] }, alice, false],
    ['all kinds hold', { principals: [me], destinationPorts: [8080], sourceIps: ['10.0.0.0/8'] }, alice, true],
  ])('%s', (_, input, facts, isMatch) => {
    expect(decide(setOf(denyWhen([[match(input)]])), facts).kind === 'denied').toBe(isMatch)
  })

  const twenty = Array.from({ length: 20 }, (_, i) => i + 100)
  it.each<[string, MatchInput, boolean]>([
    ['principals, with the one', { principals: [...twenty.map((n) => `td/ns/a/sa/${n}`), me] }, true],
    [
      'principals, with a prefix of it',
      { principals: [...twenty.map((n) => `td/ns/a/sa/${n}`), 'cluster.local/*'] },
      true,
    ],
    ['principals, without it', { principals: twenty.map((n) => `td/ns/a/sa/${n}`) }, false],
    ['accounts, with the one', { serviceAccounts: [...twenty.map((n) => `a/${n}`), 'shop/alice'] }, true],
    ['accounts, without it', { serviceAccounts: twenty.map((n) => `a/${n}`) }, false],
    ['source addresses, with the one', { sourceIps: [...twenty.map((n) => `10.9.0.${n}`), '10.0.1.7'] }, true],
    ['source addresses, with its network', { sourceIps: [...twenty.map((n) => `10.9.0.${n}`), '10.0.1.0/24'] }, true],
    ['source addresses, without it', { sourceIps: twenty.map((n) => `10.9.0.${n}`) }, false],
    ['ports, with the one', { destinationPorts: [...twenty, 8080] }, true],
    ['ports, without it', { destinationPorts: twenty }, false],
  ])('a long list of %s', (_, input, isMatch) => {
    expect(decide(setOf(denyWhen([[match(input)]])), alice).kind === 'denied').toBe(isMatch)
  })

  it('takes an empty prefix or suffix as everything, of a peer that has an identity', () => {
    const empty = match({})
    for (const kind of ['prefix', 'suffix'] as const) {
      const sets = setOf(denyWhen([[{ ...empty, principals: [{ kind, value: '' }] }]]))
      expect([decide(sets, alice).kind, decide(sets, anonymous).kind]).toEqual(['denied', 'allowed'])
    }
  })
})

describe('dry-run policies', () => {
  const dry = (one: Authorization): Authorization => ({ ...one, dryRun: true })
  it.each<[string, readonly Authorization[], ReturnType<typeof dryRunVerdicts>]>([
    ['none', [denyWhen(everything)], { denied: undefined, allowed: undefined }],
    [
      'both kinds match',
      [dry(denyWhen(nobody, everything)), dry(allowWhen(everything))],
      { denied: { policy: 'default/deny', rule: 1 }, allowed: { policy: 'default/allow', rule: 0 } },
    ],
    ['ALLOWs exist and none matches', [dry(allowWhen(nobody))], { denied: undefined, allowed: 'no-match' }],
    ['a DENY that does not match', [dry(denyWhen(nobody))], { denied: undefined, allowed: undefined }],
  ])('%s', (_, policies, verdicts) => {
    expect(dryRunVerdicts(setOf(...policies), alice)).toEqual(verdicts)
  })
})
