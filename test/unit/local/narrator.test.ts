import { expect, it } from 'vitest'
import type { MeshStatus } from '#shared/control'
import { waitsOf } from '../../../src/local/narrator.ts'

it('what a mesh waits for is named with its reason, the first few of it', () => {
  const pod = { namespace: 'shop', ready: false, reason: '', phase: 'capturing' }
  const status = {
    programs: [
      { name: 'istiod-lite', node: undefined, ready: true },
      { name: 'ztunnel', node: 'node-a', ready: false, reason: 'exited with status 1', state: 'backing-off' },
    ],
    pods: [{ ...pod, name: 'up', ready: true }, ...Array.from('abcdef', (name) => ({ ...pod, name }))],
  } as unknown as MeshStatus
  expect(waitsOf(status)).toBe(
    'ztunnel on node-a (exited with status 1), pod shop/a (capturing), pod shop/b (capturing), pod shop/c (capturing), pod shop/d (capturing) and 2 more',
  )
})
