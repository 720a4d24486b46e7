import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigSource, type PodVolumes } from '../../../../src/local/pod-plan/index.ts'
import { openPodVolumes } from '../../../../src/local/volumes/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../support/memory-access.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'
import { podOf } from '../pod-plan/samples.ts'

const REF = { group: '', resource: 'configmaps', namespace: 'shop', name: 'm' }

let dir = ''
let clock: FakeClock
let access: MemoryAccess
let issued: string[] = []
let isMinting = true
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'ambit-pod-volumes-')), 'volumes')
  clock = new FakeClock()
  access = new MemoryAccess(clock)
  issued = []
  isMinting = true
})
afterEach(() => rmSync(join(dir, '..'), { recursive: true }))

const open = (volumes: string): PodVolumes =>
  openPodVolumes({
    pod: podOf(`volumes: ${volumes}`),
    addresses: { podIps: [], hostIps: [] },
    config: new ConfigSource(access),
    machine: { cpus: 1, memoryBytes: 1 },
    token: async ({ audience, lifeSeconds }) => {
      if (!isMinting) throw new Error('nobody signs now')
      issued.push(`${audience} ${issued.length + 1}`)
      return { token: issued.at(-1) ?? '', expiresAtMs: clock.nowMs() + lifeSeconds * 1000 }
    },
    tools: { mount: '/bin/false', umount: '/bin/false' },
    clock,
    logger: quietLogger,
    dir,
  })
const map = (data: Readonly<Record<string, string>>): Promise<unknown> =>
  access.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm', namespace: 'shop' }, data })
const text = (path: string): string => readFileSync(join(dir, path), 'utf8')
/** Writes are asynchronous, and no timer is needed for them. */
const settled = (): Promise<void> => clock.advance(0)

describe('the volumes of a pod', () => {
  it('are written before it starts and gone with it, closed to other users', async () => {
    await map({ key: 'value' })
    const volumes = open('[{ name: files, configMap: { name: m } }, { name: empty, emptyDir: {} }]')
    await volumes.prepare()
    expect(text('files/key')).toBe('value')
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    expect(statSync(join(dir, 'empty')).mode & 0o777).toBe(0o777)
    await volumes.close()
    await volumes.close()
    expect(existsSync(dir)).toBe(false)
  })

  it('wait for what is missing, all of it named, and can be asked again', async () => {
    const volumes = open('[{ name: a, configMap: { name: m } }, { name: b, secret: { secretName: s } }]')
    await expect(volumes.prepare()).rejects.toThrow(
      expect.objectContaining({
        code: 'CONTAINER_CONFIG_INVALID',
        message:
          'MountVolume.SetUp failed for volume "a" : configmap "m" not found; MountVolume.SetUp failed for volume "b" : secret "s" not found',
      }),
    )
    await map({ key: 'value' })
    await access.create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: 'shop' }, data: {} })
    await volumes.prepare()
    expect(text('a/key')).toBe('value')
    await volumes.close()
  })

  it('follow their ConfigMaps, and keep the last good files when these go', async () => {
    await map({ key: '1', other: 'x' })
    const volumes = open('[{ name: files, configMap: { name: m } }]')
    await volumes.prepare()
    await access.set(REF, { data: { key: '2', other: null } })
    await settled()
    expect(text('files/key')).toBe('2')
    expect(existsSync(join(dir, 'files/other'))).toBe(false)
    await access.delete(REF)
    await settled()
    expect(text('files/key')).toBe('2')
    await map({ key: '3' })
    await settled()
    expect(text('files/key')).toBe('3')
    await volumes.close()
    await access.set(REF, { data: { key: '4' } })
    await settled()
    expect(existsSync(dir)).toBe(false)
  })

  it('show labels as they change', async () => {
    const pod = podOf('{}')
    const made = await access.create({ ...pod, metadata: { ...pod.metadata, labels: { a: '1' } } })
    const volumes = open(
      '[{ name: info, downwardAPI: { items: [{ path: labels, fieldRef: { fieldPath: metadata.labels } }] } }]',
    )
    await volumes.prepare()
    expect(text('info/labels')).toBe('a="1"')
    await access.set(
      { group: '', resource: 'pods', namespace: 'shop', name: made.metadata.name },
      { metadata: { labels: { a: '2' } } },
    )
    await settled()
    expect(text('info/labels')).toBe('a="2"')
    await volumes.close()
  })

  const TOKEN = 'serviceAccountToken: { path: token, audience: vault, expirationSeconds: 1000 }'

  it('renew a token at 80 % of its life, and not when something else changes', async () => {
    await map({ key: '1' })
    const volumes = open(`[{ name: all, projected: { sources: [{ ${TOKEN} }, { configMap: { name: m } }] } }]`)
    await volumes.prepare()
    await access.set(REF, { data: { key: '2' } })
    await settled()
    expect([text('all/key'), text('all/token')]).toEqual(['2', 'vault 1'])
    await clock.advance(799_000)
    expect(text('all/token')).toBe('vault 1')
    await clock.advance(2_000)
    expect(text('all/token')).toBe('vault 2')
    await volumes.close()
    await clock.advance(3_600_000)
    expect(issued).toHaveLength(2)
    expect(clock.pendingTimers).toBe(0)
  })

  it('keep a token that cannot be renewed, and try again', async () => {
    const volumes = open(`[{ name: all, projected: { sources: [{ ${TOKEN} }] } }]`)
    await volumes.prepare()
    isMinting = false
    await clock.advance(801_000)
    expect(text('all/token')).toBe('vault 1')
    isMinting = true
    await clock.advance(5_000)
    expect(text('all/token')).toBe('vault 2')
    await volumes.close()
  })
})
