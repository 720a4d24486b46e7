import type { ApiObject } from '../../apiserver/index.ts'
import { type Kind, ownerReference, PODS, typeOf } from '../core/kinds.ts'
import type { Labels, Pod, PodTemplate } from '../core/shapes.ts'

/** What one pod gets besides its template. */
export interface PodExtras {
  readonly labels?: Labels
  readonly annotations?: Labels
  readonly finalizers?: readonly string[]
  /** Start of the name; default: the owner's. */
  readonly generateName?: string
}

/** A new pod as a controller asks the server for it; its name comes from the server. */
export function podOfTemplate<T extends ApiObject>(
  ownerKind: Kind<T>,
  owner: ApiObject,
  template: PodTemplate,
  extras: PodExtras = {},
): Pod {
  const { labels, annotations } = template.metadata ?? {}
  return {
    ...typeOf(PODS),
    metadata: {
      // Filled by the server from generateName.
      name: '',
      generateName: extras.generateName ?? `${owner.metadata.name}-`,
      ...(owner.metadata.namespace === undefined ? {} : { namespace: owner.metadata.namespace }),
      labels: { ...labels, ...extras.labels },
      annotations: { ...annotations, ...extras.annotations },
      ownerReferences: [ownerReference(ownerKind, owner)],
      ...(extras.finalizers === undefined ? {} : { finalizers: extras.finalizers }),
    },
    spec: template.spec,
  }
}

/** Writes of one run; the next run goes on. */
const MAX_AT_ONCE = 500

/**
 * Runs `one` for each item in growing groups (1, 2, 4…), so that a refusal that meets all of them is met once, not 500
 * times.
 *
 * @throws the first failure, after its group has ended
 */
export async function inGrowingGroups<T>(items: readonly T[], one: (item: T) => Promise<unknown>): Promise<void> {
  const bounded = items.slice(0, MAX_AT_ONCE)
  for (let from = 0, size = 1; from < bounded.length; from += size, size *= 2) {
    const results = await Promise.allSettled(bounded.slice(from, from + size).map(one))
    const failure = results.find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }
}
