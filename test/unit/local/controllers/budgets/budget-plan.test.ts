import { expect, it } from 'vitest'
import { countBudget } from '../../../../../src/local/controllers/budgets/budget-plan.ts'
import type { DisruptionBudget, Pod } from '../../../../../src/local/controllers/core/shapes.ts'

const pod = (isReady: boolean, more: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', ...more },
  spec: { containers: [] },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }] },
})
const ready = [pod(true), pod(true), pod(true), pod(true)]

it.each<[string, DisruptionBudget['spec'], readonly Pod[], number, { desired: number; allowed: number }]>([
  ['so many must stay', { minAvailable: 3 }, ready, 4, { desired: 3, allowed: 1 }],
  ['a part of them must stay, rounded up', { minAvailable: '60%' }, ready, 4, { desired: 3, allowed: 1 }],
  ['all must stay', { minAvailable: '100%' }, ready, 4, { desired: 4, allowed: 0 }],
  ['so many may go', { maxUnavailable: 1 }, ready, 4, { desired: 3, allowed: 1 }],
  ['a part of them may go', { maxUnavailable: '50%' }, ready, 4, { desired: 2, allowed: 2 }],
  ['none may go', { maxUnavailable: 0 }, ready, 4, { desired: 4, allowed: 0 }],
  [
    'one that is not ready has used the budget',
    { maxUnavailable: 1 },
    [pod(false), pod(true)],
    2,
    { desired: 1, allowed: 0 },
  ],
  [
    'one that is going has too',
    { minAvailable: 1 },
    [pod(true, { deletionTimestamp: '2026-01-01T00:00:00Z' }), pod(true)],
    2,
    { desired: 1, allowed: 0 },
  ],
  ['fewer are there than are wanted', { maxUnavailable: 1 }, [pod(true)], 3, { desired: 2, allowed: 0 }],
  ['there are none', { maxUnavailable: 1 }, [], 0, { desired: 0, allowed: 0 }],
])('a budget is counted when %s', (_says, spec, pods, expected, { desired, allowed }) => {
  const budget: DisruptionBudget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'b' },
    spec,
  }
  expect(countBudget(budget, pods, expected)).toMatchObject({ desiredHealthy: desired, disruptionsAllowed: allowed })
})
