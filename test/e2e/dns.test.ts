import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  CLASS_IN,
  type DnsMessage,
  type ResourceRecord,
  readMessage,
  recordTypes,
  TcpFrames,
  toTcpFrame,
  writeMessage,
} from '#shared/dns'
import { datagramsFrom } from '#shared/sys'
import { applyRedirect } from '../../src/node-agent/redirect/index.ts'
import { startTestCa, type TestCaServer } from '../support/ca-server.ts'
import { ip } from '../support/mesh-builder.ts'
import { NameServer } from '../support/name-server.ts'
import { pathsMesh } from '../support/paths-mesh.ts'
import { PodNetwork, type TestPod } from '../support/pod-network.ts'
import { resolveIn } from '../support/pod-resolver.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { ZtunnelProcess } from '../support/ztunnel-process.ts'
import { message, question } from '../unit/shared/dns/messages.ts'

const CAPTURE = { inbound: 'captured', isDnsCaptured: true, virtualInterfaces: [] } as const
/** Servers that are not there: only the redirect answers for them. */
const SERVERS = { 4: '10.96.0.10', 6: '[fd96::10]' } as const

const query = (name: string, change: Partial<DnsMessage> = {}): Uint8Array =>
  writeMessage(message({ questions: [question(name)], ...change }))
function read(packet: Uint8Array): DnsMessage {
  const reading = readMessage(packet)
  if (reading.kind === 'malformed') throw new Error(reading.problem)
  return reading.message
}

/** The server behind the tunnel: knows `ext.example`, many addresses of `big.example`, and takes updates. */
function authority(packet: Uint8Array, transport: 'udp' | 'tcp'): readonly Uint8Array[] {
  const asked = read(packet)
  const [wanted] = asked.questions
  const record = (address: string): ResourceRecord => ({
    name: wanted?.name ?? [],
    class: CLASS_IN,
    ttlSeconds: 60,
    type: 'A',
    ip: ip(address),
  })
  const srv = { priority: 1, weight: 2, port: 3, target: ['ext', 'example'] }
  const name = wanted?.name.join('.').toLowerCase()
  const answers: readonly ResourceRecord[] =
    name === 'big.example'
      ? Array.from({ length: 200 }, (_, i) => record(`192.0.2.${i}`))
      : name !== 'ext.example'
        ? []
        : wanted?.type === recordTypes.SRV
          ? [{ name: wanted.name, class: CLASS_IN, ttlSeconds: 60, type: 'SRV', ...srv }]
          : [record('192.0.2.1')]
  const isKnown = answers.length > 0 || asked.opcode !== 0
  const reply = { ...asked, isResponse: true, offersRecursion: true, rcode: isKnown ? 0 : 3, answers }
  return [writeMessage(reply, transport === 'udp' ? 512 : undefined)]
}

describe.runIf(requirePrivileges()).each([
  { processes: 'one process', env: {} },
  { processes: 'workers', env: { ZTUNNEL_WORKER_THREADS: '2' } },
])('names of a captured pod, by $processes', ({ env }) => {
  let network: PodNetwork
  let ca: TestCaServer
  let tunnel: ZtunnelProcess
  let client: TestPod
  let server: NameServer
  let folder: string

  beforeAll(async () => {
    network = new PodNetwork()
    client = network.pod('client')
    const web = network.pod('server')
    const dns = network.pod('dns')
    server = new NameServer(dns.netns, dns.ip, authority)
    folder = mkdtempSync(join(tmpdir(), 'ambit-dns-'))
    writeFileSync(join(folder, 'resolv.conf'), `nameserver ${dns.ip}\noptions timeout:1\n`)
    ca = await startTestCa()
    for (const pod of [client, web]) applyRedirect(pod.netns, CAPTURE)
    tunnel = await ZtunnelProcess.start({
      localXds: pathsMesh([client, 'node-a'], [web, 'node-a']),
      caAddress: ca.address,
      caRootPem: ca.rootPem,
      nodeName: 'node-a',
      pods: [client, web],
      env: {
        ...env,
        ISTIO_META_DNS_CAPTURE: 'true',
        AMBIT_RESOLV_CONF: join(folder, 'resolv.conf'),
        RUST_LOG: 'info,dns=debug',
      },
    })
  })
  afterAll(async () => {
    await tunnel?.stop()
    await ca?.close()
    server?.close()
    network?.close()
    if (folder !== undefined) rmSync(folder, { recursive: true })
  })

  /** One question by UDP, from a port that stays the same so that conntrack sees it again. */
  async function askByUdp(packet: Uint8Array): Promise<DnsMessage> {
    const socket = datagramsFrom(client.netns, 4)
    try {
      const answered = once(socket, 'message')
      socket.send(packet, 53, SERVERS[4])
      const [reply, { address }] = await answered
      expect(address).toBe(SERVERS[4])
      return read(reply)
    } finally {
      socket.close()
    }
  }

  /** Several questions in one piece by TCP; as many answers, in whichever order. */
  async function askByTcp(...packets: readonly Uint8Array[]): Promise<readonly DnsMessage[]> {
    const socket = client.connect(SERVERS[4], 53)
    const frames = new TcpFrames()
    const replies: DnsMessage[] = []
    socket.on('data', (chunk) => replies.push(...frames.push(chunk).map(read)))
    await once(socket, 'connect')
    socket.write(Buffer.concat(packets.map(toTcpFrame)))
    await expect.poll(() => replies.length, { timeout: 5000 }).toBe(packets.length)
    socket.destroy()
    return replies
  }

  it.each([4, 6] as const)('are answered to an application that asks over IPv%d', async (family) => {
    const answers = await resolveIn(
      client.netns,
      SERVERS[family],
      ['web.default.svc.cluster.local', 'A'],
      ['web.default', 'AAAA'],
      ['ext.example', 'A'],
      ['ext.example', 'SRV'],
      ['nobody.example', 'A'],
      ['web.default.svc.cluster.local', 'TXT'],
    )
    expect(answers).toEqual([
      ['10.96.0.1'],
      ['fd96::1'],
      ['192.0.2.1'],
      [{ name: 'ext.example', priority: 1, weight: 2, port: 3, type: 'SRV' }],
      'ENOTFOUND',
      'ENOTFOUND',
    ])
  })

  it('are asked for again by TCP when the answer does not fit, by the resolver itself', async () => {
    const [addresses] = await resolveIn(client.netns, SERVERS[4], ['big.example', 'A'])
    expect(addresses).toHaveLength(200)
  })

  it('are answered from the tunnel, or by the server behind it, in one TCP connection', async () => {
    const replies = await askByTcp(query('web'), query('ext.example', { id: 8 }), query('web.default', { id: 9 }))
    const byId = [...replies].sort((a, b) => a.id - b.id)
    expect(byId.map(({ id, isAuthoritative, answers }) => ({ id, isAuthoritative, count: answers.length }))).toEqual([
      { id: 7, isAuthoritative: true, count: 1 },
      { id: 8, isAuthoritative: false, count: 1 },
      { id: 9, isAuthoritative: true, count: 1 },
    ])
  })

  it('are changed by updates that reach the server as they are', async () => {
    const update = query('zone.example', { opcode: 5, questions: [{ name: ['zone'], type: 6, class: CLASS_IN }] })
    expect(await askByUdp(update)).toMatchObject({ id: 7, opcode: 5, rcode: 0 })
    expect(server.asked.at(-1)?.packet.subarray(2)).toEqual(Buffer.from(update.subarray(2)))
  })

  it('are still answered after a flood of packets that mean nothing', async () => {
    const socket = datagramsFrom(client.netns, 4)
    for (let i = 0; i < 2000; i++) {
      const packet = Buffer.from(query('web'))
      for (let at = 4; at < packet.length; at += 3) packet[at] = (i * 31 + at) & 0xff
      socket.send(packet, 53, SERVERS[4])
    }
    expect(await resolveIn(client.netns, SERVERS[4], ['web.default', 'A'])).toEqual([['10.96.0.1']])
    socket.close()
  })

  it('are counted and told', async () => {
    await tunnel.line('query="A" domain="nobody.example." result="forwarding failed (code 3)" endpoints=0')
    await tunnel.line('query="A" domain="web.default.svc.cluster.local." result="success" endpoints=0')
    const text = await (await fetch(tunnel.metricsUrl)).text()
    const labels = 'request_query_type="srv",request_protocol="udp",source_canonical_service="client"'
    expect(text).toMatch(new RegExp(`^istio_dns_requests_total\\{${labels}.*\\} 2$`, 'm'))
    expect(text).toMatch(new RegExp(`^istio_dns_upstream_requests_total\\{${labels}.*\\} 2$`, 'm'))
    expect(text).toMatch(/^istio_dns_upstream_failures_total\{request_query_type="a",.*\} \d+$/m)
  })
})
