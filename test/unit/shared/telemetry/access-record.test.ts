import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#shared/net'
import { AccessLog, type AccessRecord, Log } from '#shared/telemetry'
import { FakeClock } from '../../../support/fake-clock.ts'

const record: AccessRecord = {
  source: {
    address: { ip: '10.1.0.2' as IpAddress, port: 40_000 },
    who: {
      workload: 'client',
      namespace: 'shop',
      identity: 'spiffe://cluster.local/ns/shop/sa/client',
      cluster: 'Kubernetes',
    },
  },
  destination: {
    address: { ip: 'fd00::3' as IpAddress, port: 15_008 },
    who: {
      workload: 'web-1',
      namespace: 'shop',
      identity: 'spiffe://cluster.local/ns/shop/sa/web',
      cluster: 'Kubernetes',
    },
  },
  hboneAddress: '[fd00::3]:8080',
  service: 'web.shop.svc.cluster.local',
  direction: 'outbound',
  sentBytes: 84,
  receivedBytes: 358,
  durationMs: 15.9,
  error: undefined,
  deniedBy: undefined,
}
const nothing = { workload: undefined, namespace: undefined, identity: undefined, cluster: undefined }

function written(format: 'plain' | 'json', filter: string, write: (log: AccessLog) => void): string[] {
  const lines: string[] = []
  const clock = new FakeClock(Date.UTC(2026, 10, 21))
  const log = new Log({ format, filter, clock, output: { line: (text) => lines.push(text) } })
  write(new AccessLog(log))
  return lines
}

const FULL =
  'src.addr=10.1.0.2:40000 src.workload="client" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client" ' +
  'src.cluster="Kubernetes" dst.addr=[fd00::3]:15008 dst.hbone_addr=[fd00::3]:8080 dst.service="web.shop.svc.cluster.local" ' +
  'dst.workload="web-1" dst.namespace="shop" dst.identity="spiffe://cluster.local/ns/shop/sa/web" dst.cluster="Kubernetes" ' +
  'direction="outbound"'

describe('AccessLog', () => {
  it('writes a success at info with every field in order', () => {
    expect(written('plain', 'info', (log) => log.complete(record))).toEqual([
      `2026-11-21T00:00:00.000000Z\tinfo\taccess\tconnection complete\t${FULL} bytes_sent=84 bytes_recv=358 duration="15ms"\n`,
    ])
  })

  it('writes a failure at error and leaves out what is not known', () => {
    const lines = written('plain', 'error', (log) =>
      log.complete({
        ...record,
        source: { ...record.source, who: nothing },
        destination: { ...record.destination, who: nothing },
        hboneAddress: undefined,
        service: undefined,
        direction: 'inbound',
        error: 'connection failed: refused',
      }),
    )
    expect(lines).toEqual([
      '2026-11-21T00:00:00.000000Z\terror\taccess\tconnection complete\tsrc.addr=10.1.0.2:40000 dst.addr=[fd00::3]:15008 ' +
        'direction="inbound" bytes_sent=84 bytes_recv=358 duration="15ms" error="connection failed: refused"\n',
    ])
  })

  it('tells which rule refused, behind Istio’s own fields', () => {
    const error = 'connection closed due to policy rejection: explicitly denied by: shop/no-bob'
    const denied = { ...record, error, deniedBy: { policy: 'shop/no-bob', rule: 2 } }
    expect(written('plain', 'info', (log) => log.complete(denied))).toEqual([
      `2026-11-21T00:00:00.000000Z\terror\taccess\tconnection complete\t${FULL} bytes_sent=84 bytes_recv=358 duration="15ms" error="${error}" deny.policy="shop/no-bob" deny.rule=2\n`,
    ])
    const [json = ''] = written('json', 'info', (log) => log.complete(denied))
    expect(JSON.parse(json)).toMatchObject({ error, 'deny.policy': 'shop/no-bob', 'deny.rule': 2 })
  })

  it.each(['plain', 'json'] as const)('keeps names from breaking out of their field or line: %s', (format) => {
    const who = { ...record.source.who, workload: 'a" src.identity="b', namespace: 'x\ny\u2028\\' }
    const both = written(format, 'info', (log) => {
      // What is rendered once for each workload is the same in every line.
      for (let i = 0; i < 2; i++) log.complete({ ...record, source: { ...record.source, who } })
    })
    expect(both[1]).toBe(both[0])
    expect(both[0]?.trimEnd()).not.toMatch(/\n/)
    if (format === 'json') {
      expect(JSON.parse(both[0] ?? '')).toMatchObject({ 'src.workload': who.workload, 'src.namespace': who.namespace })
    } else {
      expect(both[0]).toContain(
        String.raw`src.workload="a\" src.identity=\"b" src.namespace="x\ny\u{2028}\\" src.identity="spiffe://`,
      )
    }
  })

  it('writes bytes as numbers and all else as text in JSON', () => {
    expect(JSON.parse(written('json', 'info', (log) => log.complete(record))[0] ?? '')).toEqual({
      level: 'info',
      time: '2026-11-21T00:00:00.000000Z',
      scope: 'access',
      message: 'connection complete',
      'src.addr': '10.1.0.2:40000',
      'src.workload': 'client',
      'src.namespace': 'shop',
      'src.identity': 'spiffe://cluster.local/ns/shop/sa/client',
      'src.cluster': 'Kubernetes',
      'dst.addr': '[fd00::3]:15008',
      'dst.hbone_addr': '[fd00::3]:8080',
      'dst.service': 'web.shop.svc.cluster.local',
      'dst.workload': 'web-1',
      'dst.namespace': 'shop',
      'dst.identity': 'spiffe://cluster.local/ns/shop/sa/web',
      'dst.cluster': 'Kubernetes',
      direction: 'outbound',
      bytes_sent: 84,
      bytes_recv: 358,
      duration: '15ms',
    })
  })

  it('tells of an opened connection only at debug', () => {
    expect(written('plain', 'info', (log) => log.opened(record))).toEqual([])
    expect(written('plain', 'access=debug', (log) => log.opened(record))).toEqual([
      `2026-11-21T00:00:00.000000Z\tdebug\taccess\tconnection opened\t${FULL}\n`,
    ])
  })

  it('names the trace that both ends know, where the level is debug only', () => {
    const traced = { ...record, traceId: '0af7651916cd43dd8448eb211c80319c' }
    const both = (filter: string): string[] =>
      written('plain', filter, (log) => {
        log.opened(traced)
        log.complete(traced)
      }).map((line) => /direction.*/.exec(line)?.[0] ?? '')
    expect(both('access=debug')).toEqual([
      'direction="outbound" trace_id="0af7651916cd43dd8448eb211c80319c"',
      'direction="outbound" bytes_sent=84 bytes_recv=358 duration="15ms" trace_id="0af7651916cd43dd8448eb211c80319c"',
    ])
    expect(both('info')).toEqual(['direction="outbound" bytes_sent=84 bytes_recv=358 duration="15ms"'])
  })

  it('tells of an early denial at warn, with four fields only', () => {
    const denial = {
      source: record.source.address,
      destination: record.destination.address,
      direction: 'inbound',
      error: 'no',
    } as const
    expect(written('plain', 'warn', (log) => log.failedEarly(denial))).toEqual([
      '2026-11-21T00:00:00.000000Z\twarn\taccess\tconnection failed\tsrc.addr=10.1.0.2:40000 dst.addr=[fd00::3]:15008 direction="inbound" error="no"\n',
    ])
    expect(written('plain', 'error', (log) => log.failedEarly(denial))).toEqual([])
  })
})
