import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RequestCondition, RequestPolicy } from '#shared/l7'
import { decideRequest, type RequestFacts, requestPolicySet } from '#shared/policy'
import { textMatch, tokenMatch } from '../../../../src/istiod-lite/routes/request-policies.ts'
import { naiveDecision } from '../../../support/naive-request-policies.ts'
import {
  addressFact,
  anonymous,
  anyOf,
  cidr,
  operation,
  requestFacts,
  requestPolicy,
  rule,
  source,
} from '../../../support/request-policies.ts'

/** Few values, so that they often meet; excluded ones among them. */
function values(...texts: readonly string[]): fc.Arbitrary<readonly string[] | undefined> {
  const value = fc
    .tuple(fc.integer({ max: 3, min: 0 }), fc.constantFrom(...texts))
    .map(([n, text]) => (n === 0 ? `!${text}` : text))
  return fc.option(fc.array(value, { minLength: 1, maxLength: 3 }), { nil: undefined, freq: 2 })
}

const PRINCIPALS = ['cluster.local/ns/shop/sa/alice', 'cluster.local/ns/shop/sa/bob', 'other/ns/pay/sa/alice'] as const
const principals = values(...PRINCIPALS, '*', '*/sa/alice', 'cluster.local/*')
const namespaces = values('shop', 'pay', 's*', '*')
const ips = values('10.0.0.0/8', '10.0.1.7', '192.0.2.0/24', 'fd00::/8')

const sources = fc
  .record({
    ...{ principals, namespaces, ips, remoteIps: ips },
    serviceAccounts: values('shop/alice', 'shop/bob', 'pay/alice'),
    trustDomains: values('cluster.local', 'other', '*.local'),
    requestPrincipals: values('*', 'iss/*', 'iss/sub', '*/sub', 'iss'),
  })
  .map((text) => source(defined(text)))

const operations = fc
  .record({
    hosts: values('Cart.Shop', 'cart.shop:8080', '*.shop', 'other'),
    ports: values('80', '8080'),
    methods: values('GET', 'POST', 'P*', '*'),
    paths: values('/', '/a', '/a/b', '/a*', '*b', '/{*}', '/a/{**}', '*'),
  })
  .map((text) => operation(defined(text)))

const conditions: fc.Arbitrary<RequestCondition> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('namespace', 'principal', 'trust-domain', 'audience', 'presenter', 'sni'),
      values('shop', 'a', 'a*', '*'),
    )
    .map(([kind, given]) => ({ kind, ...anyOf(given, textMatch) }) as const),
  fc
    .tuple(fc.constantFrom('x-a', 'x-b'), values('1', '2', '*', '1*'))
    .map(([name, given]) => ({ kind: 'header', name, ...anyOf(given, textMatch) }) as const),
  fc
    .tuple(fc.constantFrom('scope', 'group', 'realm.role'), values('a', 'b', 'a*', '*', 'a b'))
    .map(([way, given]) => ({ kind: 'claim', path: way.split('.'), ...anyOf(given, textMatch) }) as const),
  fc
    .tuple(fc.constantFrom('source-ip', 'remote-ip', 'destination-ip'), ips)
    .map(([kind, given]) => ({ kind, ...anyOf(given, cidr) }) as const),
  values('80', '8080').map((given) => ({ kind: 'destination-port', ...anyOf(given, Number) }) as const),
  values('iss/sub', '*').map((given) => ({ kind: 'request-principal', ...anyOf(given, tokenMatch) }) as const),
)

const rules = fc
  .record({
    from: fc.array(sources, { maxLength: 2 }),
    to: fc.array(operations, { maxLength: 2 }),
    when: fc.array(conditions, { maxLength: 2 }),
  })
  .map(rule)

const policies: fc.Arbitrary<readonly RequestPolicy[]> = fc.uniqueArray(
  fc
    .record({
      namespace: fc.constantFrom('shop', 'istio-system'),
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      action: fc.constantFrom('allow', 'deny', 'audit'),
      dryRun: fc.boolean(),
      rules: fc.array(rules, { maxLength: 3 }),
    })
    .map(requestPolicy),
  { maxLength: 6, selector: ({ namespace, name }) => `${namespace}/${name}` },
)

const peers = fc.constantFrom(...PRINCIPALS).map((principal) => {
  const [trustDomain = '', , namespace = '', , account = ''] = principal.split('/')
  return { principal, trustDomain, namespace, account: `${namespace}/${account}` }
})
const addresses = fc.constantFrom('10.0.1.7', '10.0.2.7', '192.0.2.9', 'fd00::7').map(addressFact)
const claims = fc.record({
  scope: fc.constantFrom('a', 'a b', ''),
  group: fc.constantFrom<unknown>('a', ['a', 'b'], 'a b', 7),
  realm: fc.record({ role: fc.constantFrom('a', 'b') }),
})
const tokens = fc.record({
  ...{ issuer: fc.constantFrom('iss', 'other'), subject: fc.constantFrom('sub', ''), claims },
  audiences: fc.subarray(['a', 'b']),
  presenter: fc.option(fc.constant('a'), { nil: undefined }),
  spacedClaims: fc.constant(['scope', 'permission']),
})

const facts: fc.Arbitrary<RequestFacts> = fc
  .record({
    peer: fc.oneof(peers, fc.constant(anonymous)),
    source: addresses,
    remote: addresses,
    destinations: addresses.map((one) => [one]),
    port: fc.constantFrom(80, 8080),
    sni: fc.constantFrom(undefined, 'a', 'ab'),
    method: fc.constantFrom('GET', 'POST', 'PUT'),
    path: fc.constantFrom('/', '/a', '/a/b', '/ab', '/b'),
    authority: fc.constantFrom('cart.shop', 'cart.shop:8080', 'other'),
    token: fc.option(tokens, { nil: undefined }),
    headers: fc.dictionary(
      fc.constantFrom('x-a', 'x-b'),
      fc.constantFrom('', '1', '2').map((line) => [line]),
    ),
  })
  .map(({ peer, authority, ...others }) =>
    requestFacts({ ...peer, authority, host: authority.split(':')[0] ?? '', ...others }),
  )

/** Without what is not there. */
function defined<T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  } // the same keys, fewer of them
}

describe('policies that are compiled and filed', () => {
  it('decide as those that are read aloud', () => {
    const kinds = new Map<string, number>()
    fc.assert(
      fc.property(policies, fc.array(facts, { minLength: 1, maxLength: 5 }), (list, asked) => {
        const { requests } = requestPolicySet(list)
        for (const each of asked) {
          const decision = decideRequest(requests, each)
          expect(decision).toEqual(naiveDecision(list, each))
          const by = typeof decision.by === 'string' ? decision.by : `${decision.kind} by a rule`
          kinds.set(by, (kinds.get(by) ?? 0) + 1)
        }
      }),
      { numRuns: 3000 },
    )
    // The values meet often enough that every outcome was compared.
    for (const kind of ['no-policy', 'no-match', 'allowed by a rule', 'denied by a rule']) {
      expect(kinds.get(kind) ?? 0, kind).toBeGreaterThan(100)
    }
  })

  it('decide the same when many rules are filed under one fact', () => {
    const many = fc.array(rules, { minLength: 40, maxLength: 80 })
    fc.assert(
      fc.property(many, fc.constantFrom('allow', 'deny'), fc.array(facts, { minLength: 10 }), (list, action, asked) => {
        const set = [
          requestPolicy({ action, rules: list.slice(0, 40) }),
          requestPolicy({ name: 'z', rules: list.slice(40) }),
        ]
        for (const each of asked) {
          expect(decideRequest(requestPolicySet(set).requests, each)).toEqual(naiveDecision(set, each))
        }
      }),
      { numRuns: 100 },
    )
  })
})
