import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatProblem } from '#shared/k8s'
import { configure } from '../../../support/waypoint-configuration.ts'

/** Manifests as guides to service meshes have them. */
const FOLDER = join(import.meta.dirname, '../../../conformance/kubernetes/guides')

/** Everything that the manifests name, behind a waypoint. */
const SERVICES = ['catalog', 'prices', 'cart', 'orders', 'stock']
const WORLD = `apiVersion: v1
kind: Namespace
metadata: { name: default, labels: { istio.io/use-waypoint: gate } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gate, namespace: default }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: IPAddress, value: 10.96.0.9 }] }
${SERVICES.map(
  (name, i) => `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { clusterIP: 10.96.0.${i + 1}, ports: [{ name: http, port: 8080 }] }`,
).join('\n')}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: catalog, namespace: default }
spec: { host: catalog, subsets: [{ name: stable, labels: { v: a } }, { name: next, labels: { v: b } }] }
---
`

/** What is told of each file: what its author has to know, by field, or that all is done as it is written. */
const table: Readonly<Record<string, 'as written' | RegExp>> = {
  'canary-route.yaml': 'as written',
  'canary-route-without-hosts.yaml':
    /^VirtualService default\/prices: spec\.hosts: is missing, and nobody delegates to it/,
  'canary-v1.yaml': 'as written',
  'circuit-breaker.yaml': 'as written',
  'circuit-breaker-by-volume.yaml': /spec\.trafficPolicy\.outlierDetection\.minRequestVolume: unknown field/,
  'faults.yaml': /^VirtualService default\/stock-faults: spec\.hosts: is missing/,
  'flagger-canary.yaml': /kind "Canary" is not supported/,
  'linkerd-route.yaml': /"policy\.linkerd\.io\/v1beta3" kind "HTTPRoute" is not supported/,
  'linkerd-server.yaml': /kind "Server" is not supported/,
  'rate-limit.yaml':
    /"networking\.istio\.io\/v1beta1" kind "RequestAuthentication" is not supported; apiVersion security/,
  'service.yaml': 'as written',
  'strict-mtls.yaml': 'as written',
  'tokens.yaml': /^RequestAuthentication default\/shoppers: spec\.targetRefs: is missing/,
  'tracing.yaml': 'as written',
  // For tunnels, which tell of their part themselves.
  'who-may-call.yaml': 'as written',
}

/** What is wrong, and what is not done as it is written. */
const told = (yaml: string): readonly string[] => {
  const { problems, told: all } = configure(WORLD + yaml)
  return [
    ...problems.map((problem) => formatProblem({ ...problem, line: undefined })),
    ...all.ofObjects.map(({ kind, key, condition }) => `${kind} ${key}: ${condition.message}`),
  ]
}

describe('manifests as guides have them', () => {
  it('are all in the table', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(table).sort())
  })

  it.each(Object.entries(table))('%s: %s', (file, expected) => {
    const words = told(readFileSync(join(FOLDER, file), 'utf8'))
    if (expected === 'as written') expect(words).toEqual([])
    else expect(words).toEqual([expect.stringMatching(expected)])
  })

  const compiled = (file: string) => configure(WORLD + readFileSync(join(FOLDER, file), 'utf8')).told

  it('split 80 to 20 with retries and a time-out', () => {
    const [rule] =
      compiled('canary-route.yaml').routes['default/gate/default/catalog.default.svc.cluster.local/8080']?.http ?? []
    expect(rule).toMatchObject({
      matches: [{ path: { kind: 'prefix', value: '/items' } }],
      action: {
        backends: [
          { to: { subset: 'stable' }, weight: 80 },
          { to: { subset: 'next' }, weight: 20 },
        ],
      },
      timeoutMs: 12_000,
      retry: { attempts: 2, perTryTimeoutMs: 4_000, on: ['5xx', 'reset'] },
    })
  })

  it('break circuits', () => {
    const cluster =
      compiled('circuit-breaker.yaml').clusters['default/gate/default/orders.default.svc.cluster.local/8080']
    expect(cluster?.policy).toMatchObject({
      balancing: { kind: 'least-request' },
      pool: {
        maxConnections: 200,
        maxPendingRequests: 50,
        maxRequests: 400,
        maxRequestsPerConnection: 4,
        upgrade: 'always',
      },
      outliers: { consecutive5xx: 4, intervalMs: 15_000, baseEjectionMs: 45_000, maxEjectionPercent: 40 },
    })
  })

  it('sample a quarter of the traces', () => {
    const { telemetry } = compiled('tracing.yaml')
    expect(Object.values(telemetry).map(({ tracing }) => tracing.samplingPercent)).toEqual(SERVICES.map(() => 25))
  })
})
