import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { addressFeed, authorizationFeed, MeshState, OnDemand } from '#shared/mesh-state'
import { type Authorization, addressKey, type MeshAddress, type Service, type Workload } from '#shared/model'
import { Metrics } from '#shared/telemetry'
import { type AdsClient, addressType, authorizationType, type Subscription, startAdsClient } from '#shared/xds'
import { Authorizer, Verdicts, watchPolicies } from '../../../src/ztunnel/authz/index.ts'
import { ConnectionTable } from '../../../src/ztunnel/connections/index.ts'
import { plan } from '../../../src/ztunnel/outbound/plan.ts'
import { unknownNames } from '../../../src/ztunnel/outbound/unknown-names.ts'
import { ScriptedAdsServer, type ScriptedServerStream } from '../../support/ads-peer.ts'
import { MemoryCa } from '../../support/memory-ca.ts'
import { identity, ip, match, policy, service, socket, workload } from '../../support/mesh-builder.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

const ca = new MemoryCa()
const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

interface Fed {
  readonly mesh: MeshState
  readonly client: AdsClient
  /** After both first requests. */
  readonly stream: ScriptedServerStream
}

/** A view that a scripted control plane feeds over TLS, in Istio's bytes. */
async function feed(mode: 'wildcard' | 'on-demand'): Promise<Fed> {
  const server = await ScriptedAdsServer.start(ca)
  const mesh = new MeshState({ clock: systemClock, nodeName: 'node-a' })
  const client = startAdsClient({
    endpoint: server.endpoint(ca),
    node: { id: 'ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local', metadata: { NODE_NAME: 'node-a' } },
    subscriptions: [
      addressFeed(mesh, addressType, mode) as Subscription<unknown>,
      authorizationFeed(mesh, authorizationType) as Subscription<unknown>,
    ],
    clock: systemClock,
    log: quietLogger,
  })
  open.push(server, client)
  const stream = await server.nextStream()
  await stream.next()
  await stream.next()
  return { mesh, client, stream }
}

interface Sent {
  readonly name: string
  readonly version: string
  readonly aliases: readonly string[]
  readonly resource: { readonly type_url: string; readonly value: Uint8Array }
}

function sent(name: string, typeUrl: string, value: Uint8Array): Sent {
  return { name, version: 'v', aliases: [], resource: { type_url: typeUrl, value } }
}

function addresses(...list: readonly (Workload | Service)[]): readonly Sent[] {
  return list.map((one) => {
    const address: MeshAddress = 'uid' in one ? { kind: 'workload', workload: one } : { kind: 'service', service: one }
    return sent(addressKey(address), addressType.typeUrl, addressType.encode(address))
  })
}

function policies(...list: readonly Authorization[]): readonly Sent[] {
  return list.map((one) =>
    sent(`${one.namespace}/${one.name}`, authorizationType.typeUrl, authorizationType.encode(one)),
  )
}

const WEB = 'default/web.default.svc.cluster.local'
const web = service({ name: 'web', vips: ['10.9.0.1'] })
const server = workload({ name: 'server', serviceAccount: 'server', addresses: ['10.0.2.1'], services: { [WEB]: {} } })
const client = workload({ name: 'client', addresses: ['10.0.1.1'] })

describe('a view fed by a control plane', () => {
  it('says after decoding exactly what was encoded, and is in sync once both types have come', async () => {
    const fed = await feed('wildcard')
    fed.stream.send({ typeUrl: addressType.typeUrl, nonce: '1', resources: addresses(web, server, client) })
    fed.stream.send({ typeUrl: authorizationType.typeUrl, nonce: '2', resources: [] })
    await fed.client.synced
    expect(fed.mesh.workloadByUid(server.uid)).toEqual(server)
    expect(fed.mesh.serviceByKey(WEB)).toEqual(web)
    expect(fed.mesh.endpoints(WEB).map(({ workload: { name } }) => name)).toEqual(['server'])
  })

  it('takes the good resources of a response, and names the bad ones in the NACK', async () => {
    const fed = await feed('wildcard')
    const broken = sent('default/broken', addressType.typeUrl, Buffer.from([0xff, 0xff]))
    const [nameless] = addresses({ ...server, uid: '' })
    fed.stream.send({
      typeUrl: addressType.typeUrl,
      nonce: '1',
      resources: [broken, ...(nameless === undefined ? [] : [{ ...nameless, name: 'nameless' }]), ...addresses(web)],
    })
    const { responseNonce, errorDetail } = await fed.stream.next()
    expect(responseNonce).toBe('1')
    expect(errorDetail?.message).toContain('default/broken: ')
    expect(errorDetail?.message).toContain('nameless: workload without uid')
    expect(fed.mesh.serviceByKey(WEB)).toEqual(web)
  })

  it('forgets what a response removes', async () => {
    const fed = await feed('wildcard')
    fed.stream.send({ typeUrl: addressType.typeUrl, nonce: '1', resources: addresses(web, server) })
    await fed.stream.next()
    fed.stream.send({ typeUrl: addressType.typeUrl, nonce: '2', removedResources: [server.uid, WEB] })
    await fed.stream.next()
    expect([fed.mesh.workloadByUid(server.uid), fed.mesh.serviceByKey(WEB)]).toEqual([undefined, undefined])
  })

  it('cuts a live connection when a policy comes that denies it', async () => {
    const fed = await feed('wildcard')
    fed.stream.send({ typeUrl: addressType.typeUrl, nonce: '1', resources: addresses(server) })
    await fed.stream.next()
    const table = new ConnectionTable()
    const verdicts = new Verdicts(new Metrics(), systemClock)
    const options = {
      view: fed.mesh,
      unknownPolicy: 'open',
      logger: quietLogger,
      verdicts,
      policyLogLevel: 'debug',
    } as const
    watchPolicies(fed.mesh, table, new Authorizer(options))
    const facts = { peer: identity('shop/bob'), source: socket('10.0.1.1:4'), destination: socket('10.0.2.1:8080') }
    const cut = Promise.withResolvers<string>()
    table.add(
      {
        direction: 'inbound',
        podUid: 'pod',
        source: facts.source,
        originalDestination: undefined,
        actualDestination: facts.destination,
        protocol: 'HBONE',
        peer: facts.peer,
        facts,
        workload: server,
      },
      cut.resolve,
    )
    const deny = policy({ name: 'no-bob', rules: [[[match({ principals: ['*/sa/bob'] })]]] })
    fed.stream.send({ typeUrl: authorizationType.typeUrl, nonce: '2', resources: policies(deny) })
    expect(await cut.promise).toBe('policy-change')
  })
})

describe('a view fed on demand', () => {
  const request = (to: string): Parameters<typeof plan>[1] => ({
    workload: client,
    source: socket('10.0.1.1:40000'),
    originalDestination: socket(to),
    network: '',
    ownPorts: new Set(),
  })

  it('learns a service and its endpoints when a connection asks for its address', async () => {
    const fed = await feed('on-demand')
    const onDemand = new OnDemand({ client: fed.client, typeUrl: addressType.typeUrl, clock: systemClock })
    const learned = onDemand.ask(unknownNames(fed.mesh, request('10.9.0.1:80')))
    expect((await fed.stream.next()).resourceNamesSubscribe).toEqual(['/10.9.0.1'])
    // A VIP stands for resources of other names; that very name is answered as removed.
    fed.stream.send({
      typeUrl: addressType.typeUrl,
      nonce: '1',
      resources: addresses(web, server),
      removedResources: ['/10.9.0.1'],
    })
    await learned
    expect(unknownNames(fed.mesh, request('10.9.0.1:80'))).toEqual([])
    expect(plan(fed.mesh, request('10.9.0.1:80'), { random: () => 0 })).toMatchObject({
      kind: 'tunnel',
      peer: { ip: ip('10.0.2.1') },
    })
  })

  it('learns that nobody has an address, which then is passed through', async () => {
    const fed = await feed('on-demand')
    const onDemand = new OnDemand({ client: fed.client, typeUrl: addressType.typeUrl, clock: systemClock })
    const learned = onDemand.ask(['/192.0.2.1'])
    await fed.stream.next()
    fed.stream.send({ typeUrl: addressType.typeUrl, nonce: '1', removedResources: ['/192.0.2.1'] })
    await learned
    expect(plan(fed.mesh, request('192.0.2.1:443'), { random: () => 0 })).toMatchObject({ kind: 'passthrough' })
  })
})
