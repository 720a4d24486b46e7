import { isActive, isReady } from '../core/pods.ts'
import type { DisruptionBudget, Pod } from '../core/shapes.ts'

/** What a budget's status says. */
export interface BudgetCount {
  readonly expectedPods: number
  readonly currentHealthy: number
  readonly desiredHealthy: number
  readonly disruptionsAllowed: number
}

/**
 * How many pods may be taken away on purpose.
 *
 * @param pods that the budget selects
 * @param expectedPods that their controllers want
 */
export function countBudget({ spec }: DisruptionBudget, pods: readonly Pod[], expectedPods: number): BudgetCount {
  const currentHealthy = pods.filter((pod) => isActive(pod) && isReady(pod)).length
  const { minAvailable, maxUnavailable } = spec
  const desiredHealthy =
    maxUnavailable === undefined
      ? partOf(minAvailable ?? 1, expectedPods)
      : Math.max(0, expectedPods - partOf(maxUnavailable, expectedPods))
  const spare = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy)
  return { expectedPods, currentHealthy, desiredHealthy, disruptionsAllowed: spare }
}

/** A number, or a part of all, rounded up as Kubernetes does for budgets. */
function partOf(value: number | string, all: number): number {
  return typeof value === 'number' ? value : Math.ceil((Number.parseInt(value, 10) * all) / 100)
}
