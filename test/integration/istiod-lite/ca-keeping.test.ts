import { X509Certificate } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type SpiffeId, spiffeId } from '#shared/model'
import { createCsr, parseIdentity, verifyIdentity, type WorkloadCertificate } from '#shared/pki'
import { CaClient } from '#shared/xds'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/crd/index.ts'
import { makeCaFiles, secretData } from '../../support/ca-material.ts'
import { IstiodPlace } from '../../support/istiod.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { type Json, KubeClient } from '../../support/kube-client.ts'
import { MemoryCa } from '../../support/memory-ca.ts'

const web: SpiffeId = spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' })
const SECRETS = '/api/v1/namespaces/istio-system/secrets'
const CA_SECRET = `${SECRETS}/istio-ca-secret`
const QUICK = { AMBIT_CA_REFRESH: '50ms', AMBIT_CA_PROPAGATION: '50ms' }

describe('the CA of a cluster', () => {
  let api: TestApi
  let kube: KubeClient
  let place: IstiodPlace
  let clients: CaClient[]

  beforeEach(async () => {
    api = await startTestApi()
    await installMeshCrds(readMeshCrds(new URL('../../../daemonset/crds/', import.meta.url)), api.server.access)
    kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    for (const name of ['istio-system', 'shop']) await create('/api/v1/namespaces', { metadata: { name } })
    place = await IstiodPlace.make()
    clients = []
  })
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()))
    await place.end()
    kube.close()
    await api.close()
  })

  async function create(path: string, body: Json): Promise<void> {
    const { code, text } = await kube.post(path, body)
    if (code >= 300) throw new Error(`POST ${path}: ${code} ${text}`)
  }

  async function patch(path: string, body: Json): Promise<void> {
    const { code, text } = await kube.send('PATCH', path, { body, type: 'application/merge-patch+json' })
    if (code >= 300) throw new Error(`PATCH ${path}: ${code} ${text}`)
  }

  const start = (env: Readonly<Record<string, string>> = {}): Promise<Istiod> =>
    place.start({ AMBIT_KUBE_DIR: '', KUBECONFIG: api.kubeconfig, ...QUICK, ...env })

  const serving = async (env: Readonly<Record<string, string>> = {}): Promise<Istiod> => {
    const istiod = await start(env)
    await istiod.serving
    return istiod
  }

  /** As a pod of the account, with a token that a key set vouches for. */
  async function identityFrom(istiod: Istiod, validitySeconds = 3600): Promise<WorkloadCertificate> {
    const token = await place.issuer.token({ namespace: 'shop', serviceAccount: 'web', podName: 'web-1' })
    const client = new CaClient(place.endpoint(istiod.ports.grpc, token), systemClock)
    clients.push(client)
    const { csrPem, privateKeyPem } = createCsr(web)
    const chain = await client.createCertificate({ csrPem, impersonatedId: undefined, validitySeconds }, 5_000)
    return parseIdentity(web, privateKeyPem, chain, systemClock.nowMs())
  }

  const statusOf = async (istiod: Istiod): Promise<Json> =>
    (await fetch(`http://127.0.0.1:${istiod.ports.monitoring}/debug/ca`)).json()
  const issuerOf = ({ leaf }: WorkloadCertificate): string => new X509Certificate(leaf.pem).issuer
  const phaseOf = async (istiod: Istiod): Promise<string> => {
    const { origin, phase } = await statusOf(istiod)
    return `${origin} ${phase}`
  }
  const mapOf = async (name: string, key: string, namespace = 'shop'): Promise<string | undefined> =>
    (await kube.get(`/api/v1/namespaces/${namespace}/configmaps/${name}`)).json?.data?.[key]

  it('is made once, however many replicas start at once, and each verifies what another signs', async () => {
    const states = ['one', 'two', 'three'].map((name) => `${place.stateDir}-${name}`)
    const replicas = await Promise.all([place.stateDir, ...states].map((dir) => serving({ AMBIT_STATE_DIR: dir })))
    const statuses = await Promise.all(replicas.map(statusOf))
    expect(new Set(statuses.map(({ signing }) => signing.fingerprint)).size).toBe(1)
    expect(new Set(statuses.map(({ replica }) => replica)).size).toBe(4)
    await expect.poll(async () => (await statusOf(replicas[0] as Istiod)).replicas).toHaveLength(4)
    const { type, data } = (await kube.get(CA_SECRET)).json
    expect(type).toBe('istio.io/ca-root')
    expect(Object.keys(data)).toEqual(expect.arrayContaining(['ca-cert.pem', 'ca-key.pem', 'root-cert.pem']))
  })

  it('survives a restart, and a Secret that somebody deletes while it runs', async () => {
    const first = await serving()
    const { signing } = await statusOf(first)
    await kube.send('DELETE', CA_SECRET)
    await expect.poll(async () => (await kube.get(CA_SECRET)).code).toBe(200)
    await first.close()
    expect((await statusOf(await serving())).signing).toEqual(signing)
  })

  it('is taken over from Istio, and left as Istio can read it', async () => {
    const files = makeCaFiles({ keyKind: 'RSA-2048', between: 0 })
    const kept = { 'ca-cert.pem': files['ca-cert.pem'], 'ca-key.pem': files['ca-key.pem'], 'cert-chain.pem': '' }
    await create(SECRETS, { metadata: { name: 'istio-ca-secret' }, type: 'istio.io/ca-root', data: secretData(kept) })
    const istiod = await serving()
    expect(issuerOf(await identityFrom(istiod))).toContain('Mine root')
    expect((await kube.get(CA_SECRET)).json.data).toMatchObject(secretData(kept))
  })

  it('does not start on a Secret that is damaged, says what is wrong, and leaves it alone', async () => {
    const data = secretData({ 'ca-cert.pem': makeCaFiles()['ca-cert.pem'], 'ca-key.pem': 'x' })
    await create(SECRETS, { metadata: { name: 'istio-ca-secret' }, data })
    await expect(start()).rejects.toThrow('Secret istio-system/istio-ca-secret: the private key cannot be read')
    expect((await kube.get(CA_SECRET)).json.data).toEqual(data)
  })

  it('is replaced when asked; everybody can verify everybody at every moment', async () => {
    const istiod = await serving()
    const before = await identityFrom(istiod)
    await patch(CA_SECRET, { metadata: { annotations: { 'ambit.dev/rotate-ca': 'now' } } })
    await expect.poll(() => phaseOf(istiod)).toBe('self-signed published')
    const { waitingFor, outdated, roots } = await statusOf(istiod)
    expect(waitingFor.join()).toContain('certificates that lack the new root may be in use until')
    expect(outdated).toMatchObject([{ holder: 'shop/web-1', identity: web }])
    expect(roots.map(({ role }: Json) => role)).toEqual(['current', 'next'])
    expect(await mapOf('istio-ca-root-cert', 'root-cert.pem')).toContain('-----END CERTIFICATE-----\n-----BEGIN')
    const between = await identityFrom(istiod)
    expect({ issuer: issuerOf(between), roots: between.roots.length }).toEqual({ issuer: issuerOf(before), roots: 2 })
    // A restart in the middle forgets neither the phase nor who may still hold what.
    await istiod.close()
    const second = await serving()
    expect(await phaseOf(second)).toBe('self-signed published')
    expect(await verifyIdentity(await identityFrom(second))).toBeUndefined()
  })

  it('is exchanged live for plugged-in ones: RSA, then EC with intermediates, then another of the same root', async () => {
    const istiod = await serving({ DEFAULT_WORKLOAD_CERT_TTL: '2s' })
    const rsa = makeCaFiles({ keyKind: 'RSA-2048', between: 0, name: 'First' })
    await create(SECRETS, { metadata: { name: 'cacerts' }, data: secretData(rsa) })
    await expect.poll(() => phaseOf(istiod), { timeout: 10_000 }).toBe('plugged-in steady')
    const first = await identityFrom(istiod, 1)
    expect(issuerOf(first)).toContain('First root')

    const {
      'ca-cert.pem': cert,
      'ca-key.pem': key,
      ...rest
    } = makeCaFiles({ keyKind: 'P-384', between: 2, name: 'Second' })
    const tls = { 'tls.crt': `${cert}${rest['cert-chain.pem']}`, 'tls.key': key, 'ca.crt': rest['root-cert.pem'] }
    const none = Object.fromEntries(Object.keys(rsa).map((name) => [name, null]))
    await patch(`${SECRETS}/cacerts`, { data: { ...none, ...secretData(tls) } })
    await expect.poll(async () => (await statusOf(istiod)).signing.subject, { timeout: 10_000 }).toContain('Second')
    await expect.poll(() => phaseOf(istiod), { timeout: 10_000 }).toBe('plugged-in steady')
    const second = await identityFrom(istiod)
    expect({ chain: second.chain.length, roots: second.roots.length }).toEqual({ chain: 3, roots: 1 })
    expect(await verifyIdentity(second)).toBeUndefined()
    await expect.poll(() => mapOf('istio-ca-root-cert', 'root-cert.pem')).toBe(rest['root-cert.pem'])

    // Only the root in common: nobody has to wait for anybody.
    const { 'ca.crt': _, ...signer } = tls
    const higher = { 'tls.crt': second.chain[2]?.pem ?? '', 'tls.key': 'x' }
    await patch(`${SECRETS}/cacerts`, { data: secretData({ ...signer, ...higher }) })
    await expect.poll(async () => (await statusOf(istiod)).problem).toContain('the private key cannot be read')
    expect(issuerOf(await identityFrom(istiod)), 'the last good one signs on').toBe(issuerOf(second))
  })

  const wrong: readonly [shows: string, files: Partial<Record<string, string>>, reason: string][] = [
    ['without a key', { 'ca-key.pem': undefined }, 'ca-key.pem is missing'],
    ['with a key of another', { 'ca-key.pem': makeCaFiles()['ca-key.pem'] }, 'is for another key'],
    [
      'with a root of another',
      { 'root-cert.pem': makeCaFiles()['root-cert.pem'] },
      'nothing in the chain or among the roots',
    ],
    ['that has expired', makeCaFiles({ lifeMs: -1_000 }), 'it expired at'],
    ['that is of tomorrow', makeCaFiles({ startsInMs: 3_600_000 }), 'it is not valid before'],
    ['whose root allows no intermediate', makeCaFiles({ between: 1, maxPathLength: 0 }), 'path length'],
    ['with a revocation list that is none', { 'ca-crl.pem': 'x' }, 'revocation list refused'],
  ]
  it('refuses what cannot be used, loudly, and signs on with what it had', async () => {
    const istiod = await serving()
    const { signing } = await statusOf(istiod)
    await create(SECRETS, { metadata: { name: 'cacerts' } })
    for (const [shows, change, reason] of wrong) {
      const files = Object.entries({ ...makeCaFiles(), ...change }).filter(([, text]) => text !== undefined)
      await kube.send('DELETE', `${SECRETS}/cacerts`)
      await create(SECRETS, {
        metadata: { name: 'cacerts' },
        data: secretData(Object.fromEntries(files) as Record<string, string>),
      })
      await expect.poll(async () => (await statusOf(istiod)).problem, { message: shows }).toContain(reason)
      expect(place.lines.join(''), shows).toContain('the plugged-in CA is refused')
      expect((await statusOf(istiod)).signing).toEqual(signing)
    }
    expect(place.metrics[0]?.print()).toContain('ambit_ca_problem 1')
  })

  it('waits at its first start for a plugged-in CA that can be used, instead of making its own', async () => {
    await create(SECRETS, { metadata: { name: 'cacerts' }, data: secretData({ 'ca-cert.pem': 'x' }) })
    const istiod = await start()
    await expect.poll(() => place.lines.join('')).toContain('ca-key.pem is missing')
    expect((await kube.get(CA_SECRET)).code).toBe(404)
    await patch(`${SECRETS}/cacerts`, { data: secretData(makeCaFiles()) })
    await istiod.serving
    expect(await phaseOf(istiod)).toBe('plugged-in steady')
    expect((await identityFrom(istiod)).chain).toHaveLength(2)
  })

  it('tells every namespace what it has taken back, and no longer when it says nothing any more', async () => {
    const crl = `-----BEGIN X509 CRL-----\n${new MemoryCa().revoke(['7']).toString('base64')}\n-----END X509 CRL-----\n`
    await create(SECRETS, { metadata: { name: 'cacerts' }, data: secretData({ ...makeCaFiles(), 'ca-crl.pem': crl }) })
    await serving()
    await expect.poll(() => mapOf('istio-ca-crl', 'ca-crl.pem')).toBe(crl)
    await patch('/api/v1/namespaces/shop/configmaps/istio-ca-crl', { data: { 'ca-crl.pem': 'nothing' } })
    await expect.poll(() => mapOf('istio-ca-crl', 'ca-crl.pem')).toBe(crl)
    await patch(`${SECRETS}/cacerts`, { data: { 'ca-crl.pem': null } })
    await expect.poll(() => mapOf('istio-ca-crl', 'ca-crl.pem')).toBeUndefined()
  })

  it('signs for as long as the others count with it when its Secret cannot be reached', async () => {
    const istiod = await serving()
    await api.close()
    expect((await identityFrom(istiod)).roots).toHaveLength(1)
    for (const time of ['first', 'second'])
      await expect(identityFrom(istiod, 80 * 86_400), `longer than told, ${time} time`).rejects.toThrow('status 14')
  })
})
