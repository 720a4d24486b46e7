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
    expect(place.metrics[0]?.print()).toContain('citadel_server_success_cert_issuance_count 1')
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

  it('gets the usual life when it asks for none or less, and none that outlives the root', async () => {
    await start({ CITADEL_SELF_SIGNED_CA_CERT_TTL: '2h', DEFAULT_WORKLOAD_CERT_TTL: '1h' })
    const token = await place.issuer.token()
    const endOf = async (validitySeconds: number): Promise<number> => {
      const [leaf = ''] = await ask(token, { impersonatedId: id('web'), validitySeconds })
      return (new X509Certificate(leaf).validToDate.getTime() - systemClock.nowMs()) / 1000
    }
    for (const seconds of [0, -1, Number.MIN_SAFE_INTEGER]) expect(await endOf(seconds)).toBeCloseTo(3600, -2)
    expect(await endOf(86_400)).toBeCloseTo(7200, -2)
    expect(await endOf(1)).toBeLessThanOrEqual(1)
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

  it.each([
    ['the longest that can be written', Number.MAX_SAFE_INTEGER, 'status 3'],
    ['a second more than is allowed', 90 * 86_400 + 1, 'status 3'],
  ])('for a life of %s', async (_, validitySeconds, status) => {
    await start()
    const token = await place.issuer.token()
    await expect(ask(token, { impersonatedId: id('web'), validitySeconds })).rejects.toThrow(status)
  })

  it('with a request of a megabyte, and the next one is answered', async () => {
    await start()
    const token = await place.issuer.token()
    const huge = `-----BEGIN CERTIFICATE REQUEST-----\n${'A'.repeat(1 << 20)}\n-----END CERTIFICATE REQUEST-----\n`
    await expect(ask(token, { csrPem: huge, impersonatedId: id('web') })).rejects.toThrow(/status (3|8)/)
    await ask(token, { impersonatedId: id('web') })
  })

  it.each([
    ['a second segment', 'spiffe://cluster.local/ns/shop/sa/web/extra'],
    ['a way up', 'spiffe://cluster.local/ns/shop/sa/../sa/cart'],
    ['an escaped slash', 'spiffe://cluster.local/ns/shop/sa/web%2fcart'],
    ['a query', 'spiffe://cluster.local/ns/shop/sa/web?x'],
    ['a user before the trust domain', 'spiffe://cluster.local@evil/ns/shop/sa/web'],
    ['a zero byte', 'spiffe://cluster.local/ns/shop/sa/web\0'],
    ['two names', 'spiffe://cluster.local/ns/shop/sa/web,spiffe://cluster.local/ns/shop/sa/cart'],
    ['another spelling of the trust domain', 'spiffe://CLUSTER.LOCAL/ns/shop/sa/web'],
  ])('of a name with %s', async (_, name) => {
    await start()
    await expect(ask(await place.issuer.token(), { impersonatedId: name as SpiffeId })).rejects.toThrow(/status (3|16)/)
  })

  it('of a CA that has expired', async () => {
    await start({ CITADEL_SELF_SIGNED_CA_CERT_TTL: '2s', AMBIT_CA_REFRESH: '1h' })
    const token = await place.issuer.token()
    // The server's own certificate ends with the CA, so that the connection is made before.
    const client = new CaClient(place.endpoint(istiod.ports.grpc, token), systemClock)
    clients.push(client)
    const again = (): Promise<unknown> =>
      client
        .createCertificate(
          { csrPem: createCsr(id('web')).csrPem, impersonatedId: id('web'), validitySeconds: 0 },
          5_000,
        )
        .catch(String)
    expect(await again()).toHaveLength(2)
    await expect.poll(again, { timeout: 5_000 }).toContain('status 13')
    expect(place.lines.join('')).toContain('the certificate of the CA has expired')
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
