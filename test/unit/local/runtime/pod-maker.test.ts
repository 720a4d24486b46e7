import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import { findTools } from '../../../../src/local/host/index.ts'
import { imageCatalog } from '../../../../src/local/images/index.ts'
import { PodMaker, type PodTokenOrder } from '../../../../src/local/runtime/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../support/memory-access.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const ADDRESSES = { podIps: ['10.244.1.2'], hostIps: ['10.243.0.2'] }
const token = (more: object): object => ({ serviceAccountToken: { path: 'token', ...more } })
const pod = (sources: readonly object[]): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'shop', uid: 'u-1', annotations: { 'ambit.dev/folder': '/yaml' } },
  spec: {
    nodeName: 'node-a',
    serviceAccountName: 'cart',
    containers: [{ name: 'c', command: ['a'] }],
    volumes: [{ name: 'all', projected: { sources } }],
  },
})

let podsDir = ''
let access: MemoryAccess
let maker: PodMaker
let orders: PodTokenOrder[] = []
beforeEach(() => {
  podsDir = mkdtempSync(join(tmpdir(), 'ambit-pod-maker-'))
  const clock = new FakeClock()
  access = new MemoryAccess(clock)
  orders = []
  maker = new PodMaker({
    access,
    tools: findTools(process.env.PATH ?? ''),
    clock,
    logger: quietLogger,
    images: imageCatalog([]),
    containerEnv: { PATH: '/bin' },
    podsDir,
    mintToken: async (order) => {
      orders.push(order)
      return { token: 'signed', expiresAtMs: clock.nowMs() + 1_000_000 }
    },
  })
})
afterEach(async () => {
  await maker.close()
  rmSync(podsDir, { recursive: true })
})

describe('a pod that is made', () => {
  it('runs in the folder of its YAML, and has its volumes below its own folder', async () => {
    const { plan, volumes, volumesDir } = maker.make(pod([token({})]), ADDRESSES)
    expect(plan.containers[0]?.resolve()).toMatchObject({
      argv: ['a'],
      folder: '/yaml',
      env: { PATH: '/bin', HOSTNAME: 'p' },
    })
    expect(volumesDir).toBe(join(podsDir, 'u-1', 'volumes'))
    await volumes.prepare()
    expect(readFileSync(join(volumesDir, 'all', 'token'), 'utf8')).toBe('signed')
    await volumes.close()
  })

  it('asks for tokens of its own account that die with it, for whom it says', async () => {
    const { volumes } = maker.make(pod([token({}), token({ audience: 'vault', expirationSeconds: 900 })]), ADDRESSES)
    await volumes.prepare()
    const own = { namespace: 'shop', serviceAccount: 'cart', pod: { name: 'p', uid: 'u-1', node: 'node-a' } }
    expect(orders).toEqual([
      { ...own, lifeSeconds: 3_600 },
      { ...own, audience: 'vault', lifeSeconds: 900 },
    ])
    await volumes.close()
  })

  it('tells when what it was missing comes', async () => {
    const { volumes, follow } = maker.make(pod([{ configMap: { name: 'late' } }]), ADDRESSES)
    let news = 0
    const stop = follow(() => void news++)
    await expect(volumes.prepare()).rejects.toThrow('configmap "late" not found')
    await access.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'late', namespace: 'shop' },
      data: {},
    })
    await Promise.resolve()
    expect(news).toBe(1)
    stop()
    await volumes.prepare()
    await volumes.close()
  })
})
