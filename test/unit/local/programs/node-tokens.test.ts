import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TokenFile, TokenSigner } from '../../../../src/local/programs/node-tokens.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const subject = {
  namespace: 'istio-system',
  serviceAccount: 'ztunnel',
  serviceAccountUid: 'sa-uid',
  podName: 'ztunnel-node-a',
  podUid: 'pod-uid',
  node: 'node-a',
}

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-tokens-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('a service-account token', () => {
  it("says who asks, as a cluster's own tokens do, and verifies against the published key", async () => {
    const signer = await TokenSigner.open(join(dir, 'key.pem'))
    const nowMs = 1_700_000_000_000
    const keys = createLocalJWKSet(JSON.parse(signer.jwks))
    const options = { audience: 'istio-ca', currentDate: new Date(nowMs) }
    const { payload } = await jwtVerify(await signer.sign(subject, nowMs), keys, options)
    expect(payload).toEqual({
      iss: 'https://kubernetes.default.svc.cluster.local',
      sub: 'system:serviceaccount:istio-system:ztunnel',
      aud: 'istio-ca',
      iat: 1_700_000_000,
      nbf: 1_700_000_000,
      exp: 1_700_003_600,
      'kubernetes.io': {
        namespace: 'istio-system',
        node: { name: 'node-a' },
        pod: { name: 'ztunnel-node-a', uid: 'pod-uid' },
        serviceaccount: { name: 'ztunnel', uid: 'sa-uid' },
      },
    })
  })

  it('is signed by the same key after a restart; only its owner can read the key, and no private part is published', async () => {
    const path = join(dir, 'key.pem')
    const first = await TokenSigner.open(path)
    const second = await TokenSigner.open(path)
    expect(second.jwks).toBe(first.jwks)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(JSON.parse(first.jwks).keys[0]).not.toHaveProperty('d')
  })
})

describe('a token file', () => {
  it('holds the bare token, for its owner only, and is renewed at four fifths of its life', async () => {
    const clock = new FakeClock()
    const signer = await TokenSigner.open(join(dir, 'key.pem'))
    const path = join(dir, 'token')
    const file = await TokenFile.keep(path, subject, { signer, clock, logger: quietLogger })
    const first = readFileSync(path, 'utf8')
    expect(first).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    await clock.advance(0.8 * 3_600_000 - 1)
    expect(readFileSync(path, 'utf8')).toBe(first)
    await clock.advance(1)
    await expect.poll(() => readFileSync(path, 'utf8')).not.toBe(first)
    expect(readdirSync(dir).sort()).toEqual(['key.pem', 'token'])
    await file.close()
    expect(clock.pendingTimers).toBe(0)
  })
})
