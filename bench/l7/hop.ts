// The waypoint's own rooms as one hop of plain TCP: `hop.js bare|full PORT BACKENDS`, BACKENDS as JSON {h1, h2}: ports of
// loopback. HTTP/1.1 and HTTP/2 on PORT go to the backend that speaks the same.
//   bare  no rules, no policies, no access log
//   full  100 rules of which the last but one matches, 20 principals, span ids, retries with their buffer, all metrics, log lines
import { openSync } from 'node:fs'
import { systemClock } from '#shared/clock'
import { createTunnelPool } from '#shared/hbone'
import { DEFAULT_RETRY, type HttpRule, type RequestPolicy, type Routes } from '#shared/l7'
import { parseSpiffeId, type Service, serviceKey, type Workload } from '#shared/model'
import { parseIp } from '#shared/net'
import { LineWriter, Log, Metrics } from '#shared/telemetry'
import { readWaypointConfig } from '../../src/waypoint/config.ts'
import type { InnerConnection } from '../../src/waypoint/listen/index.ts'
import { listenPlain } from '../../src/waypoint/listen/index.ts'
import { makeProxying } from '../../src/waypoint/proxying.ts'
import type { Destination } from '../../src/waypoint/state/index.ts'
import { ClusterView } from '../../test/support/cluster-view.ts'
import { service, workload } from '../../test/support/mesh-builder.ts'

const [features = 'bare', port = '', backends = '{}'] = process.argv.slice(2)
const { h1, h2 } = JSON.parse(backends) as { readonly h1: number; readonly h2: number }
const isFull = features === 'full'
const LOOPBACK = parseIp('127.0.0.1')
const CLIENT = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/client-19')
if (LOOPBACK === undefined || CLIENT === undefined) throw new TypeError('constants that are none')

const NO_CHANGES = { set: [], add: [], remove: [] }
const PORTS = { 80: h1, 81: h2 }
const backend: Service = {
  ...service({ name: 'backend' }),
  ports: [
    { servicePort: 80, targetPort: h1, appProtocol: 'HTTP11' },
    { servicePort: 81, targetPort: h2, appProtocol: 'HTTP2' },
  ],
}
const endpoint: Workload = workload({
  name: 'backend',
  protocol: 'TCP',
  addresses: [LOOPBACK],
  services: { [serviceKey(backend)]: PORTS },
})

function rule(at: number, servicePort: number): HttpRule {
  const path =
    at % 10 === 3
      ? ({ kind: 'regex', value: `/v${at}/[a-z]+/\\d+` } as const)
      : ({ kind: 'segments', value: at === 98 ? '/api/items' : `/service-${at}` } as const)
  return {
    origin: `rule ${at}`,
    name: `rule-${at}`,
    matches: [
      {
        name: '',
        path,
        ignorePathCase: false,
        scheme: undefined,
        method: undefined,
        authority: undefined,
        headers: at === 98 || at % 7 !== 0 ? [] : [{ name: 'x-tester', match: { kind: 'exact', value: String(at) } }],
        withoutHeaders: [],
        query: [],
        claims: [],
        source: undefined,
      },
    ],
    action: {
      kind: 'forward',
      backends: [
        {
          to: {
            kind: 'cluster',
            namespace: backend.namespace,
            hostname: backend.hostname,
            port: servicePort,
            subset: '',
          },
          weight: 1,
          requestHeaders: NO_CHANGES,
          responseHeaders: NO_CHANGES,
          authority: '',
        },
      ],
      rewrite: undefined,
      authority: '',
      persistence: undefined,
    },
    requestHeaders: { ...NO_CHANGES, set: [{ name: 'x-route', value: `rule-${at}` }] },
    responseHeaders: NO_CHANGES,
    cors: undefined,
    fault: undefined,
    mirrors: [],
    timeoutMs: 15_000,
    retry: DEFAULT_RETRY,
  }
}

class BenchView extends ClusterView {
  readonly #routes = new Map<number, Routes>()
  readonly #policies: readonly RequestPolicy[]

  constructor() {
    super([backend, endpoint])
    for (const { servicePort } of backend.ports) {
      const http = Array.from({ length: 100 }, (_, at) => rule(at, servicePort))
      this.#routes.set(servicePort, {
        namespace: backend.namespace,
        hostname: backend.hostname,
        port: servicePort,
        http,
        tcp: undefined,
      })
    }
    const none = { any: [], none: [] }
    this.#policies = [
      {
        namespace: 'shop',
        name: 'callers',
        targets: [{ kind: 'service', namespace: backend.namespace, hostname: backend.hostname }],
        action: 'allow',
        dryRun: false,
        rules: Array.from({ length: 20 }, (_, at) => ({
          from: [
            {
              principals: { any: [{ kind: 'exact', value: `cluster.local/ns/shop/sa/client-${at}` }], none: [] },
              namespaces: none,
              serviceAccounts: none,
              trustDomains: none,
              requestPrincipals: none,
              ips: none,
              remoteIps: none,
            },
          ],
          to: [
            {
              hosts: none,
              ports: none,
              methods: { any: [{ kind: 'exact', value: 'GET' }], none: [] },
              paths: { any: [{ kind: 'prefix', value: '/api/' }], none: [] },
            },
          ],
          when: [],
        })),
      },
    ]
  }

  override routes(_service?: Service, servicePort?: number): undefined {
    // The base says that there are none; here there are.
    return (isFull ? this.#routes.get(servicePort ?? 0) : undefined) as undefined
  }

  override requestPolicies(): readonly [] {
    return (isFull ? this.#policies : []) as readonly []
  }
}

const config = readWaypointConfig(
  {
    AMBIT_METRICS: isFull ? 'full' : 'lean',
    AMBIT_ACCESS_LOG: isFull ? 'text' : 'off',
    ...(isFull ? { AMBIT_TRACING: 'otlp', AMBIT_TRACING_URL: 'http://127.0.0.1:9/', AMBIT_TRACING_SAMPLING: '0' } : {}),
  },
  [],
)
const clock = systemClock
const output = new LineWriter(openSync('/dev/null', 'w'), clock)
const view = new BenchView()
const proxying = makeProxying({
  clock,
  log: new Log({ format: 'plain', filter: 'info', clock, output }),
  metrics: new Metrics(),
  view,
  config,
  lines: output,
  self: () => undefined,
  endpoints: {
    tunnels: createTunnelPool({ clock }),
    certificate: () => Promise.reject(new Error('endpoints of this bench have no tunnel')),
    identity: config.identity,
    sourceIp: LOOPBACK,
    tunnelPort: 15_008,
    network: '',
    dialTunnel: () => {
      throw new Error('endpoints of this bench have no tunnel')
    },
  },
})

const to = (servicePort: number): Destination => {
  const declared = backend.ports.find((each) => each.servicePort === servicePort)
  return { kind: 'service', service: backend, port: servicePort, appProtocol: declared?.appProtocol }
}
const owner = {
  serve: (connection: InnerConnection) => {
    const destination = to(connection.protocol === 'http2' ? 81 : 80)
    return proxying.serve({ ...connection, destination, peer: CLIENT })
  },
}
await listenPlain({ ip: LOOPBACK, port: Number(port) }, { clock, owner, destination: to(80) })
process.on('SIGTERM', () => process.exit(0))
