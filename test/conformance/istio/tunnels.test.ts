import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Ambit, ended } from '../../support/ambit.ts'
import { hasKubectl, type KubectlResult, kubectl } from '../../support/kube-api.ts'
import { startInside, tunnelEnv } from '../../support/namespaced-istiod.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { istioProgram, type RealIstiod } from '../../support/real-istiod.ts'

const binary = istioProgram('AMBIT_ISTIOD')
const canRun = binary !== undefined && requirePrivileges() && hasKubectl()
/** A change reaches every tunnel within this. */
const SOON = { timeout: 10_000, interval: 100 }
/** Holds a connection to `web` without a word and says how it went. */
const HOLD = `const s = require('node:net').connect(80, 'web.shop', () => console.log('open'))
s.on('error', () => undefined).on('close', () => console.log('closed'))`

describe.runIf(canRun)('our tunnels under istiod', { timeout: 60_000 }, () => {
  let dir = ''
  let ambit: Ambit
  let istiod: RealIstiod | undefined

  const k = (args: readonly string[], input = ''): Promise<KubectlResult> =>
    kubectl({ kubeconfig: join(dir, 'state', 'kubeconfig'), dir }, args, input)
  const apply = async (object: object): Promise<void> => {
    expect(await k(['apply', '-f', '-'], JSON.stringify(object))).toMatchObject({ code: 0 })
  }
  const ask = async (namespace: string): Promise<string> =>
    (await ambit.run(['exec', '-n', namespace, 'client', '--', 'node', 'request.mjs', 'http://web.shop/checkout']))
      .stdout
  const certificates = async (): Promise<readonly string[]> => {
    const { stdout } = await ambit.run(['ztunnel-config', 'certificates', '-o', 'json'])
    return [...stdout.matchAll(/"serialNumber": *"?(\w+)/g)].map(([, serial = '']) => serial)
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-under-istiod-'))
    ambit = new Ambit({ stateDir: join(dir, 'state') })
    const up = ended(ambit.start(['up', '--detach', '--demo', ...tunnelEnv(dir)]))
    await vi.waitUntil(() => existsSync(join(dir, 'state', 'kubeconfig')), { timeout: 30_000 })
    istiod = await startInside(binary ?? '', ambit, dir)
    expect(await up).toMatchObject({ code: 0 })
  }, 120_000)
  afterAll(async () => {
    await istiod?.stop()
    await ambit?.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  }, 60_000)

  it('carry the demo shop, with identities that istiod has signed', async () => {
    await expect.poll(() => ask('shop'), SOON).toMatch(/^200 /)
    const log = (await ambit.run(['logs', 'ztunnel'])).stdout
    expect(log).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/client"')
    expect((await k(['logs', '-n', 'istio-system', 'ztunnel-node-a'])).stdout).toContain('pod is served')
  })

  it('take new certificates before the old ones end', async () => {
    const first = await certificates()
    expect(first.length).toBeGreaterThan(0)
    await expect
      .poll(async () => (await certificates()).filter((serial) => !first.includes(serial)).length, {
        timeout: 25_000,
        interval: 500,
      })
      .toBeGreaterThan(0)
    expect(await ask('shop')).toMatch(/^200 /)
  })

  it('cut a live connection when a policy comes that denies it', async () => {
    const child = ambit.start(['exec', '-n', 'shop', 'client', '--', 'node', '-e', HOLD])
    let said = ''
    child.stdout?.on('data', (text) => {
      said += text
    })
    await expect.poll(() => said, SOON).toBe('open\n')
    await apply({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'no-client', namespace: 'shop' },
      spec: {
        selector: { matchLabels: { app: 'web' } },
        action: 'DENY',
        rules: [{ from: [{ source: { principals: ['cluster.local/ns/shop/sa/client'] } }] }],
      },
    })
    await once(child, 'close')
    expect(said).toBe('open\nclosed\n')
    expect(await ask('shop')).not.toMatch(/^200 /)
    await k(['delete', 'authorizationpolicy', 'no-client', '-n', 'shop'])
    await expect.poll(() => ask('shop'), SOON).toMatch(/^200 /)
  })

  it('refuse plaintext where a PeerAuthentication is strict', async () => {
    await expect.poll(() => ask('legacy'), SOON).toMatch(/^200 /)
    await apply({
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'default', namespace: 'shop' },
      spec: { mtls: { mode: 'STRICT' } },
    })
    await expect.poll(() => ask('legacy'), SOON).not.toMatch(/^200 /)
    expect(await ask('shop')).toMatch(/^200 /)
    await k(['delete', 'peerauthentication', 'default', '-n', 'shop'])
    await expect.poll(() => ask('legacy'), SOON).toMatch(/^200 /)
  })

  it('carry on while istiod is away, and follow the one that comes back', async () => {
    await istiod?.stop()
    expect(await ask('shop')).toMatch(/^200 /)
    istiod = await startInside(binary ?? '', ambit, dir)
    await apply({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'nobody', namespace: 'shop' },
      spec: { action: 'DENY', rules: [{}] },
    })
    await expect.poll(() => ask('shop'), { ...SOON, timeout: 40_000 }).not.toMatch(/^200 /)
    await k(['delete', 'authorizationpolicy', 'nobody', '-n', 'shop'])
    await expect.poll(() => ask('shop'), SOON).toMatch(/^200 /)
  })
})
