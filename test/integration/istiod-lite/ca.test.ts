import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type SpiffeId, spiffeId } from '#shared/model'
import { createCsr, parseIdentity } from '#shared/pki'
import { CaClient, type SigningRequest } from '#shared/xds'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { IstiodPlace, type TokenClaims, TokenIssuer } from '../../support/istiod.ts'
import { podYaml } from '../../support/mesh-objects.ts'

const id = (serviceAccount: string, trustDomain = 'cluster.local'): SpiffeId =>
  spiffeId({ trustDomain, namespace: 'shop', serviceAccount })

let place: IstiodPlace
let istiod: Istiod
let clients: CaClient[]
beforeEach(async () => {
  place = await IstiodPlace.make()
  clients = []
  place.write('web.yaml', podYaml('web-1', '10.0.1.1'))
  place.write('cart.yaml', podYaml('cart-1', '10.0.1.2', { node: 'node-b', account: 'cart' }))
  place.write('done.yaml', podYaml('done-1', '10.0.1.3', { account: 'done', phase: 'Succeeded' }))
  place.write('wait.yaml', podYaml('wait-1', '10.0.1.4', { account: 'wait', phase: 'Pending' }))
})
afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()))
  await place.end()
})

const start = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
  istiod = await place.start(env)
  await istiod.serving
}

const ask = async (token: string, request: Partial<SigningRequest>): Promise<readonly string[]> => {
  const client = new CaClient(place.endpoint(istiod.ports.grpc, token), systemClock)
  clients.push(client)
  const asked = { csrPem: createCsr(id('web')).csrPem, impersonatedId: undefined, validitySeconds: 0, ...request }
  return client.createCertificate(asked, 5_000)
}

describe('a node proxy', () => {
  it('gets the identity of an account with a pod on its node', async () => {
    await start()
    const { privateKeyPem, csrPem } = createCsr(id('web'))
    const chain = await ask(await place.issuer.token(), { csrPem, impersonatedId: id('web'), validitySeconds: 3600 })
    expect(chain).toHaveLength(2)
    expect(chain.at(-1)).toBe(place.rootPem)
    const identity = parseIdentity(id('web'), privateKeyPem, chain, systemClock.nowMs())
    expect(identity.leaf.notAfterMs - systemClock.nowMs()).toBeGreaterThan(3_590_000)
    const leaf = new X509Certificate(chain[0] ?? '')
    expect({ names: leaf.subjectAltName, subject: leaf.subject ?? '', ca: leaf.ca }).toEqual({
      names: `URI:${id('web')}`,
      subject: '',
      ca: false,
    })
    expect(place.metrics[0]?.print()).toContain('citadel_server_success_cert_issuance_count_total 1')
  })

  it('gets it as soon as the pod is there, also before it runs, and no longer than it is', async () => {
    await start()
    const token = await place.issuer.token()
    await ask(token, { impersonatedId: id('wait') })
    await expect(ask(token, { impersonatedId: id('new') })).rejects.toThrow('status 16')
    place.write('new.yaml', podYaml('new-1', '10.0.1.5', { account: 'new' }))
    await expect.poll(() => ask(token, { impersonatedId: id('new') }).catch(() => [])).toHaveLength(2)
    place.remove('new.yaml')
    await expect
      .poll(() =>
        ask(token, { impersonatedId: id('new') }).then(
          () => 'issued',
          () => 'refused',
        ),
      )
      .toBe('refused')
  })

  it('gets the identity that it is asked for whatever names stand in the request', async () => {
    await start()
    const { csrPem } = createCsr(id('cart'))
    const [leaf = ''] = await ask(await place.issuer.token(), { csrPem, impersonatedId: id('web') })
    expect(new X509Certificate(leaf).subjectAltName).toBe(`URI:${id('web')}`)
  })

  it('gets a life that ends at half of it in time to renew, also a very short one', async () => {
    await start()
    const { privateKeyPem, csrPem } = createCsr(id('web'))
    const chain = await ask(await place.issuer.token(), { csrPem, impersonatedId: id('web'), validitySeconds: 20 })
    const nowMs = systemClock.nowMs()
    const { renewAtMs, leaf } = parseIdentity(id('web'), privateKeyPem, chain, nowMs)
    expect(renewAtMs - nowMs).toBeGreaterThan(5_000)
    expect(leaf.notAfterMs - nowMs).toBeLessThanOrEqual(20_000)
  })
})

describe('nobody gets an identity', () => {
  const rows: readonly [shows: string, claims: TokenClaims, impersonated: SpiffeId | undefined][] = [
    ['of an account without a pod on the node', {}, id('cart')],
    ['of an account without any pod', {}, id('nobody')],
    ['of an account whose pod has ended', {}, id('done')],
    ['of another trust domain', {}, id('web', 'evil.local')],
    ['of others without being a trusted account', { serviceAccount: 'web', namespace: 'shop' }, id('cart')],
    ['with a token for another audience', { audience: 'kubernetes' }, id('web')],
    ['with an expired token', { lifeSeconds: -3600 }, id('web')],
    ['with a token whose subject is another', { subject: 'system:serviceaccount:a:b' }, id('web')],
    ['from a node that is not known', { node: null }, id('web')],
  ]
  it.each(rows)('%s', async (_, claims, impersonatedId) => {
    await start()
    await expect(ask(await place.issuer.token(claims), { impersonatedId })).rejects.toThrow(
      'status 16: "request authenticate failure"',
    )
    expect(place.lines.join('')).toContain('no certificate')
  })

  it('with a token of another issuer, or none at all', async () => {
    await start({ AMBIT_TOKEN_ISSUER: 'https://kubernetes.default.svc' })
    const other = await place.issuer.token({ issuer: 'https://evil' })
    const forged = await new TokenIssuer().token()
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${forged.split('.')[1]}.`
    for (const token of [other, forged, unsigned, 'x'])
      await expect(ask(token, { impersonatedId: id('web') })).rejects.toThrow('status 16')
    await ask(await place.issuer.token(), { impersonatedId: id('web') })
  })

  it('once the keys of its issuer were taken away', async () => {
    await start()
    const token = await place.issuer.token()
    await ask(token, { impersonatedId: id('web') })
    writeFileSync(place.jwksFile, await new TokenIssuer().jwks())
    await expect.poll(() => ask(token, { impersonatedId: id('web') }).catch(String), { timeout: 5_000 }).toContain('16')
  })

  it('for longer than the CA allows', async () => {
    await start({ MAX_WORKLOAD_CERT_TTL: '1h' })
    const token = await place.issuer.token()
    await expect(ask(token, { impersonatedId: id('web'), validitySeconds: 3601 })).rejects.toThrow(
      'status 3: "a life of 3601 s is longer than 3600 s"',
    )
  })

  it('with a request that is none', async () => {
    await start()
    const token = await place.issuer.token()
    await expect(ask(token, { csrPem: 'x', impersonatedId: id('web') })).rejects.toThrow('status 3')
  })

  it('as often as it likes', async () => {
    await start({ AMBIT_CERTIFICATE_BURST: '2', AMBIT_CERTIFICATES_PER_SECOND: '1' })
    const token = await place.issuer.token()
    const other = await place.issuer.token({ podName: 'ztunnel-b', node: 'node-b' })
    await ask(token, { impersonatedId: id('web') })
    await ask(token, { impersonatedId: id('web') })
    await expect(ask(token, { impersonatedId: id('web') })).rejects.toThrow('status 8')
    await ask(other, { impersonatedId: id('cart') })
  })
})

describe('anybody else', () => {
  it('gets its own identity, asked for by name or not', async () => {
    await start()
    const token = await place.issuer.token({ namespace: 'shop', serviceAccount: 'gw', podName: 'gw-1', node: 'node-b' })
    for (const impersonatedId of [undefined, id('gw')]) {
      const [leaf = ''] = await ask(token, { impersonatedId })
      expect(new X509Certificate(leaf).subjectAltName).toBe(`URI:${id('gw')}`)
    }
  })
})
