import { describe, expect, it } from 'vitest'
import {
  type CertificateEvent,
  type CertificateState,
  dueInMs,
  next,
  renewAt,
  retryDelayMs,
  usable,
} from '../../../../src/shared/identity/certificate-state.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'

const clock = new FakeClock()
const nowMs = clock.nowMs()
const ca = new MemoryCa({ clock })
const id = ca.id('shop', 'web')
const DAY_MS = 86_400_000
const old = ca.issue(id)
const fresh = ca.issue(id)
const error = new Error('CA down')
const expiredError = new Error('expired')

const states = {
  initial: { kind: 'initial' },
  valid: { kind: 'valid', certificate: old, renewAtMs: nowMs + DAY_MS / 2 },
  renewing: { kind: 'renewing', certificate: old, failures: 2 },
  stale: { kind: 'stale', certificate: old, error, failures: 2, retryInMs: 2_000 },
  unavailable: { kind: 'unavailable', error, failures: 3, retryInMs: 4_000 },
  recovering: { kind: 'recovering', error, failures: 3 },
} as const satisfies Record<CertificateState['kind'], CertificateState>

const newError = new Error('still down')
const events = {
  due: { kind: 'due' },
  fetched: { kind: 'fetched', certificate: fresh, nowMs },
  failed: { kind: 'failed', error: newError, nowMs, random: 0.5 },
  expired: { kind: 'expired', error: expiredError },
} as const satisfies Record<CertificateEvent['kind'], CertificateEvent>

const renewed: CertificateState = { kind: 'valid', certificate: fresh, renewAtMs: fresh.renewAtMs }
type Row = Record<CertificateEvent['kind'], CertificateState | 'forbidden'>

const table: Record<CertificateState['kind'], Row> = {
  initial: {
    due: 'forbidden',
    fetched: renewed,
    failed: { kind: 'unavailable', error: newError, failures: 1, retryInMs: 1_000 },
    expired: 'forbidden',
  },
  valid: {
    due: { kind: 'renewing', certificate: old, failures: 0 },
    fetched: 'forbidden',
    failed: 'forbidden',
    expired: { kind: 'unavailable', error: expiredError, failures: 0, retryInMs: 0 },
  },
  renewing: {
    due: 'forbidden',
    fetched: renewed,
    failed: { kind: 'stale', certificate: old, error: newError, failures: 3, retryInMs: 4_000 },
    expired: { kind: 'recovering', error: expiredError, failures: 2 },
  },
  stale: {
    due: { kind: 'renewing', certificate: old, failures: 2 },
    fetched: 'forbidden',
    failed: 'forbidden',
    expired: { kind: 'unavailable', error, failures: 2, retryInMs: 0 },
  },
  unavailable: {
    due: { kind: 'recovering', error, failures: 3 },
    fetched: 'forbidden',
    failed: 'forbidden',
    expired: 'forbidden',
  },
  recovering: {
    due: 'forbidden',
    fetched: renewed,
    failed: { kind: 'unavailable', error: newError, failures: 4, retryInMs: 8_000 },
    expired: 'forbidden',
  },
}

const rows = Object.entries(table).flatMap(([state, row]) =>
  Object.entries(row).map(
    ([event, expected]) =>
      [state, event, expected] as [CertificateState['kind'], CertificateEvent['kind'], Row[CertificateEvent['kind']]],
  ),
)

describe('the state of a certificate', () => {
  it.each(rows)('in %s goes on after %s', (state, event, expected) => {
    if (expected === 'forbidden') expect(() => next(states[state], events[event])).toThrowError(/does not take/)
    else expect(next(states[state], events[event])).toEqual(expected)
  })

  it('gives out the old certificate while a new one is fetched or failed to come', () => {
    expect(
      Object.values(states)
        .filter((state) => usable(state) === old)
        .map((state) => state.kind),
    ).toEqual(['valid', 'renewing', 'stale'])
  })

  it('names the next fetch only when none is queued or under way', () => {
    expect(Object.values(states).map((state) => dueInMs(state, nowMs))).toEqual([
      undefined,
      DAY_MS / 2,
      undefined,
      2_000,
      4_000,
      undefined,
    ])
  })

  it('retries no later than the old certificate expires', () => {
    const short = ca.issue(id, { ttlMs: 1_000 })
    const state = next({ kind: 'renewing', certificate: short, failures: 5 }, events.failed)
    expect(dueInMs(state, nowMs)).toBe(short.leaf.notAfterMs - nowMs)
  })
})

describe('the wait before a retry', () => {
  it('doubles from 1 s to 150 s', () => {
    expect([1, 2, 3, 7, 8, 9, 40, 1e6].map((failures) => retryDelayMs(failures, 0.5))).toEqual([
      1_000, 2_000, 4_000, 64_000, 128_000, 150_000, 150_000, 150_000,
    ])
  })

  it('is spread by a fifth', () => {
    expect([retryDelayMs(1, 0), retryDelayMs(1, 1)]).toEqual([800, 1_200])
  })
})

describe('the time of a renewal', () => {
  it.each([
    ['half of a long life', { ttlMs: DAY_MS }, DAY_MS / 2],
    ['half of a life that was dated back a little', { ttlMs: DAY_MS, backdateMs: 120_000 }, DAY_MS / 2 - 60_000],
    ['a third of what is left when half of the life is over', { ttlMs: 30_000, backdateMs: 120_000 }, 10_000],
    ['a second when next to nothing is left', { ttlMs: 2_000, backdateMs: 120_000 }, 1_000],
  ])('is %s', (_what, settings, afterMs) => {
    expect(renewAt(ca.issue(id, settings), nowMs) - nowMs).toBe(afterMs)
  })
})
