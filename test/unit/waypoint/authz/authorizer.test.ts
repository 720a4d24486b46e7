import { describe, expect, it } from 'vitest'
import type { RequestCondition, RequestPolicy } from '#shared/l7'
import type { RequestNotes } from '#shared/policy'
import { textMatch } from '../../../../src/istiod-lite/routes/request-policies.ts'
import type { VerifiedToken } from '../../../../src/waypoint/authn/index.ts'
import { Authorizer } from '../../../../src/waypoint/authz/index.ts'
import { workload } from '../../../support/mesh-builder.ts'
import { anyOf, cidr, operation, requestPolicy, rule, source } from '../../../support/request-policies.ts'
import { type AskedRequest, connectionOf, exchangeOf } from '../../../support/waypoint-exchange.ts'

const ALICE = 'spiffe://cluster.local/ns/shop/sa/alice'
const everybody = rule()
const nobody = rule({ from: [source({ principals: ['nobody'] })] })

const token: VerifiedToken = {
  ...{ principal: 'iss/bob', issuer: 'iss', subject: 'bob', audiences: [], presenter: undefined },
  ...{ claims: { role: 'admin' }, spacedClaims: [] },
}

function authorizer(policies: readonly RequestPolicy[], trustedProxies = 0) {
  const counters = { allowed: { value: 0 }, denied: { value: 0 }, wouldDeny: { value: 0 } }
  const notes: RequestNotes[] = []
  const view = { requestPolicies: () => policies }
  const onNotes = (_: unknown, found: RequestNotes): void => void notes.push(found)
  return { asked: new Authorizer({ view, trustedProxies, counters, onNotes }), counters, notes }
}

function isAllowed(policy: RequestPolicy, request: AskedRequest, shown?: VerifiedToken, trusted = 0): boolean {
  const exchange = exchangeOf({ peer: ALICE, ...request })
  const who = { peer: exchange.connection.peer, token: shown }
  return authorizer([policy], trusted).asked.authorize(exchange, who) === undefined
}

describe('a request that may not be', () => {
  it('is answered as Envoy answers it, and the log learns which rule it was', () => {
    const { asked, counters } = authorizer([requestPolicy({ name: 'no', action: 'deny', rules: [nobody, everybody] })])
    const reply = asked.authorize(exchangeOf(), { peer: undefined, token: undefined })
    expect(reply).toEqual({
      ...{ kind: 'reply', status: 403, body: 'RBAC: access denied', fields: [], grpcStatus: 7, flag: '' },
      details: 'rbac_access_denied_matched_policy[ns[shop]-policy[no]-rule[1]]',
      cause: undefined,
    })
    expect(counters).toMatchObject({ allowed: { value: 0 }, denied: { value: 1 } })
  })

  it('says that no rule matched when that is why', () => {
    const reply = authorizer([requestPolicy({ rules: [nobody] })]).asked.authorize(exchangeOf(), {
      ...{ peer: undefined, token: undefined },
    })
    expect(reply?.details).toBe('rbac_access_denied_matched_policy[none]')
  })

  it('goes on without policies', () => {
    const { asked, counters } = authorizer([])
    expect(asked.authorize(exchangeOf(), { peer: undefined, token: undefined })).toBeUndefined()
    expect(counters.allowed.value).toBe(1)
  })
})

describe('facts of a request', () => {
  const when = (condition: RequestCondition): RequestPolicy => requestPolicy({ rules: [rule({ when: [condition] })] })
  const header = (name: string, ...values: readonly string[]): RequestPolicy =>
    when({ kind: 'header', name, ...anyOf(values, textMatch) })
  const from = (text: Parameters<typeof source>[0]): RequestPolicy =>
    requestPolicy({ rules: [rule({ from: [source(text)] })] })
  const to = (text: Parameters<typeof operation>[0]): RequestPolicy =>
    requestPolicy({ rules: [rule({ to: [operation(text)] })] })

  it.each<[string, RequestPolicy, AskedRequest, boolean]>([
    ['principal', from({ principals: ['cluster.local/ns/shop/sa/alice'] }), {}, true],
    ['principal of another', from({ principals: ['cluster.local/ns/shop/sa/bob'] }), {}, false],
    ['namespace', from({ namespaces: ['shop'] }), {}, true],
    ['account', from({ serviceAccounts: ['shop/alice'] }), {}, true],
    ['trust domain', from({ trustDomains: ['cluster.local'] }), {}, true],
    ['the peer’s address', from({ ips: ['10.0.1.7'] }), {}, true],
    ['IPv6', from({ ips: ['fd00::/8'] }), { source: '[fd00::7]:4000' }, true],
    ['the peer is the client', from({ remoteIps: ['10.0.1.7'] }), { headers: { 'x-forwarded-for': '9.9.9.9' } }, true],
    ['method', to({ methods: ['POST'] }), { method: 'POST' }, true],
    ['path without query', to({ paths: ['/a'] }), { target: '/a?b=/c' }, true],
    ['path with an empty query', to({ paths: ['/a'] }), { target: '/a?' }, true],
    ['a query is no path', to({ paths: ['*/c'] }), { target: '/a?b=/c' }, false],
    ['host', to({ hosts: ['cart.shop'] }), { authority: 'cart.shop:80' }, true],
    ['service port', to({ ports: ['80'] }), {}, true],
    ['header', header('x-a', '1'), { headers: { 'x-a': '1' } }, true],
    ['header host', header('host', 'cart.shop'), {}, true],
    ['header :authority', header(':authority', 'cart.*'), {}, true],
    ['header :method', header(':method', 'GET'), {}, true],
    ['header :path', header(':path', '/a?b'), { target: '/a?b' }, true],
    ['header :scheme', header(':scheme', 'http'), {}, true],
    ['address of the service', when({ kind: 'destination-ip', any: [cidr('10.96.0.10')], none: [] }), {}, true],
    ['sni is of TLS', when({ kind: 'sni', ...anyOf(['*'], textMatch) }), {}, false],
  ])('%s', (_, policy, request, wanted) => {
    expect(isAllowed(policy, request)).toBe(wanted)
  })

  it('know a token that was verified', () => {
    const policy = when({ kind: 'claim', path: ['role'], ...anyOf(['admin'], textMatch) })
    expect([isAllowed(policy, {}, token), isAllowed(policy, {})]).toEqual([true, false])
  })

  it('believe trusted proxies', () => {
    const policy = from({ remoteIps: ['192.0.2.0/24'] })
    const request = { headers: { 'x-forwarded-for': '192.0.2.9' } }
    expect([isAllowed(policy, request, undefined, 1), isAllowed(policy, request)]).toEqual([true, false])
  })

  it('know the addresses of a workload that was dialled itself', () => {
    const pod = workload({ name: 'cart', addresses: ['10.0.0.9'] })
    const destination = { kind: 'workload', workload: pod, port: 8080 } as const
    const policy = when({ kind: 'destination-ip', any: [cidr('10.0.0.9')], none: [] })
    expect(isAllowed(policy, { destination })).toBe(true)
  })
})

describe('policies that only tell', () => {
  it('are told beside what was decided, and counted', () => {
    const { asked, counters, notes } = authorizer([
      requestPolicy({ name: 'audit', action: 'audit' }),
      requestPolicy({ name: 'dry', action: 'deny', dryRun: true }),
    ])
    expect(asked.authorize(exchangeOf(), { peer: undefined, token: undefined })).toBeUndefined()
    expect(notes).toEqual([
      {
        audited: { namespace: 'shop', name: 'audit', rule: 0 },
        wouldDeny: { namespace: 'shop', name: 'dry', rule: 0 },
        wouldAllow: undefined,
      },
    ])
    expect(counters).toMatchObject({ allowed: { value: 1 }, wouldDeny: { value: 1 } })
  })
})

describe('a connection whose bytes nobody reads', () => {
  const withMethod = rule({ to: [operation({ methods: ['GET'] })] })
  it.each<[string, readonly RequestPolicy[], string | undefined]>([
    ['no policy', [], undefined],
    [
      'an ALLOW of its peer',
      [requestPolicy({ rules: [rule({ from: [source({ namespaces: ['shop'] })] })] })],
      undefined,
    ],
    ['an ALLOW of requests', [requestPolicy({ rules: [withMethod] })], 'rbac_access_denied_matched_policy[none]'],
    [
      'a DENY of requests',
      [requestPolicy({ name: 'd', action: 'deny', rules: [withMethod] })],
      'rbac_access_denied_matched_policy[ns[shop]-policy[d]-rule[0]]',
    ],
  ])('%s', (_, policies, details) => {
    const { asked, counters } = authorizer(policies)
    expect(asked.authorizeConnection(connectionOf({ peer: ALICE }))?.details).toBe(details)
    expect(counters[details === undefined ? 'allowed' : 'denied'].value).toBe(1)
  })
})
