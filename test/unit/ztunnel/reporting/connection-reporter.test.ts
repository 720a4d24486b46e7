import { describe, expect, it } from 'vitest'
import { Drain } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import { AccessLog, Log, Metrics } from '#shared/telemetry'
import type { LocalPod, PodWork } from '../../../../src/ztunnel/capture/index.ts'
import { type ConnectionRecord, ConnectionTable } from '../../../../src/ztunnel/connections/index.ts'
import {
  ConnectionMetrics,
  ConnectionReporter,
  type OpenConnection,
  type Opening,
  type Outcome,
  partyOf,
} from '../../../../src/ztunnel/reporting/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { identity, service, socket, workload } from '../../../support/mesh-builder.ts'

const SUCCESS: Outcome = { error: undefined, flag: '-' }
const client = workload({ name: 'client', canonicalRevision: 'v1', serviceAccount: 'client' })
const server = workload({
  name: 'server',
  serviceAccount: 'server',
  locality: { region: 'r1', zone: 'z1', subzone: '' },
})

function reporterOf(limit?: number) {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = new Log({ format: 'plain', filter: 'info', clock, output: { line: (text) => lines.push(text) } })
  const metrics = new Metrics()
  const table = new ConnectionTable(limit)
  const reporter = new ConnectionReporter({
    clock,
    accessLog: new AccessLog(log),
    metrics: new ConnectionMetrics(metrics),
    table,
  })
  const work: Drain<PodWork> = new Drain<PodWork>(clock, (piece) => piece.cut('drain'))
  const pod: LocalPod = {
    uid: 'pod-1',
    info: { name: 'client', namespace: 'default', serviceAccount: 'client' },
    netns: undefined as unknown as Netns, // never entered here
    work,
    belongings: [],
  }
  const opening = (direction: 'inbound' | 'outbound'): Opening<ConnectionRecord> => ({
    pod,
    startedMs: clock.monotonicMs(),
    record: {
      direction: 'outbound',
      podUid: pod.uid,
      source: socket('10.0.0.1:1'),
      originalDestination: socket('10.9.0.1:80'),
      actualDestination: socket('10.0.0.2:15008'),
      protocol: 'HBONE',
      peer: identity('default/server'),
    },
    subject: {
      source: partyOf(socket('10.0.0.1:1'), client, identity('default/client')),
      destination: partyOf(socket('10.0.0.2:15008'), server, identity('default/server')),
      hboneAddress: '10.0.0.2:8080',
      service: 'web.default.svc.cluster.local',
      direction,
    },
    labels: {
      reporter: direction === 'outbound' ? 'source' : 'destination',
      source: client,
      sourcePrincipal: identity('default/client'),
      destination: server,
      destinationPrincipal: identity('default/server'),
      service: service({ name: 'web' }),
      isMutualTls: true,
    },
  })
  /** Values of all `istio_tcp_*` series: `name flag value`. */
  const counted = (): string[] =>
    metrics
      .print()
      .split('\n')
      .filter((line) => line.startsWith('istio_tcp_'))
      .map((line) => line.replace(/\{.*response_flags="([^"]*)".*\}/, ' $1').replace(/\{.*\}/, ''))
  return { clock, reporter, table, work, lines, metrics, opening, counted }
}

describe('ConnectionReporter', () => {
  it('counts a success with what is known of it, and bytes as requests and responses', () => {
    const { reporter, opening, metrics } = reporterOf()
    const connection = reporter.open(opening('outbound'))
    connection?.follow({ sentBytes: 84, receivedBytes: 358 })
    connection?.ended(SUCCESS)
    const labels =
      'reporter="source",source_workload="client",source_canonical_service="client",source_canonical_revision="v1",' +
      'source_workload_namespace="default",source_principal="spiffe://cluster.local/ns/default/sa/client",' +
      'source_app="client",source_version="v1",source_cluster="Kubernetes",' +
      'destination_service="web.default.svc.cluster.local",destination_service_namespace="default",' +
      'destination_service_name="web",destination_workload="server",destination_canonical_service="server",' +
      'destination_canonical_revision="latest",destination_workload_namespace="default",' +
      'destination_principal="spiffe://cluster.local/ns/default/sa/server",destination_app="server",' +
      'destination_version="latest",destination_cluster="Kubernetes",request_protocol="tcp",response_flags="-",' +
      'connection_security_policy="mutual_tls",source_region="unknown",source_zone="unknown",' +
      'destination_region="r1",destination_zone="z1"'
    const series = metrics
      .print()
      .split('\n')
      .filter((line) => line.startsWith('istio_'))
    expect(series).toEqual([
      `istio_tcp_connections_opened_total{${labels}} 1`,
      `istio_tcp_connections_closed_total{${labels}} 1`,
      `istio_tcp_received_bytes_total{${labels}} 84`,
      `istio_tcp_sent_bytes_total{${labels}} 358`,
      'istio_tcp_sockets_open{reporter="source"} 0',
    ])
  })

  it('counts bytes of live connections at each scrape, once', () => {
    const { reporter, opening, counted } = reporterOf()
    const meter = { sentBytes: 10, receivedBytes: 1 }
    const connection = reporter.open(opening('outbound'))
    connection?.follow(meter)
    expect(counted()).toContain('istio_tcp_received_bytes_total - 10')
    meter.sentBytes = 25
    expect(counted()).toContain('istio_tcp_received_bytes_total - 25')
    connection?.ended(SUCCESS)
    expect(counted()).toContain('istio_tcp_received_bytes_total - 25')
    expect(counted()).toContain('istio_tcp_sockets_open 0')
  })

  it('counts a failure as failed and closed under its flag', () => {
    const { reporter, opening, counted, lines } = reporterOf()
    reporter.open(opening('inbound'))?.ended({ error: 'connection failed: refused', flag: 'CONNECT' })
    expect(counted()).toEqual([
      'istio_tcp_connections_opened_total - 1',
      'istio_tcp_connections_closed_total CONNECT 1',
      'istio_tcp_connections_failed_total CONNECT 1',
      'istio_tcp_received_bytes_total - 0',
      'istio_tcp_sent_bytes_total - 0',
      'istio_tcp_sockets_open 0',
    ])
    expect(lines[0]).toContain('\terror\taccess\tconnection complete\t')
    expect(lines[0]).toContain('error="connection failed: refused"')
  })

  it('writes what the application of its own side sent and got', async () => {
    const { reporter, opening, lines, clock } = reporterOf()
    for (const direction of ['outbound', 'inbound'] as const) {
      const connection = reporter.open(opening(direction))
      connection?.follow({ sentBytes: 84, receivedBytes: 358 })
      await clock.advance(15)
      connection?.ended(SUCCESS)
    }
    expect(lines.map((line) => /direction=.*/.exec(line)?.[0])).toEqual([
      'direction="outbound" bytes_sent=84 bytes_recv=358 duration="15ms"',
      'direction="inbound" bytes_sent=358 bytes_recv=84 duration="15ms"',
    ])
  })

  it.each([
    ['policy-change', 'connection closed due to policy change', 'DENY', 1],
    ['drain', 'connection closed due to connection drain', '-', 0],
    ['pod-removed', 'connection closed due to connection drain', '-', 0],
    ['certificate-revoked', 'connection closed: peer certificate revoked by CRL', 'CERT_REVOKED', 1],
  ] as const)('tells of a %s whatever its owner saw of it', (reason, text, flag, failed) => {
    const { reporter, opening, counted, lines, table } = reporterOf()
    const connection = reporter.open(opening('outbound')) as OpenConnection
    let cancelled = 0
    connection.onCancelled = () => cancelled++
    for (const entry of table.list()) entry.close(reason)
    expect([cancelled, connection.closedBy]).toEqual([1, reason])
    connection.ended({ error: 'io error: reset', flag: 'CONNECT' })
    expect(lines[0]).toContain(`error="${text}"`)
    expect(counted()).toContain(`istio_tcp_connections_closed_total ${flag} 1`)
    expect(counted().filter((line) => line.includes('failed')).length).toBe(failed)
  })

  it('lists a connection and lets a drain wait for it until it has ended, once', async () => {
    const { reporter, opening, table, work, lines } = reporterOf()
    const connection = reporter.open(opening('outbound'))
    expect([table.size, work.size]).toEqual([1, 1])
    connection?.ended(SUCCESS)
    connection?.ended(SUCCESS)
    expect([table.size, work.size, lines.length]).toEqual([0, 0, 1])
  })

  it('cuts a connection that comes after everything else was cut', async () => {
    const { reporter, opening, work } = reporterOf()
    await work.drain({ mode: 'immediate', deadlineMs: 0 })
    expect(reporter.open(opening('outbound'))).toMatchObject({ isCancelled: true, closedBy: 'drain' })
  })

  it('counts a connection that ended early by its reason, beside its line', () => {
    const { reporter, metrics, lines } = reporterOf()
    const about = { source: socket('10.0.0.1:1'), destination: socket('10.0.0.2:80') }
    reporter.failedEarly({ ...about, direction: 'outbound', error: 'no healthy upstream: 10.0.0.2:80' })
    reporter.failedEarly({ ...about, direction: 'inbound', error: 'something new' })
    expect(metrics.print().match(/^ambit_early_denials_total.*$/gm)).toEqual([
      'ambit_early_denials_total{reporter="source",reason="no-healthy-upstream"} 1',
      'ambit_early_denials_total{reporter="destination",reason="other"} 1',
    ])
    expect(lines.length).toBe(2)
  })

  it('tells which rule refused, and which rule ended a live connection', () => {
    const { reporter, opening, lines, table } = reporterOf()
    const deniedBy = { policy: 'default/no', rule: 1 }
    reporter.open(opening('inbound'))?.ended({ error: 'denied', flag: 'DENY', deniedBy })
    const live = reporter.open(opening('inbound'))
    for (const entry of table.list()) entry.close('policy-change', deniedBy)
    live?.ended(SUCCESS)
    expect(lines.map((line) => / error=.*/.exec(line)?.[0])).toEqual([
      ' error="denied" deny.policy="default/no" deny.rule=1',
      ' error="connection closed due to policy change" deny.policy="default/no" deny.rule=1',
    ])
  })

  it('turns a connection away when the table is full', () => {
    const { reporter, opening, counted } = reporterOf(1)
    expect(reporter.open(opening('outbound'))).toBeDefined()
    expect(reporter.open(opening('outbound'))).toBeUndefined()
    expect(counted()).toContain('istio_tcp_connections_opened_total - 1')
  })

  it('tells nothing of a connection that goes on in another process, and counts it as over here', () => {
    const { reporter, opening, lines, table, work, counted } = reporterOf()
    const connection = reporter.open(opening('outbound'))
    connection?.left()
    connection?.ended({ error: 'late', flag: 'CONNECT' })
    expect([lines, table.size, work.size]).toEqual([[], 0, 0])
    expect(counted()).toContain('istio_tcp_sockets_open 0')
  })

  it('tells of all bytes of a connection that began in another process, and counts its own', () => {
    const { reporter, opening, lines, counted } = reporterOf()
    const earlier = { sentBytes: 1_000, receivedBytes: 2_000 }
    const connection = reporter.open({ ...opening('outbound'), earlier })
    connection?.follow({ sentBytes: 1, receivedBytes: 2 })
    connection?.ended(SUCCESS)
    expect(lines.join('')).toContain('bytes_sent=1001 bytes_recv=2002')
    expect(counted()).toContain('istio_tcp_received_bytes_total - 1')
  })

  it('offers a connection to the successor when it drains, if there is one and the connection can be left', () => {
    const { reporter, opening } = reporterOf()
    const connection = reporter.open(opening('outbound'))
    let offered = 0
    if (connection !== undefined) connection.onLeave = () => offered++
    connection?.drain()
    expect(offered).toBe(0)
  })
})
