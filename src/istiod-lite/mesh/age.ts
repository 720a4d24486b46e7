import type { ObjectMeta } from '#shared/k8s'

type Aged = Pick<ObjectMeta, 'namespace' | 'name' | 'creationTimestamp'>

/** When an object was made; one that does not say counts as the youngest. */
export function madeAtMs({ creationTimestamp }: Pick<ObjectMeta, 'creationTimestamp'>): number {
  return creationTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(creationTimestamp)
}

/** Of two that are equally old the one with the smaller name, so that the answer is the same in every process. */
export function isOlder(a: Aged, b: Aged): boolean {
  const [aMs, bMs] = [madeAtMs(a), madeAtMs(b)]
  if (aMs !== bMs) return aMs < bMs
  return a.namespace === b.namespace ? a.name < b.name : a.namespace < b.namespace
}

export function oldest<T extends { readonly metadata: Aged }>(objects: readonly T[]): T | undefined {
  return objects.reduce<T | undefined>(
    (best, object) => (best === undefined || isOlder(object.metadata, best.metadata) ? object : best),
    undefined,
  )
}
