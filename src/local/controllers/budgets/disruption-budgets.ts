import { withCondition, writeStatus } from '../core/conditions.ts'
import type { Controller, Environment } from '../core/controller.ts'
import {
  BUDGETS,
  controllerOf,
  isDeleting,
  keyOf,
  listOf,
  ownKey,
  PODS,
  REPLICA_SETS,
  read,
  refOf,
  STATEFUL_SETS,
} from '../core/kinds.ts'
import { selects } from '../core/label-selector.ts'
import type { Pod, ReplicaSet, StatefulSet } from '../core/shapes.ts'
import { countBudget } from './budget-plan.ts'

const MANAGER = 'disruption-controller'
const SIZED = { ReplicaSet: REPLICA_SETS, StatefulSet: STATEFUL_SETS } as const

/** Counts how many pods of each budget may be evicted; the eviction itself looks there. */
export function disruptionBudgets({ access, clock }: Environment): Controller {
  return {
    name: 'disruption-budgets',
    watches: [
      { kind: BUDGETS, keysOf: ownKey },
      {
        kind: PODS,
        // Also those that selected the pod before its labels changed, so all of its namespace.
        keysOf: ({ object }) => listOf(access, BUDGETS, object.metadata.namespace ?? '').map(keyOf),
      },
    ],
    async reconcile(key) {
      const budget = read(access, BUDGETS, key)
      if (budget === undefined || isDeleting(budget)) return undefined
      const { selector } = budget.spec
      const { namespace = '', generation = 0 } = budget.metadata
      const pods =
        selector === undefined
          ? []
          : listOf(access, PODS, namespace).filter(({ metadata }) => selects(selector, metadata.labels))
      const count = countBudget(budget, pods, expectedOf(pods, namespace))
      const isSpare = count.disruptionsAllowed > 0
      const condition = {
        type: 'DisruptionAllowed',
        status: isSpare ? ('True' as const) : ('False' as const),
        reason: isSpare ? 'SufficientPods' : 'InsufficientPods',
        message: '',
      }
      const conditions = withCondition(budget.status?.conditions, condition, clock.nowMs())
      await writeStatus(access, budget, { ...count, observedGeneration: generation, conditions }, MANAGER)
      return undefined
    },
  }

  /** What the controllers of these pods want; a pod without one counts for itself. */
  function expectedOf(pods: readonly Pod[], namespace: string): number {
    const sizes = new Map<string, number>()
    for (const pod of pods) {
      const owner = controllerOf(pod)
      const kind = owner === undefined ? undefined : SIZED[owner.kind as keyof typeof SIZED]
      const found =
        owner === undefined || kind === undefined ? undefined : access.get(refOf(kind, namespace, owner.name))
      const size = (found as ReplicaSet | StatefulSet | undefined)?.spec.replicas
      if (size === undefined) sizes.set(pod.metadata.uid ?? pod.metadata.name, 1)
      else sizes.set(found?.metadata.uid ?? '', size)
    }
    return [...sizes.values()].reduce((sum, each) => sum + each, 0)
  }
}
