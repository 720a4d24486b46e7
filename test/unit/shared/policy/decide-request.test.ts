import { describe, expect, it } from 'vitest'
import type { RequestCondition, RequestPolicy, RequestPolicyRule } from '#shared/l7'
import { decideRequest, type RequestFacts, requestNotes, requestPolicySet, type TokenFacts } from '#shared/policy'
import { textMatch, tokenMatch } from '../../../../src/istiod-lite/routes/request-policies.ts'
import {
  addressFact,
  anonymous,
  anyOf,
  cidr,
  type OperationText,
  operation,
  requestFacts,
  requestPolicy,
  rule,
  type SourceText,
  source,
} from '../../../support/request-policies.ts'

const nobody = rule({ from: [source({ principals: ['nobody'] })] })

function allow(...rules: readonly RequestPolicyRule[]): RequestPolicy {
  return requestPolicy({ name: 'allow', action: 'allow', rules })
}

function deny(...rules: readonly RequestPolicyRule[]): RequestPolicy {
  return requestPolicy({ name: 'deny', action: 'deny', rules })
}

function audit(...rules: readonly RequestPolicyRule[]): RequestPolicy {
  return requestPolicy({ name: 'audit', action: 'audit', rules })
}

/** Whether the rule matches, asked once in an ALLOW and once in a DENY. */
function matches(asked: RequestPolicyRule, facts: RequestFacts): { readonly allow: boolean; readonly deny: boolean } {
  const decide = (policy: RequestPolicy): string => decideRequest(requestPolicySet([policy]).requests, facts).kind
  return { allow: decide(allow(asked)) === 'allowed', deny: decide(deny(asked)) === 'denied' }
}

const both = (isMatch: boolean): { readonly allow: boolean; readonly deny: boolean } => ({
  allow: isMatch,
  deny: isMatch,
})

const token: TokenFacts = {
  issuer: 'https://issuer.example/',
  subject: 'bob',
  audiences: ['cart', 'pay'],
  presenter: 'app',
  claims: {
    group: 'admins',
    groups: ['admins', 'testers', 7],
    scope: 'read  write',
    permission: 'a b',
    note: 'a b',
    realm: { roles: ['owner'], name: 'shop', scope: 'x y' },
    level: 7,
    ok: true,
    empty: '',
  },
  spacedClaims: ['scope', 'permission'],
}

describe('the order of policies', () => {
  it.each<[string, readonly RequestPolicy[], string, unknown]>([
    ['no policy: allowed', [], 'allowed', 'no-policy'],
    ['a DENY before an ALLOW', [allow(rule()), deny(rule())], 'denied', { name: 'deny', rule: 0 }],
    ['a DENY that does not match, and no ALLOW', [deny(nobody)], 'allowed', 'no-policy'],
    ['an ALLOW that matches', [allow(rule()), deny(nobody)], 'allowed', { name: 'allow', rule: 0 }],
    ['an ALLOW that does not match', [allow(nobody)], 'denied', 'no-match'],
    ['an ALLOW without rules lets nobody in', [allow()], 'denied', 'no-match'],
    ['a DENY without rules refuses nobody', [deny()], 'allowed', 'no-policy'],
    ['one ALLOW of several suffices', [allow(nobody), { ...allow(rule()), name: 'z' }], 'allowed', { name: 'z' }],
    ['the rule that matches is named', [deny(nobody, rule())], 'denied', { name: 'deny', rule: 1 }],
    ['AUDIT decides nothing', [audit(rule())], 'allowed', 'no-policy'],
    ['a dry-run DENY decides nothing', [{ ...deny(rule()), dryRun: true }], 'allowed', 'no-policy'],
    ['a dry-run ALLOW decides nothing', [{ ...allow(nobody), dryRun: true }], 'allowed', 'no-policy'],
    ['a dry-run ALLOW lets nobody in', [allow(nobody), { ...allow(rule()), dryRun: true }], 'denied', 'no-match'],
  ])('%s', (_, policies, kind, by) => {
    const decision = decideRequest(requestPolicySet(policies).requests, requestFacts())
    expect(decision.kind).toBe(kind)
    if (typeof by === 'string') expect(decision.by).toBe(by)
    else expect(decision.by).toMatchObject(by as object)
  })

  it('names the first policy by namespace and name, whatever came first', () => {
    const named = (namespace: string, name: string): RequestPolicy => ({ ...deny(rule()), namespace, name })
    const set = requestPolicySet([named('b', 'a'), named('a', 'c'), named('a', 'b')])
    expect(decideRequest(set.requests, requestFacts()).by).toEqual({ namespace: 'a', name: 'b', rule: 0 })
  })

  it('compiles a list once', () => {
    const list = [deny(rule())]
    expect(requestPolicySet(list)).toBe(requestPolicySet(list))
  })
})

describe('policies that only tell', () => {
  it.each<[string, readonly RequestPolicy[], unknown]>([
    ['nothing, when there are none', [deny(rule())], undefined],
    [
      'an AUDIT that matches',
      [audit(rule())],
      { audited: { name: 'audit' }, wouldDeny: undefined, wouldAllow: undefined },
    ],
    ['an AUDIT that does not', [audit(nobody)], { audited: undefined }],
    [
      'a dry-run DENY',
      [{ ...deny(rule()), dryRun: true }],
      { wouldDeny: { name: 'deny', rule: 0 }, wouldAllow: undefined },
    ],
    ['a dry-run ALLOW', [{ ...allow(rule()), dryRun: true }], { wouldDeny: undefined, wouldAllow: { name: 'allow' } }],
    ['a dry-run ALLOW that does not match', [{ ...allow(nobody), dryRun: true }], { wouldAllow: 'no-match' }],
  ])('%s', (_, policies, notes) => {
    const found = requestNotes(requestPolicySet(policies).requests, requestFacts())
    if (notes === undefined) expect(found).toBeUndefined()
    else expect(found).toMatchObject(notes as object)
  })
})

describe('sources', () => {
  it.each<[SourceText, Partial<RequestFacts>, boolean]>([
    [{}, {}, true],
    [{ principals: ['cluster.local/ns/shop/sa/alice'] }, {}, true],
    [{ principals: ['cluster.local/ns/shop/sa/Alice'] }, {}, false],
    [{ principals: ['cluster.local/ns/shop/*'] }, {}, true],
    [{ principals: ['*/sa/alice'] }, {}, true],
    [{ principals: ['*'] }, {}, true],
    [{ principals: ['*'] }, anonymous, false],
    [{ principals: ['!*'] }, anonymous, true],
    [{ principals: ['!*'] }, {}, false],
    [{ principals: ['*', '!cluster.local/ns/shop/sa/alice'] }, {}, false],
    [{ namespaces: ['shop'] }, {}, true],
    [{ namespaces: ['sho'] }, {}, false],
    [{ namespaces: ['sh*'] }, {}, true],
    [{ namespaces: ['!shop'] }, {}, false],
    [{ namespaces: ['!shop'] }, anonymous, true],
    [{ serviceAccounts: ['shop/alice'] }, {}, true],
    [{ serviceAccounts: ['shop/bob', 'shop/alice'] }, {}, true],
    [{ serviceAccounts: ['shop/al.ce'] }, {}, false],
    [{ serviceAccounts: ['!shop/alice'] }, {}, false],
    [{ trustDomains: ['cluster.local'] }, {}, true],
    [{ trustDomains: ['*.local'] }, {}, true],
    [{ trustDomains: ['other'] }, {}, false],
    [{ ips: ['10.0.1.0/24'] }, {}, true],
    [{ ips: ['10.0.2.0/24'] }, {}, false],
    [{ ips: ['!10.0.1.7'] }, {}, false],
    [{ ips: ['fd00::/8'] }, {}, false],
    [{ ips: ['fd00::/8'] }, { source: addressFact('fd00::1') }, true],
    [{ ips: ['10.0.0.0/8'] }, { source: addressFact('::ffff:10.1.2.3') }, true],
    [{ remoteIps: ['192.0.2.0/24'] }, {}, false],
    [{ remoteIps: ['192.0.2.0/24'] }, { remote: addressFact('192.0.2.9') }, true],
    [{ remoteIps: ['!192.0.2.0/24'] }, { remote: addressFact('192.0.2.9') }, false],
    [{ requestPrincipals: ['*'] }, {}, false],
    [{ requestPrincipals: ['!*'] }, {}, true],
    [{ requestPrincipals: ['*'] }, { token }, true],
    [{ requestPrincipals: ['!*'] }, { token }, false],
    [{ requestPrincipals: ['https://issuer.example//bob'] }, { token }, true],
    [{ requestPrincipals: ['https://issuer.example//*'] }, { token }, true],
    [{ requestPrincipals: ['*/bob'] }, { token }, true],
    [{ requestPrincipals: ['*ob'] }, { token }, true],
    [{ requestPrincipals: ['https://*'] }, { token }, false], // the slash parts issuer and subject, too
    [{ requestPrincipals: ['https://issuer.example//bo'] }, { token }, false],
    [{ requestPrincipals: ['https://issuer.example/'] }, { token }, false],
    [{ requestPrincipals: ['*/*'] }, { token }, false],
    [{ principals: ['cluster.local/ns/shop/sa/alice'], namespaces: ['other'] }, {}, false],
  ])('%j with %j: %s', (text, facts, isMatch) => {
    expect(matches(rule({ from: [source(text)] }), requestFacts(facts))).toEqual(both(isMatch))
  })
})

describe('operations', () => {
  it.each<[OperationText, Partial<RequestFacts>, boolean]>([
    [{}, {}, true],
    [{ methods: ['GET'] }, {}, true],
    [{ methods: ['get'] }, {}, false],
    [{ methods: ['POST', 'GET'] }, {}, true],
    [{ methods: ['G*'] }, {}, true],
    [{ methods: ['!GET'] }, {}, false],
    [{ methods: ['!POST'] }, {}, true],
    [{ paths: ['/items'] }, {}, true],
    [{ paths: ['/item'] }, {}, false],
    [{ paths: ['/it*'] }, {}, true],
    [{ paths: ['*ems'] }, {}, true],
    [{ paths: ['*'] }, {}, true],
    [{ paths: ['/items/{*}'] }, {}, false],
    [{ paths: ['/items/{*}'] }, { path: '/items/7' }, true],
    [{ paths: ['/{**}/edit'] }, { path: '/items/7/edit' }, true],
    [{ paths: ['!/items*'] }, {}, false],
    [{ paths: ['/*', '!/admin'] }, {}, true],
    [{ hosts: ['cart.shop'] }, {}, true],
    [{ hosts: ['CART.Shop'] }, {}, true],
    [{ hosts: ['*.SHOP'] }, {}, true],
    [{ hosts: ['Cart*'] }, {}, true],
    [{ hosts: ['cart.shop'] }, { authority: 'cart.shop:8080' }, true],
    [{ hosts: ['cart.shop:8080'] }, { authority: 'cart.shop:8080' }, true],
    [{ hosts: ['cart.shop:8081'] }, { authority: 'cart.shop:8080' }, false],
    [{ hosts: ['!cart.shop'] }, { authority: 'cart.shop:8080' }, false],
    [{ hosts: ['!other'] }, {}, true],
    [{ ports: ['80'] }, {}, true],
    [{ ports: ['8080'] }, {}, false],
    [{ ports: ['!80'] }, {}, false],
    [{ ports: ['!8080'] }, {}, true],
    [{ methods: ['GET'], paths: ['/other'] }, {}, false],
  ])('%j with %j: %s', (text, facts, isMatch) => {
    expect(matches(rule({ to: [operation(text)] }), requestFacts(facts))).toEqual(both(isMatch))
  })
})

describe('conditions', () => {
  const text = (kind: 'namespace' | 'principal' | 'trust-domain' | 'audience' | 'presenter' | 'sni') => {
    return (...values: readonly string[]): RequestCondition => ({ kind, ...anyOf(values, textMatch) })
  }
  const claim = (path: string, ...values: readonly string[]): RequestCondition => {
    return { kind: 'claim', path: path.split('.'), ...anyOf(values, textMatch) }
  }
  const network = (kind: 'source-ip' | 'remote-ip' | 'destination-ip', ...values: readonly string[]) => {
    return { kind, ...anyOf(values, cidr) } as const
  }
  it.each<[RequestCondition, Partial<RequestFacts>, boolean]>([
    [text('namespace')('shop'), {}, true],
    [text('namespace')('!shop'), {}, false],
    [text('principal')('*/sa/alice'), {}, true],
    [text('trust-domain')('other'), {}, false],
    [text('sni')('*.example'), { sni: 'a.example' }, true],
    [text('sni')('*.example'), {}, false],
    [text('audience')('pay'), { token }, true],
    [text('audience')('cart', '!pay'), { token }, false],
    [text('audience')('cart'), {}, false],
    [text('presenter')('app'), { token }, true],
    [{ kind: 'request-principal', ...anyOf(['*/bob'], tokenMatch) }, { token }, true],
    [{ kind: 'service-account', any: [{ namespace: 'shop', serviceAccount: 'alice' }], none: [] }, {}, true],
    [{ kind: 'destination-port', any: [80], none: [] }, {}, true],
    [{ kind: 'destination-port', any: [], none: [80] }, {}, false],
    [network('source-ip', '10.0.1.7'), {}, true],
    [network('remote-ip', '10.0.1.7'), { remote: addressFact('10.0.1.8') }, false],
    [network('destination-ip', '10.96.0.0/16'), {}, true],
    [network('destination-ip', '10.97.0.0/16'), {}, false],
    [network('destination-ip', '!10.96.0.0/16'), {}, false],
    [claim('group', 'admins'), { token }, true],
    [claim('group', 'admins'), {}, false],
    [claim('group', '!admins'), {}, true],
    [claim('group', '!admins'), { token }, false],
    [claim('groups', 'testers'), { token }, true],
    [claim('groups', 'test'), { token }, false],
    [claim('groups', 'test*'), { token }, true],
    [claim('groups', '7'), { token }, false],
    [claim('groups', '!testers'), { token }, false],
    [claim('scope', 'write'), { token }, true],
    [claim('scope', 'read  write'), { token }, false],
    [claim('permission', 'a'), { token }, true],
    [claim('note', 'a'), { token }, false],
    [claim('note', 'a b'), { token }, true],
    [claim('realm.roles', 'owner'), { token }, true],
    [claim('realm.name', 'shop'), { token }, true],
    [claim('realm.scope', 'x'), { token }, false],
    [claim('realm', '*'), { token }, false],
    [claim('level', '7'), { token }, false],
    [claim('ok', 'true'), { token }, false],
    [claim('empty', '*'), { token }, false],
    [claim('missing', '*'), { token }, false],
    [claim('constructor.name', '*'), { token }, false],
    [claim('__proto__', '*'), { token }, false],
    [claim('group.length', '*'), { token }, false],
  ])('%j with %j: %s', (condition, facts, isMatch) => {
    expect(matches(rule({ when: [condition] }), requestFacts(facts))).toEqual(both(isMatch))
  })
})

describe('headers that come more than once', () => {
  const header = (...values: readonly string[]): RequestPolicyRule =>
    rule({ when: [{ kind: 'header', name: 'x-role', ...anyOf(values, textMatch) }] })
  it.each<[readonly string[], readonly string[], boolean, boolean]>([
    [['admin'], [], false, false],
    [['admin'], ['admin'], true, true],
    [['*'], [''], true, true],
    [['*'], [], false, false],
    [['!*'], [], true, true],
    [['!*'], [''], false, false],
    [['!admin'], ['admin'], false, false],
    [['!admin'], [], true, true],
    // two lines, of which a server may take either
    [['admin'], ['admin', 'user'], false, true],
    [['admin'], ['user', 'admin'], false, true],
    [['admin'], ['admin', 'admin'], true, true],
    [['ad*'], ['admin', 'user'], false, true],
    [['admin,user'], ['admin', 'user'], false, true],
    [['!admin'], ['admin', 'user'], false, true],
    [['!admin'], ['admin', 'admin'], false, false],
    [['!admin'], ['user', 'guest'], true, true],
    [['*', '!admin'], ['user', 'admin'], false, true],
  ])('%j of %j: ALLOW matches %s, DENY %s', (values, lines, inAllow, inDeny) => {
    const facts = requestFacts({ headers: { 'x-role': lines } })
    expect(matches(header(...values), facts)).toEqual({ allow: inAllow, deny: inDeny })
  })
})

describe('what cannot be known for certain', () => {
  const inNetwork = rule({ when: [{ kind: 'destination-ip', any: [cidr('10.96.0.0/16')], none: [] }] })

  it('lets nobody in, and refuses whom it may concern: one of two addresses', () => {
    const facts = requestFacts({ destinations: [addressFact('10.96.0.1'), addressFact('fd00::1')] })
    expect(matches(inNetwork, facts)).toEqual({ allow: false, deny: true })
  })

  it('lets nobody in, and refuses everybody: an expression that is none', () => {
    const broken = rule({ to: [{ ...operation({}), methods: { any: [{ kind: 'regex', value: '(' }], none: [] } }] })
    expect(matches(broken, requestFacts())).toEqual({ allow: false, deny: true })
  })

  it('lets nobody in, and refuses everybody: an exclusion that cannot be read', () => {
    const broken = rule({ to: [{ ...operation({}), methods: { any: [], none: [{ kind: 'regex', value: '(' }] } }] })
    expect(matches(broken, requestFacts())).toEqual({ allow: false, deny: true })
  })

  it('expressions are RE2 and hold for the whole text', () => {
    const regex = rule({ from: [{ ...source({}), namespaces: { any: [{ kind: 'regex', value: 's.*p' }], none: [] } }] })
    expect(matches(regex, requestFacts())).toEqual(both(true))
    expect(matches(regex, requestFacts({ namespace: 'shops' }))).toEqual(both(false))
  })
})

describe('connections whose bytes nobody reads', () => {
  const get = operation({ methods: ['GET'] })
  const alice = source({ principals: ['cluster.local/ns/shop/sa/alice'] })
  const bob = source({ principals: ['cluster.local/ns/shop/sa/bob'] })
  it.each<[string, readonly RequestPolicy[], 'allowed' | 'denied']>([
    ['an ALLOW that names no request', [allow(rule({ from: [alice] }))], 'allowed'],
    ['an ALLOW with a method is no longer there, but an ALLOW', [allow(rule({ to: [get] }))], 'denied'],
    ['an ALLOW with a port', [allow(rule({ to: [operation({ ports: ['80'] })] }))], 'allowed'],
    ['an ALLOW with a token', [allow(rule({ from: [source({ requestPrincipals: ['!*'] })] }))], 'denied'],
    ['an ALLOW with a header', [allow(rule({ when: [{ kind: 'header', name: 'x', any: [], none: [] }] }))], 'allowed'],
    ['one rule of two is left', [allow(rule({ to: [get] }), rule({ from: [alice] }))], 'allowed'],
    ['a DENY with a method denies all', [deny(rule({ to: [get] }))], 'denied'],
    ['a DENY with a method of somebody', [deny(rule({ from: [bob], to: [get] }))], 'allowed'],
    [
      'a DENY with a method and a port',
      [deny(rule({ to: [operation({ methods: ['GET'], ports: ['81'] })] }))],
      'allowed',
    ],
    ['a DENY with a path', [deny(rule({ from: [alice], to: [operation({ paths: ['/x'] })] }))], 'denied'],
  ])('%s: %s', (_, policies, kind) => {
    expect(decideRequest(requestPolicySet(policies).connections, requestFacts()).kind).toBe(kind)
  })
})
