import { describe, expect, it } from 'vitest'
import type { RequestNotes } from '#shared/policy'
import { Authenticator } from '../../../src/waypoint/authn/index.ts'
import { Authorizer, normalise } from '../../../src/waypoint/authz/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { keySet, signedToken, signingKey } from '../../support/tokens.ts'
import { configure } from '../../support/waypoint-configuration.ts'
import { type AskedRequest, connectionOf, exchangeOf } from '../../support/waypoint-exchange.ts'

// One test for each row of istio-control-plane d.1 and d.2, from the YAML that somebody applies to the answer that a client gets.

const key = signingKey('one', 'EdDSA')
const other = signingKey('two', 'EdDSA')
const clock = new FakeClock()
const nowS = clock.nowMs() / 1000

const MESH = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: IPAddress, value: 10.96.0.9 }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop, labels: { istio.io/use-waypoint: waypoint } }
spec: { clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{ port: 80, targetPort: 8080 }] }
`

const TARGET = 'targetRefs: [{ kind: Service, group: "", name: cart }]'

/** @param rest of the spec, in YAML's flow form */
function policy(name: string, action: string, rest: string, annotations = ''): string {
  return `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop, annotations: { ${annotations} } }
spec: { ${TARGET}, action: ${action}, ${rest} }
`
}

function authentication(name: string, rest: string): string {
  return `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: ${name}, namespace: shop }
spec: { ${TARGET}, jwtRules: [${rest}] }
`
}

function rule(issuer: string, ...more: readonly string[]): string {
  const jwks = keySet(issuer === 'one' ? key : other)
  return `{ ${[`issuer: ${issuer}`, `jwks: '${jwks}'`, ...more].join(', ')} }`
}

/** A waypoint's part that decides, told what the control plane makes of the objects. */
class Waypoint {
  readonly notes: RequestNotes[] = []
  readonly #authenticator: Authenticator
  readonly #authorizer: Authorizer

  constructor(...objects: readonly string[]) {
    const { problems, told } = configure([MESH, ...objects].join('---'))
    expect(problems).toEqual([])
    const requestPolicies = Object.values(told.requestPolicies)
    const tokenPolicies = Object.values(told.tokenPolicies)
    expect(requestPolicies.length + tokenPolicies.length).toBe(objects.length)
    const counter = (): { value: number } => ({ value: 0 })
    this.#authenticator = new Authenticator({
      ...{ clock, view: { tokenPolicies: () => tokenPolicies } },
      fetchDocument: () => Promise.reject(new Error('nothing is fetched')),
      counters: {
        ...{ accepted: counter(), refused: counter(), remembered: counter() },
        ...{ keyFetches: counter(), keyFetchFailures: counter() },
      },
      onKeysUnavailable: (error) => expect.unreachable(error.message),
    })
    this.#authorizer = new Authorizer({
      ...{ view: { requestPolicies: () => requestPolicies }, trustedProxies: 1 },
      counters: { allowed: counter(), denied: counter(), wouldDeny: counter() },
      onNotes: (_, notes) => this.notes.push(notes),
    })
  }

  /** `200`, or the status and body that is answered. */
  async ask(request: AskedRequest): Promise<string> {
    const exchange = exchangeOf({ peer: 'spiffe://cluster.local/ns/shop/sa/web', ...request })
    const odd = normalise(exchange.request, 'BASE')
    if (odd !== undefined) return `${odd.status} ${odd.body}`
    const who = await this.#authenticator.authenticate(exchange)
    if ('kind' in who) return `${who.status} ${who.body}`
    const denied = this.#authorizer.authorize(exchange, who)
    return denied === undefined ? '200' : `${denied.status} ${denied.body}`
  }

  connect(peer: string): string {
    return this.#authorizer.authorizeConnection(connectionOf({ peer }))?.details ?? 'open'
  }
}

const DENIED = '403 RBAC: access denied'
const web = { peer: 'spiffe://cluster.local/ns/shop/sa/web' }
const admin = { peer: 'spiffe://cluster.local/ns/ops/sa/admin' }
const toPort = (port: number): AskedRequest => ({ destination: { ...connectionOf().destination, port } })
const plain = { peer: undefined } as unknown as AskedRequest // as a connection without mTLS has it
const bearer = (claims: object, signer = key): AskedRequest => ({
  headers: { authorization: `Bearer ${signedToken(signer, { iss: 'one', sub: 'bob', exp: nowS + 60, ...claims })}` },
})

describe('order of policies (d.1)', () => {
  it.each<[string, readonly string[], string]>([
    ['a DENY before an ALLOW', [policy('a', 'ALLOW', 'rules: [{}]'), policy('d', 'DENY', 'rules: [{}]')], DENIED],
    ['AUDIT stops nobody', [policy('a', 'AUDIT', 'rules: [{}]')], '200'],
    ['no ALLOW at all', [policy('d', 'DENY', 'rules: [{ to: [{ operation: { methods: [PUT] } }] }]')], '200'],
    ['no ALLOW that matches', [policy('a', 'ALLOW', 'rules: [{ to: [{ operation: { methods: [PUT] } }] }]')], DENIED],
    ['an ALLOW without rules', [policy('a', 'ALLOW', 'rules: []')], DENIED],
    ['a DENY without rules', [policy('d', 'DENY', 'rules: []')], '200'],
    ['a dry run', [policy('d', 'DENY', 'rules: [{}]', 'istio.io/dry-run: "true"')], '200'],
    ['CUSTOM, of which no provider is known', [policy('c', 'CUSTOM', 'provider: { name: ext }, rules: [{}]')], DENIED],
  ])('%s', async (_, objects, wanted) => {
    expect(await new Waypoint(...objects).ask({})).toBe(wanted)
  })

  it('tells what a dry run and an AUDIT say', async () => {
    const asked = new Waypoint(
      policy('d', 'DENY', 'rules: [{}]', 'istio.io/dry-run: "true"'),
      policy('a', 'AUDIT', 'rules: [{}]'),
    )
    await asked.ask({})
    expect(asked.notes).toMatchObject([{ audited: { name: 'a' }, wouldDeny: { name: 'd' } }])
  })
})

describe('forms of values (d.1)', () => {
  it.each<[rules: string, matching: AskedRequest, missing: AskedRequest]>([
    ['from: [{ source: { principals: ["*"] } }]', web, plain],
    ['from: [{ source: { notPrincipals: ["*"] } }]', plain, web],
    ['from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]', web, admin],
    ['from: [{ source: { principals: ["*/sa/web"] } }]', web, admin],
    ['from: [{ source: { principals: ["cluster.local/ns/shop/*"] } }]', web, admin],
    ['from: [{ source: { namespaces: ["s*p"] } }]', web, admin],
    ['from: [{ source: { serviceAccounts: [web] } }]', web, { peer: 'spiffe://cluster.local/ns/ops/sa/web' }],
    ['from: [{ source: { serviceAccounts: [ops/admin] } }]', admin, web],
    ['from: [{ source: { ipBlocks: [10.0.1.0/24] } }]', {}, { source: '10.0.2.7:1' }],
    [
      'from: [{ source: { remoteIpBlocks: [192.0.2.0/24] } }]',
      { headers: { 'x-forwarded-for': '9.9.9.9, 192.0.2.7' } },
      { headers: { 'x-forwarded-for': '192.0.2.7, 9.9.9.9' } },
    ],
    ['to: [{ operation: { hosts: [CART.shop] } }]', { authority: 'cart.SHOP' }, { authority: 'other' }],
    ['to: [{ operation: { hosts: ["*.Shop"] } }]', { authority: 'cart.shop.' }, { authority: 'shop' }],
    ['to: [{ operation: { methods: [GET] } }]', {}, { method: 'POST' }],
    ['to: [{ operation: { paths: [/a] } }]', { target: '/a?b' }, { target: '/A' }],
    ['to: [{ operation: { paths: ["/a/*"] } }]', { target: '/x/../a/b' }, { target: '/a/../b' }],
    ['to: [{ operation: { paths: ["*.html"] } }]', { target: '/%61.html' }, { target: '/a?.html' }],
    ['to: [{ operation: { paths: ["/u/{*}/x"] } }]', { target: '/u/7/x' }, { target: '/u/7/8/x' }],
    ['to: [{ operation: { paths: ["/u/{**}"] } }]', { target: '/u/7/8' }, { target: '/u' }],
    ['to: [{ operation: { paths: ["/*"], notPaths: [/a] } }]', { target: '/b' }, { target: '/./a' }],
    ['to: [{ operation: { ports: ["80"] } }]', {}, toPort(81)],
    [
      'when: [{ key: "request.headers[x-a]", values: ["1"] }]',
      { headers: { 'x-a': '1' } },
      { headers: { 'x-a': '2' } },
    ],
    ['when: [{ key: "request.headers[X-A]", notValues: ["1"] }]', {}, { headers: { 'x-a': '1' } }],
    ['when: [{ key: source.namespace, values: [shop] }]', web, admin],
    ['when: [{ key: source.ip, values: [10.0.1.7] }]', {}, { source: '10.0.1.8:1' }],
    ['when: [{ key: destination.port, values: ["80"] }]', {}, toPort(81)],
    ['when: [{ key: request.auth.principal, values: [one/bob] }]', bearer({}), {}],
    ['when: [{ key: request.auth.audiences, values: [a] }]', bearer({ aud: ['b', 'a'] }), bearer({ aud: 'b' })],
    ['when: [{ key: request.auth.presenter, values: [app] }]', bearer({ azp: 'app' }), bearer({})],
    [
      'when: [{ key: "request.auth.claims[scope]", values: [read] }]',
      bearer({ scope: 'write read' }),
      bearer({ scope: 'reads' }),
    ],
    [
      'when: [{ key: "request.auth.claims[realm][roles]", values: [x] }]',
      bearer({ realm: { roles: ['x'] } }),
      bearer({ realm: {} }),
    ],
    ['from: [{ source: { requestPrincipals: ["*"] } }]', bearer({}), {}],
    ['from: [{ source: { requestPrincipals: [one/bob] } }]', bearer({}), bearer({ sub: 'eve' })],
  ])('%s', async (rules, matching, missing) => {
    const tokens = authentication('t', rule('one'))
    const allow = new Waypoint(tokens, policy('p', 'ALLOW', `rules: [{ ${rules} }]`))
    expect([await allow.ask(matching), await allow.ask(missing)]).toEqual(['200', DENIED])
    const deny = new Waypoint(tokens, policy('p', 'DENY', `rules: [{ ${rules} }]`))
    expect([await deny.ask(matching), await deny.ask(missing)]).toEqual([DENIED, '200'])
  })

  it.each([
    '/admin',
    '//../admin',
    '/./admin',
    '/x/../admin',
    '/%61dmin',
    '/%2e/admin',
    '/x/%2E%2e/admin',
    '/x\\..\\admin',
    '/admin?x',
    '/admin#x',
    '/x/..%2fadmin',
    '/x/..;/admin',
    '/admin%00',
    '/%c0%ae/admin',
  ])('a forbidden path is not had as %s', async (target) => {
    const deny = new Waypoint(policy('p', 'DENY', 'rules: [{ to: [{ operation: { paths: [/admin] } }] }]'))
    expect(await deny.ask({ target })).toMatch(/^40[03] /)
  })
})

describe('HTTP attributes on a TCP port (d.1)', () => {
  const get = 'to: [{ operation: { methods: [GET] } }]'
  it.each<[string, string, string]>([
    ['ALLOW', `rules: [{ ${get} }]`, 'rbac_access_denied_matched_policy[none]'],
    ['ALLOW', `rules: [{ ${get} }, { from: [{ source: { namespaces: [shop] } }] }]`, 'open'],
    ['DENY', `rules: [{ ${get} }]`, 'rbac_access_denied_matched_policy[ns[shop]-policy[p]-rule[0]]'],
    ['DENY', `rules: [{ from: [{ source: { namespaces: [ops] } }], ${get} }]`, 'open'],
  ])('%s %s: %s', (action, rules, wanted) => {
    expect(new Waypoint(policy('p', action, rules)).connect(web.peer)).toBe(wanted)
  })
})

describe('tokens (d.2)', () => {
  const one = authentication('t', rule('one'))
  const both = [authentication('t', rule('one')), authentication('u', rule('two', 'fromHeaders: [{ name: x-two }]'))]
  const two = signedToken(other, { iss: 'two', sub: 'eve' })

  it.each<[string, readonly string[], AskedRequest, string]>([
    ['no token passes', [one], {}, '200'],
    ['Basic credentials are no token', [one], { headers: { authorization: 'Basic x' } }, '200'],
    ['a good token', [one], bearer({}), '200'],
    ['a good token in the query', [one], { target: `/?access_token=${signedToken(key, { iss: 'one' })}` }, '200'],
    ['expired', [one], bearer({ exp: nowS - 61 }), '401 Jwt is expired'],
    ['within the skew', [one], bearer({ exp: nowS - 59 }), '200'],
    ['another issuer', [one], bearer({ iss: 'x' }), '401 Jwt issuer is not configured'],
    ['another’s signature', [one], bearer({}, other), "401 Jwks doesn't have key to match kid or alg from Jwt"],
    [
      'another audience',
      [authentication('t', rule('one', 'audiences: [a]'))],
      bearer({ aud: 'b' }),
      '403 Audiences in Jwt are not allowed',
    ],
    ['one of two rules', both, { headers: { 'x-two': two } }, '200'],
    ['a good token beside a bad one', both, { headers: { authorization: 'Bearer x.y.z', 'x-two': two } }, '200'],
    ['only a bad one', both, { headers: { 'x-two': 'x.y.z' } }, '401 Jwt header is an invalid JSON'],
    [
      'a preflight',
      [one],
      {
        method: 'OPTIONS',
        headers: { origin: 'x', 'access-control-request-method': 'PUT', authorization: 'Bearer x' },
      },
      '200',
    ],
    [
      'a preflight does not pass policies',
      [one, policy('p', 'ALLOW', 'rules: [{ from: [{ source: { requestPrincipals: ["*"] } }] }]')],
      { method: 'OPTIONS', headers: { origin: 'x', 'access-control-request-method': 'PUT' } },
      DENIED,
    ],
  ])('%s', async (_, objects, request, wanted) => {
    expect(await new Waypoint(...objects).ask(request)).toBe(wanted)
  })
})
