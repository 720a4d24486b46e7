/** What guides to service meshes promise of traffic, applied as objects and seen on real requests through a waypoint. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { countBy, echoDeployment, echoService, isShare, WaypointMesh } from '../support/waypoint-mesh.ts'

const NETWORKING = 'apiVersion: networking.istio.io/v1'
const COUNT = 1_000

/** Counts what it is asked and answers with the count at `/count`: for copies whose answers nobody sees. */
const SHADOW = `apiVersion: v1
kind: Pod
metadata: { name: shadow, namespace: shop, labels: { app: shadow } }
spec:
  containers:
  - name: c
    command:
    - node
    - -e
    - |
      let count = 0
      http.createServer((q, r) => {
        if (q.url === '/count') return r.end(JSON.stringify(count))
        count++
        q.resume().on('end', () => r.end('seen by nobody'))
      }).listen(8080, '::')
    readinessProbe: { httpGet: { port: 8080, path: /count }, periodSeconds: 1 }`

const MANIFESTS = [
  echoDeployment({ name: 'catalog-v1', app: 'catalog', version: 'v1' }),
  echoDeployment({ name: 'catalog-v2', app: 'catalog', version: 'v2' }),
  echoService('catalog'),
  echoDeployment({ name: 'orders-good', app: 'orders', version: 'good', replicas: 2 }),
  echoDeployment({ name: 'orders-bad', app: 'orders', version: 'bad', env: { STATUS: '503' } }),
  echoService('orders'),
  SHADOW,
  echoService('shadow'),
]

const SUBSETS = `${NETWORKING}
kind: DestinationRule
metadata: { name: catalog }
spec:
  host: catalog
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }`

const CATALOG = { url: 'http://catalog:8080/items/1' }
const ORDERS = { url: 'http://orders:8080/' }

/** A VirtualService of that host with these routes, as the guides write them. */
function routes(host: string, http: string): string {
  return `${NETWORKING}\nkind: VirtualService\nmetadata: { name: ${host} }\nspec:\n  hosts: [${host}]\n  http:\n${http}`
}

describe.runIf(requirePrivileges())('traffic through a waypoint', () => {
  const mesh = new WaypointMesh()

  beforeAll(async () => {
    await mesh.up(MANIFESTS)
    await mesh.throughWaypoint(CATALOG.url)
  }, 120_000)
  afterAll(() => mesh.down(), 60_000)
  afterEach(async () => {
    const all = 'virtualservices,destinationrules,httproutes,authorizationpolicies,requestauthentications'
    await mesh.delete(all, '--all')
  })

  it.each([
    { stable: 90, canary: 10 },
    { stable: 95, canary: 5 },
  ])('splits it $stable to $canary between versions', async ({ stable, canary }) => {
    await mesh.apply(
      `${SUBSETS}\n---\n${routes(
        'catalog',
        `  - route:
    - { destination: { host: catalog, subset: v1 }, weight: ${stable} }
    - { destination: { host: catalog, subset: v2 }, weight: ${canary} }`,
      )}`,
    )
    const versions = countBy(await mesh.ask({ ...CATALOG, count: COUNT, parallel: 8 }), ({ body }) => body?.version)
    expect(Object.keys(versions).sort()).toEqual(['v1', 'v2'])
    expect(isShare(versions.v2 ?? 0, COUNT, canary / 100), JSON.stringify(versions)).toBe(true)
  })

  it('keeps a path of its own for those who carry a header', async () => {
    await mesh.apply(
      `${SUBSETS}\n---\n${routes(
        'catalog',
        `  - match: [{ headers: { x-canary: { exact: "true" } } }]
    route: [{ destination: { host: catalog, subset: v2 } }]
  - route: [{ destination: { host: catalog, subset: v1 } }]`,
      )}`,
    )
    const canary = await mesh.ask({ ...CATALOG, count: 20, headers: { 'x-canary': 'true' } })
    const others = await mesh.ask({ ...CATALOG, count: 20, headers: { 'x-canary': 'false' } })
    expect(countBy(canary, ({ body }) => body?.version)).toEqual({ v2: 20 })
    expect(countBy(others, ({ body }) => body?.version)).toEqual({ v1: 20 })
  })

  it('answers 404 to what no rule matches, and nothing of it reaches the service', async () => {
    await mesh.apply(
      routes('catalog', '  - match: [{ uri: { prefix: /items } }]\n    route: [{ destination: { host: catalog } }]'),
    )
    expect((await mesh.ask(CATALOG))[0]).toMatchObject({ status: 200 })
    expect((await mesh.ask({ url: 'http://catalog:8080/other' }))[0]).toMatchObject({ status: 404, body: '' })
  })

  it('hides failing endpoints behind retries', async () => {
    const without = countBy(await mesh.ask({ ...ORDERS, count: 150 }), ({ status }) => status)
    expect(without['503']).toBeGreaterThan(20)
    await mesh.apply(
      routes(
        'orders',
        `  - route: [{ destination: { host: orders } }]
    retries: { attempts: 3, perTryTimeout: 2s, retryOn: "5xx,reset" }`,
      ),
    )
    expect(countBy(await mesh.ask({ ...ORDERS, count: 150 }), ({ status }) => status)).toEqual({ 200: 150 })
  })

  it('ends what takes longer than its timeout with 504', async () => {
    await mesh.apply(routes('catalog', '  - route: [{ destination: { host: catalog } }]\n    timeout: 500ms'))
    const [slow] = await mesh.ask({ url: 'http://catalog:8080/delay/5000' })
    expect(slow).toMatchObject({ status: 504, body: 'upstream request timeout' })
    expect(slow?.ms).toBeGreaterThanOrEqual(490)
    expect(slow?.ms).toBeLessThan(4_000)
    expect((await mesh.ask(CATALOG))[0]).toMatchObject({ status: 200 })
  })

  it('injects delays and aborts by their percentages', async () => {
    await mesh.apply(
      routes(
        'catalog',
        `  - fault:
      delay: { percentage: { value: 10.0 }, fixedDelay: 400ms }
      abort: { percentage: { value: 5.0 }, httpStatus: 503 }
    route: [{ destination: { host: catalog } }]`,
      ),
    )
    const answers = await mesh.ask({ ...CATALOG, count: COUNT, parallel: 16 })
    const aborted = answers.filter(({ status, body }) => status === 503 && body === 'fault filter abort')
    const delayed = answers.filter(({ ms }) => ms >= 395)
    expect(isShare(aborted.length, COUNT, 0.05), `${aborted.length} aborted`).toBe(true)
    expect(isShare(delayed.length, COUNT, 0.1), `${delayed.length} delayed`).toBe(true)
    expect(answers.filter(({ status }) => status !== 200)).toHaveLength(aborted.length)
  })

  it('mirrors a share of it to where nobody waits for an answer', async () => {
    const seen = async (): Promise<number> => (await mesh.ask({ url: 'http://shadow:8080/count' }))[0]?.body
    const before = await seen()
    await mesh.apply(
      routes(
        'catalog',
        `  - route: [{ destination: { host: catalog } }]
    mirrors: [{ destination: { host: shadow }, percentage: { value: 50.0 } }]`,
      ),
    )
    const answers = await mesh.ask({ ...CATALOG, count: 400, parallel: 4, method: 'POST', body: 'a body' })
    expect(countBy(answers, ({ status, body }) => `${status} ${body?.body}`)).toEqual({ '200 a body': 400 })
    await expect.poll(async () => isShare((await seen()) - before, 400, 0.5), { timeout: 10_000 }).toBe(true)
  })

  it('sends no more to a destination than its connection pool takes', async () => {
    await mesh.apply(`${NETWORKING}
kind: DestinationRule
metadata: { name: catalog }
spec:
  host: catalog
  trafficPolicy:
    connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1, maxRequestsPerConnection: 1 } }`)
    const answers = await mesh.ask({ url: 'http://catalog:8080/delay/200', count: 60, parallel: 20 })
    const refused = answers.filter(({ status }) => status === 503)
    expect(refused.length).toBeGreaterThan(10)
    expect(refused[0]).toMatchObject({ headers: { 'x-envoy-overloaded': 'true' } })
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(1)
  })

  it('ejects an endpoint that only fails', async () => {
    await mesh.apply(`${NETWORKING}
kind: DestinationRule
metadata: { name: orders }
spec:
  host: orders
  trafficPolicy:
    outlierDetection: { consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 50 }`)
    await mesh.ask({ ...ORDERS, count: 100 })
    await expect
      .poll(async () => countBy(await mesh.ask({ ...ORDERS, count: 30 }), ({ status }) => status), { timeout: 15_000 })
      .toEqual({ 200: 30 })
  })

  it('changes, redirects and answers requests as HTTPRoutes say', async () => {
    await mesh.apply(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: catalog }
spec:
  parentRefs: [{ kind: Service, group: "", name: catalog, port: 8080 }]
  rules:
  - matches: [{ path: { type: PathPrefix, value: /old } }]
    filters: [{ type: RequestRedirect, requestRedirect: { statusCode: 301, path: { type: ReplacePrefixMatch, replacePrefixMatch: /new } } }]
  - matches: [{ path: { type: PathPrefix, value: /api } }]
    filters:
    - { type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /v1 } } }
    - { type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: x-set, value: set }], remove: [x-gone] } }
    - { type: ResponseHeaderModifier, responseHeaderModifier: { add: [{ name: x-added, value: added }] } }
    backendRefs: [{ name: catalog, port: 8080 }]`)
    const [moved] = await mesh.ask({ url: 'http://catalog:8080/old/thing?q=1' })
    expect(moved).toMatchObject({ status: 301, headers: { location: 'http://catalog:8080/new/thing?q=1' } })
    const [api] = await mesh.ask({ url: 'http://catalog:8080/api/items?q=1', headers: { 'x-gone': '1', 'x-set': '0' } })
    expect(api).toMatchObject({
      status: 200,
      headers: { 'x-added': 'added' },
      body: { path: '/v1/items?q=1', headers: { 'x-set': 'set' } },
    })
    expect(api?.body.headers).not.toHaveProperty('x-gone')
    expect((await mesh.ask(CATALOG))[0]).toMatchObject({ status: 404 })
  })

  it('lets nobody in whom no policy of the waypoint allows', async () => {
    await mesh.apply(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: catalog }
spec:
  targetRefs: [{ kind: Service, group: "", name: catalog }]
  action: ALLOW
  rules:
  - from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]
    to: [{ operation: { methods: [GET], paths: [/items/*] } }]`)
    expect((await mesh.ask(CATALOG))[0]).toMatchObject({ status: 200 })
    for (const denied of [
      { ...CATALOG, method: 'DELETE' },
      { url: 'http://catalog:8080/admin' },
      { url: 'http://catalog:8080/items/..%2fadmin/../../admin' },
    ]) {
      expect((await mesh.ask(denied))[0]).toMatchObject({ status: 403, body: 'RBAC: access denied' })
    }
  })

  it('asks for tokens of an issuer, and tells who shows a wrong one', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const token = (claims: object): string => {
      const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
      const signed = `${part({ alg: 'RS256', kid: 'one' })}.${part({ iss: 'https://login.example', sub: 'me', ...claims })}`
      return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`
    }
    const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256' }] })
    await mesh.apply(`apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: catalog }
spec:
  targetRefs: [{ kind: Service, group: "", name: catalog }]
  jwtRules: [{ issuer: "https://login.example", jwks: '${jwks}' }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: catalog }
spec:
  targetRefs: [{ kind: Service, group: "", name: catalog }]
  rules: [{ from: [{ source: { requestPrincipals: ["https://login.example/me"] } }] }]`)
    const nowS = Math.floor(Date.now() / 1000)
    const ask = async (authorization?: string): Promise<unknown> =>
      (await mesh.ask({ ...CATALOG, headers: authorization === undefined ? {} : { authorization } }))[0]
    expect(await ask()).toMatchObject({ status: 403 })
    expect(await ask(`Bearer ${token({ exp: nowS + 600 })}`)).toMatchObject({ status: 200 })
    expect(await ask(`Bearer ${token({ exp: nowS + 600, sub: 'you' })}`)).toMatchObject({ status: 403 })
    expect(await ask(`Bearer ${token({ exp: nowS - 600 })}`)).toMatchObject({ status: 401, body: 'Jwt is expired' })
    expect(await ask(`Bearer ${token({ exp: nowS + 600 }).slice(0, -8)}AAAAAAAA`)).toMatchObject({ status: 401 })
  })
})
