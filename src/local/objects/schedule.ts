/** A pod for the purpose of finding it a node. */
export interface SchedulingFacts {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

export interface PlacedPod extends SchedulingFacts {
  readonly node: string
}

/**
 * The node for a pod that names none: the one with the fewest pods like it (same namespace and labels, as replicas
 * have), then with the fewest pods, then the first.
 *
 * @param nodes at least one
 */
export function pickNode(pod: SchedulingFacts, nodes: readonly string[], placed: readonly PlacedPod[]): string {
  const key = likenessOf(pod)
  const loads = nodes.map((node) => {
    const here = placed.filter((other) => other.node === node)
    return { node, alike: here.filter((other) => likenessOf(other) === key).length, all: here.length }
  })
  loads.sort((a, b) => a.alike - b.alike || a.all - b.all)
  const best = loads[0]
  if (best === undefined) throw new RangeError('a pod cannot be placed without nodes')
  return best.node
}

function likenessOf({ namespace, labels }: SchedulingFacts): string {
  return JSON.stringify([namespace, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))])
}
