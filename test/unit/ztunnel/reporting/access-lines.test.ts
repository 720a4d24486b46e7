import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { Drain } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import { AccessLog, Log, type LogFormat, Metrics } from '#shared/telemetry'
import type { LocalPod, PodWork } from '../../../../src/ztunnel/capture/index.ts'
import {
  type ConnectionCloseReason,
  type ConnectionRecord,
  ConnectionTable,
} from '../../../../src/ztunnel/connections/index.ts'
import { outboundFailure } from '../../../../src/ztunnel/outbound/failure.ts'
import {
  ConnectionMetrics,
  ConnectionReporter,
  copyOutcome,
  type Opening,
  type Outcome,
  partyOf,
} from '../../../../src/ztunnel/reporting/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { identity, socket, workload } from '../../../support/mesh-builder.ts'

// Whole lines, as hbone-and-ztunnel h.3 says them.

const client = workload({ name: 'client-1', namespace: 'shop', workloadName: 'client' })
const server = workload({ name: 'web-1', namespace: 'shop', workloadName: 'web' })
const nameless = workload({ name: '', namespace: 'far', canonicalName: 'orders', clusterId: 'other' })

const tunnel: Opening<ConnectionRecord>['subject'] = {
  source: partyOf(socket('10.1.0.2:40000'), client, identity('shop/client')),
  destination: partyOf(socket('10.1.0.3:15008'), server, identity('shop/web')),
  hboneAddress: '10.1.0.3:8080',
  service: 'web.shop.svc.cluster.local',
  direction: 'outbound',
}
const passedThrough = {
  ...tunnel,
  source: partyOf(socket('10.1.0.2:40000'), client, undefined),
  destination: partyOf(socket('1.1.1.1:443'), undefined, undefined),
  hboneAddress: undefined,
  service: undefined,
}
const received = { ...tunnel, direction: 'inbound' as const }
const plain = {
  ...received,
  source: partyOf(socket('[fd00::9]:40000'), nameless, undefined),
  destination: partyOf(socket('[fd00::3]:8080'), server, undefined),
  hboneAddress: undefined,
}

const SHOP = 'src.workload="client-1" src.namespace="shop"'
const TUNNEL =
  `src.addr=10.1.0.2:40000 ${SHOP} src.identity="spiffe://cluster.local/ns/shop/sa/client" src.cluster="Kubernetes" ` +
  'dst.addr=10.1.0.3:15008 dst.hbone_addr=10.1.0.3:8080 dst.service="web.shop.svc.cluster.local" dst.workload="web-1" ' +
  'dst.namespace="shop" dst.identity="spiffe://cluster.local/ns/shop/sa/web" dst.cluster="Kubernetes"'
const THROUGH = `src.addr=10.1.0.2:40000 ${SHOP} src.cluster="Kubernetes" dst.addr=1.1.1.1:443 direction="outbound"`
const PLAIN =
  'src.addr=[fd00::9]:40000 src.workload="orders" src.namespace="far" src.cluster="other" dst.addr=[fd00::3]:8080 ' +
  'dst.service="web.shop.svc.cluster.local" dst.workload="web-1" dst.namespace="shop" dst.cluster="Kubernetes" direction="inbound"'

const OUT = 'bytes_sent=7 bytes_recv=11 duration="15ms"'
const IN = 'bytes_sent=11 bytes_recv=7 duration="15ms"'

interface Row {
  readonly subject: Opening<ConnectionRecord>['subject']
  readonly end: Outcome | ConnectionCloseReason
  readonly line: string
}

const SUCCESS: Outcome = { error: undefined, flag: '-' }
const broken = (code: string): Outcome =>
  copyOutcome({
    meter: { sentBytes: 7, receivedBytes: 11 },
    endedBy: 'target',
    error: Object.assign(new Error(`read ${code}`), { code }),
  })
const failed = (error: MeshError | Error): Outcome => outboundFailure(error, 15_008)

const ROWS: Readonly<Record<string, Row>> = {
  'a tunnel that ended well': {
    subject: tunnel,
    end: SUCCESS,
    line: `info\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT}`,
  },
  'the same at its other end': {
    subject: received,
    end: SUCCESS,
    line: `info\taccess\tconnection complete\t${TUNNEL} direction="inbound" ${IN}`,
  },
  'passed through': {
    subject: passedThrough,
    end: SUCCESS,
    line: `info\taccess\tconnection complete\t${THROUGH} ${OUT}`,
  },
  'plain text from a workload without pod name': {
    subject: plain,
    end: SUCCESS,
    line: `info\taccess\tconnection complete\t${PLAIN} ${IN}`,
  },
  'reset by an application': {
    subject: tunnel,
    end: broken('ECONNRESET'),
    line: `info\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT}`,
  },
  'an error of the copy': {
    subject: tunnel,
    end: broken('ETIMEDOUT'),
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT} error="io error: read ETIMEDOUT"`,
  },
  'no way to port 15008': {
    subject: tunnel,
    end: failed(new MeshError('UPSTREAM_CONNECT_TIMEOUT', 'no answer from 10.1.0.3:15008')),
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT} error="connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: no answer from 10.1.0.3:15008"`,
  },
  'no certificate': {
    subject: tunnel,
    end: failed(new MeshError('CERTIFICATE_UNAVAILABLE', 'no certificate for x: away')),
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT} error="identity error: no certificate for x: away"`,
  },
  'a stream that was lost': {
    subject: tunnel,
    end: failed(new MeshError('TUNNEL_LOST', 'stream reset with code 7')),
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT} error="h2 failed: stream reset with code 7"`,
  },
  'refused by the other end': {
    subject: tunnel,
    end: failed(new MeshError('TUNNEL_REFUSED', 'http status: 401 Unauthorized')),
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT} error="http status: 401 Unauthorized"`,
  },
  'refused by a network': {
    subject: passedThrough,
    end: failed(new Error('connect ECONNREFUSED 1.1.1.1:443')),
    line: `error\taccess\tconnection complete\t${THROUGH} ${OUT} error="io error: connect ECONNREFUSED 1.1.1.1:443"`,
  },
  'denied by a rule': {
    subject: received,
    end: {
      error: 'connection closed due to policy rejection: explicitly denied by: shop/no',
      flag: 'DENY',
      deniedBy: { policy: 'shop/no', rule: 3 },
    },
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="inbound" ${IN} error="connection closed due to policy rejection: explicitly denied by: shop/no" deny.policy="shop/no" deny.rule=3`,
  },
  'not allowed by any': {
    subject: plain,
    end: { error: 'connection closed due to policy rejection: allow policies exist, but none allowed', flag: 'DENY' },
    line: `error\taccess\tconnection complete\t${PLAIN} ${IN} error="connection closed due to policy rejection: allow policies exist, but none allowed"`,
  },
  'ended by a change of policy': {
    subject: plain,
    end: 'policy-change',
    line: `error\taccess\tconnection complete\t${PLAIN} ${IN} error="connection closed due to policy change"`,
  },
  'cut by a drain': {
    subject: tunnel,
    end: 'drain',
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT} error="connection closed due to connection drain"`,
  },
  'cut with its pod': {
    subject: tunnel,
    end: 'pod-removed',
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="outbound" ${OUT} error="connection closed due to connection drain"`,
  },
  'cut by a revoked certificate': {
    subject: received,
    end: 'certificate-revoked',
    line: `error\taccess\tconnection complete\t${TUNNEL} direction="inbound" ${IN} error="connection closed: peer certificate revoked by CRL"`,
  },
}

const TIME = '2026-11-21T00:00:00.015000Z'

async function written(format: LogFormat, { subject, end }: Pick<Row, 'subject' | 'end'>): Promise<string> {
  const clock = new FakeClock(Date.UTC(2026, 10, 21))
  const lines: string[] = []
  const log = new Log({ format, filter: 'info', clock, output: { line: (text) => lines.push(text) } })
  const table = new ConnectionTable()
  const metrics = new ConnectionMetrics(new Metrics())
  const reporter = new ConnectionReporter({ clock, accessLog: new AccessLog(log), metrics, table })
  const pod: LocalPod = {
    uid: 'pod',
    info: { name: 'client-1', namespace: 'shop', serviceAccount: 'client' },
    netns: undefined as unknown as Netns, // never entered here
    work: new Drain<PodWork>(clock, (piece) => piece.cut('drain')),
    belongings: [],
  }
  const connection = reporter.open({
    pod,
    subject,
    startedMs: clock.monotonicMs(),
    record: {
      direction: 'outbound',
      podUid: 'pod',
      source: subject.source.address,
      originalDestination: undefined,
      actualDestination: subject.destination.address,
      protocol: 'TCP',
      peer: undefined,
    },
    labels: {
      reporter: 'source',
      source: client,
      sourcePrincipal: undefined,
      destination: server,
      destinationPrincipal: undefined,
      service: undefined,
      isMutualTls: false,
    },
  })
  connection?.follow({ sentBytes: 7, receivedBytes: 11 })
  await clock.advance(15)
  if (typeof end === 'string') for (const entry of table.list()) entry.close(end)
  connection?.ended(typeof end === 'string' ? SUCCESS : end)
  return lines.join('')
}

describe('the line of a connection', () => {
  it.each(Object.entries(ROWS))('%s', async (_, row) => {
    expect(await written('plain', row)).toBe(`${TIME}\t${row.line}\n`)
  })

  it.each(Object.entries(ROWS))('%s, the same in JSON', async (_, row) => {
    const [level, scope, message, fields = ''] = row.line.split('\t')
    const pairs = [...fields.matchAll(/([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)/g)].map(([, key = '', value = '']) => {
      const isNumber = /^\d+$/.test(value)
      return [key, isNumber ? Number(value) : value.replace(/^"|"$/g, '')]
    })
    const json = `${JSON.stringify({ level, time: TIME, scope, message, ...Object.fromEntries(pairs) })}\n`
    expect(await written('json', row)).toBe(json)
  })
})
