import { describe, expect, it } from 'vitest'
import {
  heldSpec,
  type LeaseRecord,
  nextStep,
  readLease,
  releasedSpec,
} from '../../../../src/istiod-lite/leadership/lease.ts'
import { leaseTimes } from '../../../../src/istiod-lite/leadership/lease-times.ts'

const self = { identity: 'a', durationMs: 15_000 }
const lease = (more: Partial<LeaseRecord> = {}): LeaseRecord => ({
  holder: 'b',
  durationMs: 15_000,
  transitions: 3,
  acquireTime: '2026-01-01T00:00:00.000000Z',
  resourceVersion: '7',
  ...more,
})

describe('what a candidate does with a lease', () => {
  it.each<[string, Partial<LeaseRecord> | undefined, number, string]>([
    ['makes one that is not there', undefined, 0, 'create'],
    ['renews its own', { holder: 'a' }, 0, 'renew'],
    ['renews its own even when it has not been renewed for long', { holder: 'a' }, 99_000, 'renew'],
    ['takes one that was given back at once', { holder: '', durationMs: 1_000 }, 0, 'take'],
    ['waits for another holder', {}, 14_999, 'wait'],
    ['takes one that it has seen unchanged for its duration', {}, 15_000, 'take'],
    ['waits as long as the holder relies on', { durationMs: 60_000 }, 59_999, 'wait'],
    ['waits as long as it would itself rely on', { durationMs: 1_000 }, 14_999, 'wait'],
  ])('%s', (_what, given, seenForMs, step) => {
    const sighting = given && { lease: lease(given), seenAtMs: 1_000 }
    expect(nextStep(sighting, self, 1_000 + seenForMs).kind).toBe(step)
  })

  it('reads nonsense as a lease that nobody holds', () => {
    expect(readLease({ spec: { holderIdentity: 5, leaseDurationSeconds: '15' } })).toEqual({
      holder: '',
      durationMs: 0,
      transitions: 0,
      acquireTime: undefined,
      resourceVersion: '',
    })
  })

  it('writes what other controllers of Kubernetes understand', () => {
    const now = Date.UTC(2026, 0, 2)
    expect(heldSpec(self, undefined, now)).toEqual({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-02T00:00:00.000000Z',
      renewTime: '2026-01-02T00:00:00.000000Z',
      leaseTransitions: 0,
    })
    expect(heldSpec(self, lease({ holder: 'a' }), now)).toMatchObject({
      acquireTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: 3,
    })
    expect(heldSpec(self, lease(), now)).toMatchObject({
      acquireTime: '2026-01-02T00:00:00.000000Z',
      leaseTransitions: 4,
    })
    expect(releasedSpec(now)).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 })
  })

  it.each([3_000, 15_000, 60_000])('ends its right and its last write before a lease of %i ms can be taken', (ms) => {
    const { durationMs, retryMs, rightMs, writeTimeoutMs } = leaseTimes(ms)
    expect(rightMs + writeTimeoutMs).toBeLessThan(durationMs)
    expect(retryMs * 3).toBeLessThan(rightMs)
  })
})
