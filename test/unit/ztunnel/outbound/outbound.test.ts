import { describe, expect, it } from 'vitest'
import { createTunnelPool } from '#shared/hbone'
import { Drain } from '#shared/lifecycle'
import type { MeshState } from '#shared/mesh-state'
import type { Netns } from '#shared/sys'
import { AccessLog, Log, Metrics } from '#shared/telemetry'
import type { LocalPod } from '../../../../src/ztunnel/capture/index.ts'
import { ConnectionTable } from '../../../../src/ztunnel/connections/index.ts'
import { PodDialer } from '../../../../src/ztunnel/dial/index.ts'
import { HostnameResolver, Outbound } from '../../../../src/ztunnel/outbound/index.ts'
import { ConnectionMetrics, ConnectionReporter } from '../../../../src/ztunnel/reporting/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { addressUpdate, gateway, meshOf, service, socket, workload } from '../../../support/mesh-builder.ts'

const client = workload({ name: 'client', serviceAccount: 'client', addresses: ['10.0.1.1'] })

interface Setup {
  readonly clock: FakeClock
  readonly lines: readonly string[]
  readonly ends: readonly string[]
  readonly metrics: Metrics
  /** The pod connects there. */
  readonly connect: (to: string) => void
}

/** Connections that never get as far as a socket: everything up to the plan, and what is said of a refusal. */
function setUp(mesh: MeshState, clock: FakeClock, askFor?: (names: readonly string[]) => Promise<void>): Setup {
  const lines: string[] = []
  const ends: string[] = []
  const metrics = new Metrics()
  const log = new Log({ format: 'plain', filter: 'info', clock, output: { line: (text) => lines.push(text) } })
  const outbound = new Outbound({
    view: mesh,
    clock,
    createPool: () => createTunnelPool({ clock }),
    dialer: new PodDialer({
      clock,
      log: log.logger('dial'),
      packetMark: 0,
      keepAlive: undefined,
      sourceKeeping: 'never',
    }),
    reporter: new ConnectionReporter({
      clock,
      accessLog: new AccessLog(log),
      metrics: new ConnectionMetrics(metrics),
      table: new ConnectionTable(),
    }),
    resolver: new HostnameResolver(clock, () => Promise.resolve([])),
    certificateOf: () => Promise.reject(new Error('never asked')),
    network: '',
    logger: log.logger('outbound'),
    connectRetries: 0,
    loadBalancing: 'random',
    revocation: undefined,
    halfOpenTimeoutMs: 0,
    ownPorts: new Set([15_001]),
    hbonePort: 15_008,
    ...(askFor === undefined ? {} : { askFor }),
  })
  const pod: LocalPod = {
    uid: 'pod',
    info: { name: 'client', namespace: 'default', serviceAccount: 'client' },
    netns: undefined as unknown as Netns, // never entered here
    work: new Drain(clock, (piece) => piece.cut('drain')),
    belongings: [],
  }
  const connect = (to: string): void =>
    outbound.handle({
      pod,
      source: socket('10.0.1.1:40000'),
      originalDestination: socket(to),
      accepted: {
        adopt: () => {
          throw new Error('never adopted here')
        },
        reset: () => ends.push('reset'),
        close: () => ends.push('close'),
      },
    })
  return { clock, lines, ends, metrics, connect }
}

describe('an outbound connection that cannot be planned', () => {
  it('waits 5 s for its pod’s workload, then ends', async () => {
    const clock = new FakeClock()
    const { connect, ends, lines } = setUp(meshOf([], [], clock), clock)
    connect('10.9.0.1:80')
    await clock.advance(4_999)
    expect(ends).toEqual([])
    await clock.advance(1)
    expect(ends).toEqual(['close'])
    expect(lines.join()).toContain('failed to fetch information about local workload: client.default (client)')
  })

  it('ends with the reason of the plan', async () => {
    const clock = new FakeClock()
    const { connect, ends, lines } = setUp(
      meshOf([client, service({ name: 'web', vips: ['10.9.0.1'] })], [], clock),
      clock,
    )
    connect('10.9.0.1:80')
    await settle()
    expect(ends).toEqual(['close'])
    expect(lines.join()).toContain('no healthy upstream: 10.9.0.1:80')
  })

  it('ends when its host name has no address', async () => {
    const clock = new FakeClock()
    const named = workload({ name: 'db', hostname: 'db.example', services: { 'default/db': {} } })
    const db = service({ name: 'db', hostname: 'db', vips: ['10.9.0.2'] })
    const { connect, ends, lines, metrics } = setUp(meshOf([client, named, db], [], clock), clock)
    connect('10.9.0.2:80')
    await settle()
    expect(ends).toEqual(['close'])
    expect(lines.join()).toContain('no usable address for hostname db.example')
    const page = metrics.print()
    expect(page).toMatch(/^istio_on_demand_dns_total\{source_workload="client",.*,hostname="db\.example"\} 1$/m)
    expect(page).toContain('ambit_early_denials_total{reporter="source",reason="no-address"} 1\n')
  })
})

describe('an outbound connection on demand', () => {
  it('asks for its destination, then for the waypoint that it names, and for nothing else', async () => {
    const clock = new FakeClock()
    const mesh = meshOf([client], [], clock)
    const asked: string[] = []
    const { connect, ends, lines } = setUp(mesh, clock, async (names) => {
      asked.push(...names)
      const guarded = service({ name: 'web', vips: ['10.9.0.1'], waypoint: gateway('default/waypoint.example') })
      mesh.applyAddresses(addressUpdate([guarded]))
    })
    connect('10.9.0.1:80')
    await settle()
    expect(asked).toEqual(['/10.9.0.1', 'default/waypoint.example'])
    expect(ends).toEqual(['close'])
    expect(lines.join()).toContain('unknown waypoint: default/waypoint.example')
  })

  it('ends when the control plane does not answer; it is never passed through', async () => {
    const clock = new FakeClock()
    const { connect, ends, lines } = setUp(meshOf([client], [], clock), clock, async () => {
      throw new Error('the control plane did not say who that is')
    })
    connect('10.9.0.1:80')
    await settle()
    expect(ends).toEqual(['close'])
    expect(lines.join()).toContain('the control plane did not say who that is')
  })
})
