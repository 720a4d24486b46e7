import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { addressFeed, authorizationFeed, MeshState } from '#shared/mesh-state'
import { decide } from '#shared/policy'
import { type AdsClient, addressType, authorizationType, type Subscription, startAdsClient } from '#shared/xds'
import { RecordedLog, ScriptedAdsServer, type ScriptedServerStream } from '../../support/ads-peer.ts'
import { MemoryCa } from '../../support/memory-ca.ts'
import { identity, socket, workload } from '../../support/mesh-builder.ts'
import { type Field, message } from '../../unit/shared/xds/wire-bytes.ts'

/*
 * A control plane that has gone mad, over TLS and gRPC, into the tunnel's own view of the mesh. What it sends is taken
 * whole or refused by name; the last good state stays, and the tunnel goes on.
 */

const MAX_GROWTH_BYTES = 400 << 20
/** Most of it is the library's, for the records of so many resources. */
const MAX_RESPONSE_MS = 4_500
const ca = new MemoryCa()
const log = new RecordedLog()
const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
  log.lines.length = 0
})

interface Fed {
  readonly mesh: MeshState
  readonly client: AdsClient
  readonly server: ScriptedAdsServer
  readonly stream: ScriptedServerStream
}

async function feed(): Promise<Fed> {
  const server = await ScriptedAdsServer.start(ca)
  const mesh = new MeshState({ clock: systemClock, nodeName: 'node-a' })
  const client = startAdsClient({
    endpoint: server.endpoint(ca),
    node: { id: 'ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local', metadata: {} },
    subscriptions: [
      addressFeed(mesh, addressType, 'wildcard') as Subscription<unknown>,
      authorizationFeed(mesh, authorizationType) as Subscription<unknown>,
    ],
    clock: systemClock,
    log,
  })
  open.push(server, client)
  return { mesh, client, server, stream: await opening(server) }
}

async function opening(server: ScriptedAdsServer): Promise<ScriptedServerStream> {
  const stream = await server.nextStream()
  await stream.next()
  await stream.next()
  return stream
}

interface Sent {
  readonly name: string
  readonly value: Uint8Array
}

function send(
  stream: ScriptedServerStream,
  nonce: string,
  resources: readonly Sent[],
  typeUrl: string = addressType.typeUrl,
): void {
  stream.send({
    typeUrl,
    nonce,
    resources: resources.map(({ name, value }) => ({ name, version: nonce, resource: { type_url: typeUrl, value } })),
  })
}

const bytesOf = (uid: string, name: string): Uint8Array =>
  addressType.encode({ kind: 'workload', workload: workload({ uid, name }) })

const good: Sent = { name: 'good', value: bytesOf('good', 'web') }

function nestedFields(depth: number): Field[] {
  let fields: Field[] = [[1, 'x']]
  for (let i = 0; i < depth; i++) fields = [[1, fields]]
  return fields
}

describe('one resource', () => {
  it.each<[string, Uint8Array]>([
    ['that is none', Buffer.from('ffffffff', 'hex')],
    ['of nothing', Buffer.alloc(0)],
    ['with a length beyond its end', Buffer.from('0a7f01', 'hex')],
    ['of a kind that we do not know', message([9, [[1, 'x']]])],
    [
      'with a status that we do not know',
      message([
        1,
        [
          [20, 'bad'],
          [17, 99],
        ],
      ]),
    ],
    [
      'with a tunnel protocol that we do not know',
      message([
        1,
        [
          [20, 'bad'],
          [5, 99],
        ],
      ]),
    ],
    [
      'with an address of 5 bytes',
      message([
        1,
        [
          [20, 'bad'],
          [3, Buffer.alloc(5)],
        ],
      ]),
    ],
    ['nested 200 deep where a text belongs', message([1, [[8, nestedFields(200)]]])],
  ])('%s is refused by its name, and the good one beside it is taken', async (_, value) => {
    const { mesh, stream } = await feed()
    send(stream, '1', [{ name: 'the-bad-one', value }, good])
    expect((await stream.next()).errorDetail?.message).toMatch(/^the-bad-one: /)
    expect(mesh.workloadByUid('good')?.name).toBe('web')
    expect([...mesh.workloads()]).toHaveLength(1)
  })

  it('that is spoilt in a later version leaves the last good one', async () => {
    const { mesh, stream } = await feed()
    send(stream, '1', [good])
    expect((await stream.next()).errorDetail).toBeNull()
    send(stream, '2', [{ name: 'good', value: Buffer.from('ffffffff', 'hex') }])
    expect((await stream.next()).errorDetail?.message).toMatch(/^good: /)
    expect(mesh.workloadByUid('good')?.name).toBe('web')
  })

  it('whose names are no UTF-8 harms no other', async () => {
    const { mesh, stream } = await feed()
    const value = message([
      1,
      [
        [20, Buffer.from('ff fe 80'.replaceAll(' ', ''), 'hex')],
        [1, Buffer.of(0xff)],
      ],
    ])
    send(stream, '1', [{ name: 'odd', value }, good])
    await stream.next()
    expect(mesh.workloadByUid('good')?.name).toBe('web')
  })

  it('twice in a response counts as it stands last', async () => {
    const { mesh, stream } = await feed()
    send(stream, '1', [good, { name: 'good', value: bytesOf('good', 'other') }])
    expect((await stream.next()).errorDetail).toBeNull()
    expect(mesh.workloadByUid('good')?.name).toBe('other')
    expect([...mesh.workloads()]).toHaveLength(1)
  })

  it('of 32 MiB is taken or refused within its time, and the stream goes on', async () => {
    const { mesh, stream } = await feed()
    const value = message([
      1,
      [
        [20, 'huge'],
        [1, 'n'.repeat(32 << 20)],
      ],
    ])
    send(stream, '1', [{ name: 'huge', value }, good])
    await stream.next()
    expect(mesh.workloadByUid('good')?.name).toBe('web')
  })
})

describe('what a newer control plane sends', () => {
  const policy = (namespace: string, ...more: Field[]): Uint8Array =>
    // An ALLOW for peers of that namespace, for the whole mesh.
    message([1, 'one'], [2, 'ns'], [5, [[1, [[2, [[1, [[1, namespace]]]]], ...more]]]])
  const isAllowed = (mesh: MeshState, namespace: string): boolean => {
    const { sets } = mesh.policiesOf(workload({ uid: 'w', name: 'w', namespace: 'ns' }))
    const [peer, source, destination] = [identity(`${namespace}/a`), socket('10.0.0.1:1'), socket('10.0.0.2:80')]
    return decide(sets, { peer, source, destination }).kind === 'allowed'
  }
  const newCondition: Field = [99, 'new']

  it('as a condition of a policy is refused by name; the last good version stays, and its neighbours apply', async () => {
    const { mesh, stream } = await feed()
    send(stream, '1', [{ name: 'ns/one', value: policy('shop') }], authorizationType.typeUrl)
    expect((await stream.next()).errorDetail).toBeNull()
    const changed = [
      { name: 'ns/one', value: policy('bank', newCondition) },
      { name: 'ns/two', value: policy('till') },
    ]
    send(stream, '2', changed, authorizationType.typeUrl)
    expect((await stream.next()).errorDetail?.message).toBe(
      'ns/one: rules[0].clauses[0] has field 99, which is not known',
    )
    expect(['shop', 'bank', 'till'].map((namespace) => isAllowed(mesh, namespace))).toEqual([true, false, true])
  })

  it('as a condition of a new policy lets nobody pass by that policy, keeps nobody waiting, and ends with it', async () => {
    const { mesh, client, stream } = await feed()
    send(stream, '0', [])
    await stream.next()
    send(stream, '1', [{ name: 'ns/one', value: policy('shop', newCondition) }], authorizationType.typeUrl)
    expect((await stream.next()).errorDetail?.message).toMatch(/^ns\/one: .*; its strictest reading counts until/)
    await client.synced
    expect(isAllowed(mesh, 'shop')).toBe(false)
    stream.send({ typeUrl: authorizationType.typeUrl, nonce: '2', removedResources: ['ns/one'] })
    expect((await stream.next()).errorDetail).toBeNull()
    expect(isAllowed(mesh, 'shop')).toBe(true)
  })

  it('as a field of a workload is left out, and told once', async () => {
    const { mesh, stream } = await feed()
    for (const nonce of ['1', '2']) {
      send(stream, nonce, [{ name: 'w', value: message([1, [[20, 'w'], [1, nonce], newCondition]]) }])
      expect((await stream.next()).errorDetail).toBeNull()
      expect(mesh.workloadByUid('w')?.name).toBe(nonce)
    }
    expect(log.lines.filter((line) => line.includes('workload.99'))).toHaveLength(1)
  })
})

describe('a response', () => {
  it('of 200,000 resources that are none is refused in a bounded message, time and memory', async () => {
    const { mesh, stream } = await feed()
    send(stream, '1', [good])
    await stream.next()
    const one = message([
      2,
      [
        [3, 'bad'],
        [1, '1'],
        [2, [[2, Buffer.of(0xff)]]],
      ],
    ])
    const head = message([4, addressType.typeUrl], [5, '2'])
    const before = process.memoryUsage().rss
    const startedMs = performance.now()
    stream.sendBytes(Buffer.concat([head, Buffer.alloc(one.length * 200_000, one)]))
    const { errorDetail } = await stream.next()
    expect(performance.now() - startedMs).toBeLessThan(MAX_RESPONSE_MS)
    expect(errorDetail?.message).toMatch(/^bad: .*and \d+ more$/)
    expect(errorDetail?.message.length).toBeLessThan(20_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES)
    expect(mesh.workloadByUid('good')?.name).toBe('web')
  })

  it('that announces 4 GiB ends the stream at once, and another one is opened', async () => {
    const { mesh, server, stream } = await feed()
    send(stream, '1', [good])
    await stream.next()
    stream.sendRaw(Buffer.from('00ffffffff', 'hex'))
    await stream.closed
    await opening(server)
    expect(mesh.workloadByUid('good')?.name).toBe('web')
  })
})
