import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Readiness } from '#shared/lifecycle'
import { unhandledErrors } from '#shared/program'
import { Metrics, registerProcessMetrics } from '#shared/telemetry'
import { adsClientMetrics } from '#shared/xds'
import { Verdicts } from '../../../../src/ztunnel/authz/index.ts'
import { PodRegistry } from '../../../../src/ztunnel/capture/index.ts'
import { registerBuild, registerRuntime } from '../../../../src/ztunnel/metrics.ts'
import {
  type ConnectionLabels,
  ConnectionMetrics,
  CrlMetrics,
  DnsMetrics,
  type MetricsProfile,
} from '../../../../src/ztunnel/reporting/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { identity, service, socket, workload } from '../../../support/mesh-builder.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const GOLDEN = resolve(import.meta.dirname, '../../../golden/ztunnel/metrics')

const client = workload({
  name: 'client',
  namespace: 'shop',
  serviceAccount: 'client',
  canonicalRevision: 'v1',
  locality: { region: 'r1', zone: 'z1', subzone: '' },
})
const server = workload({ name: 'server', namespace: 'shop', serviceAccount: 'server' })
const web = service({ name: 'web', namespace: 'shop' })

const toServer: ConnectionLabels = {
  reporter: 'source',
  source: client,
  sourcePrincipal: identity('shop/client'),
  destination: server,
  destinationPrincipal: identity('shop/server'),
  service: web,
  isMutualTls: true,
}
const passedThrough: ConnectionLabels = {
  ...toServer,
  sourcePrincipal: undefined,
  destination: undefined,
  destinationPrincipal: undefined,
  service: undefined,
  isMutualTls: false,
}
/** From outside the mesh, by what its baggage says. */
const declared: ConnectionLabels = {
  ...toServer,
  reporter: 'destination',
  sourcePrincipal: identity('far/app'),
  source: {
    clusterId: 'far',
    namespace: 'ns',
    workloadName: 'app-1',
    canonicalName: 'app',
    canonicalRevision: undefined,
    region: 'r2',
    zone: undefined,
  },
}

/** One of each thing that can be counted. */
function page(profile: MetricsProfile): string {
  const metrics = new Metrics()
  const clock = new FakeClock()
  unhandledErrors(metrics)
  registerProcessMetrics(metrics)
  registerBuild(metrics, '1.31.0')
  registerRuntime(metrics, '0')
  const verdicts = new Verdicts(metrics, clock)
  const connections = new ConnectionMetrics(metrics, profile)
  const dns = new DnsMetrics(metrics)
  const crl = new CrlMetrics(metrics)
  const xds = adsClientMetrics(metrics, clock)
  new PodRegistry({
    clock,
    readiness: new Readiness(),
    metrics,
    log: quietLogger,
    start: () => {
      throw new Error('no pod comes here')
    },
  })

  const about = { peer: undefined, source: socket('10.0.0.1:1'), destination: socket('10.0.0.2:80') }
  const deniedBy = { policy: 'shop/strict', rule: 0 }
  verdicts.denied({ workload: server.uid, facts: about, reason: 'no', deniedBy, when: 'start' })
  verdicts.dryRun({ denied: { policy: 'shop/trial', rule: 1 }, allowed: 'no-match' })
  const succeeded = connections.opened(toServer)
  succeeded.follow({ sentBytes: 84, receivedBytes: 358 })
  succeeded.closed('-')
  connections.opened(toServer).follow({ sentBytes: 16, receivedBytes: 2 })
  for (const flag of [
    'DENY',
    'NETWORK_POLICY',
    'IDENTITY_ERROR',
    'CERT_REVOKED',
    'H2_HANDSHAKE_FAILURE',
    'TLS_FAILURE',
    'CONNECT',
  ] as const) {
    connections.opened(toServer).closed(flag)
  }
  connections.opened(passedThrough).closed('-')
  connections.opened(declared).closed('-')
  connections.rare.earlyDenial('source', 'no-healthy-upstream')
  connections.rare.earlyDenial('destination', 'tls')
  connections.rare.onDemandDns(client, 'db.example')
  const query = { type: 'aaaa', protocol: 'udp', source: client } as const
  dns.asked(query)
  dns.asked({ ...query, type: 'srv', protocol: 'tcp', source: undefined })
  dns.forwarded(query)
  dns.forwardingFailed(query)
  dns.upstreamAnswered(query, 0.25)
  crl.rejected('destination')
  crl.untracked('source')
  xds.responseReceived?.('type.googleapis.com/istio.workload.Address', 1234)
  xds.connectionEnded?.('Reconnect')
  return metrics.print().replace(/^((?:process|nodejs|tokio_worker)_\S+) [\d.e+-]+$/gm, '$1 *')
}

describe('the metrics page', () => {
  it('counts under the labels of the workload that is there now, at an address that another one had', () => {
    const metrics = new Metrics()
    const connections = new ConnectionMetrics(metrics, 'lean')
    const before = workload({ name: 'web-1', namespace: 'shop', workloadName: 'web', addresses: ['10.0.0.9'] })
    const after = { ...before, name: 'db-1', workloadName: 'db' }
    const count = (destination: typeof before): void => connections.opened({ ...toServer, destination }).closed('-')
    for (const destination of [before, after, after, before]) count(destination)
    // The same workload, sent anew.
    count({ ...after })
    const opened = metrics
      .print()
      .matchAll(/^istio_tcp_connections_opened_total\{.*destination_workload="(\w+)".* (\d+)$/gm)
    expect([...opened].map(([, name, times]) => `${name} ${times}`)).toEqual(['web 2', 'db 3'])
  })

  it.each(['full', 'lean'] as const)('is the recorded one, whole, with the %s labels', (profile) => {
    const text = page(profile)
    const recorded = resolve(GOLDEN, `${profile}.txt`)
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(recorded, text)
    expect(text).toBe(readFileSync(recorded, 'utf8'))
  })

  it('has fewer than ten labels on each connection metric when lean', () => {
    const lines = page('lean')
      .split('\n')
      .filter((line) => /^istio_tcp_.*\{/.test(line))
    expect(lines.length).toBeGreaterThan(10)
    for (const line of lines) expect(line.match(/="/g)?.length).toBeLessThan(10)
  })

  it('is described whole in the docs, which describe nothing else', () => {
    const docs = readFileSync(resolve(import.meta.dirname, '../../../../docs/metrics.md'), 'utf8')
    const kinds = [...page('full').matchAll(/^# TYPE (\S+) (\w+)$/gm)]
    const shown = kinds.map(([, name, kind]) => (kind === 'counter' ? `${name}_total` : name))
    const described = docs.match(/`(?:ambit|istio|workload_manager|process|nodejs|tokio)_\w+(?=[`{])/g) ?? []
    // Registered by app.ts itself.
    const elsewhere = ['ambit_pod_connection_overflows_total']
    expect([...new Set(described)].map((name) => name.slice(1)).sort()).toEqual([...shown, ...elsewhere].sort())
  })

  it('adds up to the same connections with lean and full labels', () => {
    const totals = (text: string): Map<string, number> => {
      const sums = new Map<string, number>()
      for (const [, name = '', value] of text.matchAll(/^(istio_tcp_\w+)\{.*\} (\d+)$/gm)) {
        sums.set(name, (sums.get(name) ?? 0) + Number(value))
      }
      return sums
    }
    expect(totals(page('lean'))).toEqual(totals(page('full')))
  })
})
