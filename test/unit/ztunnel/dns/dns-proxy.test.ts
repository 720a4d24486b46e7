import { describe, expect, it } from 'vitest'
import { CLASS_IN, parseName, rcodes, readMessage, recordTypes, writeMessage } from '#shared/dns'
import { Log, Metrics } from '#shared/telemetry'
import { type Asker, DnsProxy } from '../../../../src/ztunnel/dns/dns-proxy.ts'
import type { Forwarded, Forwarding } from '../../../../src/ztunnel/dns/upstream.ts'
import { DnsMetrics } from '../../../../src/ztunnel/reporting/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { addressUpdate, ip, meshOf, service, workload } from '../../../support/mesh-builder.ts'

const client = workload({ name: 'client', addresses: ['10.1.0.1'] })
const web = service({ name: 'web', vips: ['10.0.0.1'] })
const query = (name: string, type: number = recordTypes.A, opcode = 0): Uint8Array =>
  writeMessage({
    id: 7,
    isResponse: false,
    opcode,
    isAuthoritative: false,
    isTruncated: false,
    wantsRecursion: true,
    offersRecursion: false,
    isAuthentic: false,
    isCheckingDisabled: false,
    rcode: 0,
    questions: [{ name: parseName(name) ?? [], type, class: CLASS_IN }],
    answers: [],
    authorities: [],
    additionals: [],
    edns: undefined,
  })

interface Bounds {
  readonly maxWaiting?: number
  readonly maxPodWaiting?: number
}

function proxyOf(mesh = meshOf([client, web]), bounds: Bounds = {}, clock = new FakeClock()) {
  const lines: string[] = []
  const metrics = new Metrics()
  const forwardings: { readonly asked: Forwarding; readonly answer: (forwarded: Forwarded) => void }[] = []
  const log = new Log({
    format: 'plain',
    filter: 'info,dns=debug',
    clock,
    output: { line: (text) => void lines.push(text.split('\t').slice(1).join(' ').trim()) },
  })
  const proxy = new DnsProxy({
    view: mesh,
    clock,
    upstream: {
      forward: (asked) => new Promise((answer) => forwardings.push({ asked, answer })),
      transfer: async (_asked, stream) => {
        await stream.send(Buffer.from('one'))
        await stream.send(Buffer.from('two'))
        return { kind: 'sent', messages: 2 }
      },
    },
    metrics: new DnsMetrics(metrics),
    log: log.logger('dns'),
    domain: ['cluster', 'local'],
    isIpv6Enabled: true,
    preferredNamespace: undefined,
    ...bounds,
  })
  const series = () =>
    metrics
      .print()
      .split('\n')
      .filter((line) => line.startsWith('istio_dns') && !line.includes('_bucket') && !line.includes('_sum'))
  return { proxy, lines, forwardings, series, mesh, clock }
}

function asker(): Asker {
  const pod = { info: { name: 'client', namespace: 'default', serviceAccount: 'default' } }
  // Of a pod it takes what it is called and hands the namespace on.
  return { pod: pod as Asker['pod'], waiting: 0, signal: new AbortController().signal }
}

const read = (reply: Uint8Array | undefined) => {
  const message = readMessage(reply ?? new Uint8Array())
  return message.kind === 'message' ? message.message : undefined
}
const LABELS =
  'request_query_type="a",request_protocol="udp",source_canonical_service="client",source_canonical_revision="latest"'

describe('what becomes of a question', () => {
  it('is answered from the mesh, counted and told', async () => {
    const { proxy, lines, series, forwardings } = proxyOf()
    expect(read(await proxy.ask(asker(), query('web'), 'udp'))?.answers).toMatchObject([{ ip: '10.0.0.1' }])
    expect(series()).toEqual([`istio_dns_requests_total{${LABELS}} 1`])
    expect(lines).toEqual([
      'debug dns  src.workload="client" src.namespace="default" query="A" domain="web." result="success" endpoints=0',
    ])
    expect(forwardings).toEqual([])
  })

  it('is answered by many messages where a zone is transferred, told and counted as forwarded', async () => {
    const { proxy, lines, series } = proxyOf()
    const sent: string[] = []
    const stream = { send: async (reply: Uint8Array) => void sent.push(String(reply)), cut: () => {} }
    expect(await proxy.ask(asker(), query('example.com', 252), 'tcp', stream)).toBeUndefined()
    expect(sent).toEqual(['one', 'two'])
    expect(lines[0]).toContain('query="AXFR" domain="example.com." result="forwarded"')
    const labels = LABELS.replace('"a"', '"axfr"').replace('"udp"', '"tcp"')
    expect(series()).toContain(`istio_dns_upstream_requests_total{${labels}} 1`)
  })

  it('tells one more endpoint where there is a CNAME', async () => {
    const { proxy, lines } = proxyOf()
    await proxy.ask(asker(), query('web.svc.cluster.local'), 'udp')
    expect(lines[0]).toContain('result="success" endpoints=1')
  })

  it.each([
    ['forwarded', { kind: 'answered', reply: query('b'), rcode: 0 }, 1, 0],
    ['forwarding failed (code 3)', { kind: 'answered', reply: query('b'), rcode: 3 }, 1, 1],
    ['forwarding failed (nobody is there)', { kind: 'failed', reason: 'nobody is there' }, 0, 1],
  ] as const)('is forwarded when the mesh does not know: %s', async (result, forwarded, answered, failed) => {
    const { proxy, lines, forwardings, series } = proxyOf()
    const asking = proxy.ask(asker(), query('example.com'), 'udp')
    await expect.poll(() => forwardings.length).toBe(1)
    expect(forwardings[0]?.asked.packet).toEqual(query('example.com'))
    forwardings[0]?.answer(forwarded)
    const reply = await asking
    if (forwarded.kind === 'answered') expect(reply).toBe(forwarded.reply)
    else expect(read(reply)).toMatchObject({ rcode: rcodes.SERVFAIL, offersRecursion: false, answers: [] })
    expect(lines[0]).toContain(`domain="example.com." result="${result}" endpoints=0`)
    expect(series()).toEqual([
      `istio_dns_requests_total{${LABELS}} 1`,
      `istio_dns_upstream_requests_total{${LABELS}} 1`,
      ...(failed > 0 ? [`istio_dns_upstream_failures_total{${LABELS}} 1`] : []),
      ...(answered > 0 ? [`istio_dns_upstream_request_duration_seconds_count{${LABELS}} 1`] : []),
    ])
  })

  it.each([
    ['another type of a name of the mesh', query('web', 33)],
    ['another operation', query('web', recordTypes.A, 5)],
  ])('is forwarded for %s', async (_, packet) => {
    const { proxy, forwardings } = proxyOf()
    void proxy.ask(asker(), packet, 'tcp')
    await expect.poll(() => forwardings.length).toBe(1)
    expect(forwardings[0]?.asked).toMatchObject({ packet, transport: 'tcp' })
  })

  it('waits 5 s for the workload of its pod, then fails', async () => {
    const clock = new FakeClock()
    const { proxy, lines } = proxyOf(meshOf([web], [], clock), {}, clock)
    const asking = proxy.ask(asker(), query('web'), 'udp')
    await clock.advance(5000)
    expect(read(await asking)).toMatchObject({ rcode: rcodes.SERVFAIL })
    expect(lines[0]).toBe('debug dns  query="A" domain="web." result="unknown source" endpoints=0')
  })

  it('is answered as soon as the workload is there', async () => {
    const mesh = meshOf([web])
    const { proxy } = proxyOf(mesh)
    const asking = proxy.ask(asker(), query('web'), 'udp')
    mesh.applyAddresses(addressUpdate([client]))
    expect(read(await asking)?.answers).toHaveLength(1)
  })

  it('is not answered when it is an answer', async () => {
    const { proxy } = proxyOf()
    const packet = Buffer.from(query('web'))
    packet[2] = 0x80
    expect(await proxy.ask(asker(), packet, 'udp')).toBeUndefined()
  })
})

describe('loop protection', () => {
  const dns = service({ name: 'dns', vips: ['10.96.0.10'] })
  it.each([
    ['the client itself', '10.1.0.1', true],
    ['a service that the client is behind', '10.96.0.10', true],
    ['somebody else', '10.9.9.9', false],
  ])('bars a server that is %s', async (_, server, isBarred) => {
    const resolver = { ...client, services: new Map([['default/dns.default.svc.cluster.local', []]]) }
    const { proxy, forwardings, lines } = proxyOf(meshOf([resolver, dns]))
    void proxy.ask(asker(), query('example.com'), 'udp')
    await expect.poll(() => forwardings.length).toBe(1)
    const asked = forwardings[0]?.asked
    expect(asked?.isBarred({ ip: ip(server), port: 53 })).toBe(isBarred)
    asked?.isBarred({ ip: ip(server), port: 53 })
    // Told once, as it would be for every question of that pod.
    expect(lines.filter((line) => line.startsWith('warn'))).toHaveLength(isBarred ? 1 : 0)
  })
})

describe('a flood of questions', () => {
  it.each([
    ['of one pod', { maxPodWaiting: 3 }, 1],
    ['of all pods', { maxWaiting: 3 }, 3],
  ])('%s waits within its bound; more fail at once, and the mesh is still answered', async (_, bounds, pods) => {
    const { proxy, forwardings } = proxyOf(undefined, bounds)
    const askers = Array.from({ length: pods }, asker)
    const ask = (i: number, name: string) => proxy.ask(askers[i % pods] ?? asker(), query(name), 'udp')
    const waiting = [0, 1, 2].map((i) => ask(i, 'example.com'))
    await expect.poll(() => forwardings.length).toBe(3)
    expect(read(await ask(0, 'example.com'))).toMatchObject({ rcode: rcodes.SERVFAIL })
    expect(read(await ask(0, 'web'))?.answers).toHaveLength(1)
    for (const { answer } of forwardings) answer({ kind: 'failed', reason: 'x' })
    await Promise.all(waiting)
    void ask(0, 'example.com')
    await expect.poll(() => forwardings.length).toBe(4)
  })
})
