import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PoolKeyTexts, poolKeyText } from '../../../../src/shared/hbone/pool-key.ts'
import type { PoolKey } from '../../../../src/shared/hbone/types.ts'
import { identity, ip } from '../../../support/mesh-builder.ts'

const identities = fc.constantFrom(identity('a/a'), identity('a/b'))
const ips = fc.constantFrom(ip('10.0.0.1'), ip('10.0.0.2'), ip('fd00::1'))
const keys: fc.Arbitrary<PoolKey> = fc.record({
  source: identities,
  acceptedPeers: fc.array(identities, { maxLength: 2 }),
  destination: fc.record({ ip: ips, port: fc.constantFrom(15_008, 15_009) }),
  workloadUid: fc.constantFrom('one', 'another'),
  sourceIp: ips,
})

describe('the text of a pool key', () => {
  it('is its own for each key that differs in anything, the order of accepted peers included', () => {
    fc.assert(
      fc.property(keys, keys, (a, b) => {
        expect(poolKeyText(a) === poolKeyText(b)).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
    )
  })

  it('is the same from memory, whichever key came before', () => {
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 20 }), (asked) => {
        const texts = new PoolKeyTexts()
        for (const key of asked.flatMap((one) => [one, structuredClone(one)]))
          expect(texts.of(key)).toBe(poolKeyText(key))
      }),
    )
  })
})
