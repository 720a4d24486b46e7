import { describe, expect, it } from 'vitest'
import { ConfigSource } from '../../../../src/local/pod-plan/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../support/memory-access.ts'

const metadata = { name: 'x', namespace: 'shop' }

describe('ConfigMaps and Secrets', () => {
  it('are read with texts and bytes', async () => {
    const access = new MemoryAccess(new FakeClock())
    const source = new ConfigSource(access)
    expect(source.read('shop', { kind: 'ConfigMap', name: 'x' })).toBeUndefined()
    await access.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: 'ä' }, binaryData: { b: 'AP8=' } })
    await access.create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      data: { p: Buffer.from('s').toString('base64') },
    })
    const read = (kind: 'ConfigMap' | 'Secret'): object =>
      Object.fromEntries(
        [...(source.read('shop', { kind, name: 'x' }) ?? [])].map(([key, value]) => [key, value.toString('hex')]),
      )
    expect(read('ConfigMap')).toEqual({ a: 'c3a4', b: '00ff' })
    expect(read('Secret')).toEqual({ p: '73' })
    expect(source.read('other', { kind: 'Secret', name: 'x' })).toBeUndefined()
  })

  it('tell who follows them of each change, and nobody else', async () => {
    const access = new MemoryAccess(new FakeClock())
    const source = new ConfigSource(access)
    const seen: string[] = []
    const stop = source.follow(
      'shop',
      [
        { kind: 'ConfigMap', name: 'x' },
        { kind: 'ConfigMap', name: 'x' },
      ],
      () => seen.push('first'),
    )
    source.follow('shop', [{ kind: 'ConfigMap', name: 'x' }], () => seen.push('second'))
    source.follow('shop', [{ kind: 'Secret', name: 'x' }], () => seen.push('other'))
    await access.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: {} })
    await access.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, namespace: 'else' }, data: {} })
    await Promise.resolve()
    expect(seen).toEqual(['first', 'second'])
    stop()
    stop()
    await access.delete({ group: '', resource: 'configmaps', ...metadata })
    await Promise.resolve()
    expect(seen).toEqual(['first', 'second', 'second'])
    await source.close()
    await access.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: {} })
    await Promise.resolve()
    expect(seen).toHaveLength(3)
  })
})
