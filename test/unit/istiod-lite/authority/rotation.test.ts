import { describe, expect, it } from 'vitest'
import { type Material, makeSelfSigned, rootNames } from '../../../../src/istiod-lite/authority/material.ts'
import type { ReplicaReport } from '../../../../src/istiod-lite/authority/replica-report.ts'
import {
  type CaState,
  nextStep,
  type Phase,
  type RotationFacts,
  takeStep,
  trustedRoots,
} from '../../../../src/istiod-lite/authority/rotation.ts'

const NOW_MS = 1_700_000_000_000
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

const made = (lifeMs = 100 * DAY_MS): Material => makeSelfSigned('cluster.local', lifeMs, NOW_MS)
const [a, b, c] = [made(), made(), made()]
const plugged = (material: Material): Material => ({ ...material, origin: 'plugged-in' })
const stateIn = (phase: Phase, change: Partial<CaState> = {}): CaState => ({
  revision: 5,
  signing: a,
  phase,
  sinceMs: NOW_MS - 10 * MINUTE_MS,
  handledRequest: '',
  departed: [],
  ...change,
})
const report = (change: Partial<ReplicaReport> = {}): ReplicaReport => ({
  id: 'one',
  revision: 5,
  lease: { kind: 'open', untilMs: NOW_MS + MINUTE_MS },
  longestLifeMs: DAY_MS,
  leaves: [],
  ...change,
})
const facts = (change: Partial<RotationFacts> = {}): RotationFacts => ({
  nowMs: NOW_MS,
  pluggedIn: undefined,
  request: '',
  reports: [report()],
  propagationMs: MINUTE_MS,
  ...change,
})
const older = { revision: 4, untilMs: NOW_MS + MINUTE_MS, count: 1 }

describe('the next step of a CA', () => {
  const rows: readonly [shows: string, state: CaState, facts: Partial<RotationFacts>, step: string][] = [
    ['none, as all is well', stateIn({ kind: 'steady' }), {}, 'wait'],
    ['a new one when asked', stateIn({ kind: 'steady' }), { request: 'x' }, 'prepare'],
    [
      'none for what was followed already',
      stateIn({ kind: 'steady' }, { handledRequest: 'x' }),
      { request: 'x' },
      'wait',
    ],
    ['a new one with little life left', stateIn({ kind: 'steady' }), { nowMs: NOW_MS + 81 * DAY_MS }, 'prepare'],
    ['none while a fifth of its life is left', stateIn({ kind: 'steady' }), { nowMs: NOW_MS + 79 * DAY_MS }, 'wait'],
    ['another one that is plugged in', stateIn({ kind: 'steady' }), { pluggedIn: plugged(b) }, 'prepare'],
    ['none for the same one', stateIn({ kind: 'steady' }, { signing: plugged(a) }), { pluggedIn: plugged(a) }, 'wait'],
    [
      'none for a plugged-in one that was taken away',
      stateIn({ kind: 'steady' }, { signing: plugged(a) }),
      { request: 'x' },
      'wait',
    ],
    ['published, once every replica has it', stateIn({ kind: 'prepared', next: b }), {}, 'publish'],
    [
      'not published while a replica lags',
      stateIn({ kind: 'prepared', next: b }),
      { reports: [report({ revision: 4 })] },
      'wait',
    ],
    [
      'withdrawn when the old one is plugged in again',
      stateIn({ kind: 'published', next: b }),
      { pluggedIn: plugged(a) },
      'withdraw',
    ],
    [
      'a third one in place of the second',
      stateIn({ kind: 'published', next: b }),
      { pluggedIn: plugged(c) },
      'prepare',
    ],
    ['signing, once nobody lacks its root', stateIn({ kind: 'published', next: b }), {}, 'activate'],
    [
      'not signing while files may be old',
      stateIn({ kind: 'published', next: b }, { sinceMs: NOW_MS - 1 }),
      {},
      'wait',
    ],
    [
      'not signing while a leaf is older',
      stateIn({ kind: 'published', next: b }),
      { reports: [report({ leaves: [older] })] },
      'wait',
    ],
    [
      'not signing while a leaf of a replica that is gone is older',
      stateIn({ kind: 'published', next: b }, { departed: [older] }),
      {},
      'wait',
    ],
    [
      'not signing while a replica that vanished may have signed',
      stateIn({ kind: 'published', next: b }),
      { reports: [report({ revision: 4, lease: { kind: 'open', untilMs: NOW_MS - DAY_MS / 2 } })] },
      'wait',
    ],
    [
      'signing, as the root is trusted already: only the intermediate is another',
      stateIn({ kind: 'published', next: { ...b, rootsPem: a.rootsPem } }, { sinceMs: NOW_MS }),
      { reports: [report({ leaves: [older] })] },
      'activate',
    ],
    [
      'without the old root, once nobody has a leaf of it',
      stateIn({ kind: 'active', oldRootsPem: b.rootsPem }),
      {},
      'retire',
    ],
    [
      'with the old root while somebody has',
      stateIn({ kind: 'active', oldRootsPem: b.rootsPem }),
      { reports: [report({ leaves: [older] })] },
      'wait',
    ],
    [
      'not a third one before the second is settled',
      stateIn({ kind: 'active', oldRootsPem: b.rootsPem }),
      { pluggedIn: plugged(c) },
      'retire',
    ],
  ]
  it.each(rows)('is %s', (_, state, change, step) => {
    expect(nextStep(state, facts(change)).kind).toBe(step)
  })

  it('says what it waits for', () => {
    const state = stateIn({ kind: 'published', next: b }, { sinceMs: NOW_MS })
    const reports = [report({ leaves: [older] }), report({ id: 'two', revision: 4 })]
    expect(nextStep(state, facts({ reports }))).toEqual({
      kind: 'wait',
      reasons: [
        'replica two has not taken it up',
        'files with roots may be as old as 60 s',
        'certificates that lack the new root may be in use until 2023-11-14T22:14:20.000Z, unless renewed',
      ],
    })
  })
})

describe('what is trusted', () => {
  const names = (...materials: readonly Material[]): readonly string[] =>
    materials.flatMap(({ rootsPem }) => rootNames(rootsPem))

  it('is both roots from when the new one is published until the old one is retired, the signer first', () => {
    let state = stateIn({ kind: 'steady' })
    const trusted: (readonly string[])[] = []
    for (const kind of ['prepare', 'publish', 'activate', 'retire'] as const) {
      const step = kind === 'prepare' ? { kind, next: b, why: '' } : { kind }
      state = takeStep(state, step, facts({ request: 'x' }))
      trusted.push(rootNames(trustedRoots(state)))
    }
    expect(trusted).toEqual([names(a), names(a, b), names(b, a), names(b)])
    expect(state).toMatchObject({ revision: 9, signing: b, handledRequest: 'x', phase: { kind: 'steady' } })
  })

  it('keeps no key of a CA that has signed its last', () => {
    const state = takeStep(stateIn({ kind: 'published', next: b }), { kind: 'activate' }, facts())
    expect(JSON.stringify(state)).not.toContain(JSON.stringify(a.keyPem).slice(1, -1))
  })
})
