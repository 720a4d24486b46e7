import { type KindReader, type KubeObject, type Namespace, type Pod, readApiObject } from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import type { ApiObject, ObjectAccess } from '../apiserver/index.ts'
import type { PodRules } from '../pod-plan/index.ts'
import { kindOf, localPodKind } from './kinds.ts'

/** A pod of the API that has a node, as this machine understands it. */
export interface ApiPod {
  readonly uid: string
  readonly raw: ApiObject
  /** Undefined: it cannot run here, for `problem`. */
  readonly pod: Pod | undefined
  readonly problem: string
}

/** Where a kind is in the API. */
interface Place {
  readonly group: string
  readonly resource: string
}

const PLACES = {
  Namespace: { group: '', resource: 'namespaces' },
} as const satisfies Readonly<Record<string, Place>>
const PODS: Place = { group: '', resource: 'pods' }

interface ReadKinds {
  readonly Namespace: Namespace
}

/** What the node runtime follows of the API, read once for each change. */
export class ApiObjects implements Closer {
  readonly #pods = new Map<string, ApiPod>()
  readonly #tables = new Map<string, Map<string, KubeObject>>()
  readonly #watches: readonly { stop(): void }[]

  /** @param changed after each change; what is there already comes before this returns */
  constructor(access: ObjectAccess, rules: PodRules, changed: () => void) {
    const podKind = localPodKind(rules)
    const kinds = Object.entries(PLACES).map(([kind, place]) => {
      const table = new Map<string, KubeObject>()
      this.#tables.set(kind, table)
      return this.#follow(access, place, (object, isGone) => {
        const { uid = '' } = object.metadata
        const read = isGone ? undefined : readAs(object, kindOf(kind))
        if (read === undefined) table.delete(uid)
        else table.set(uid, read)
        changed()
      })
    })
    const pods = this.#follow(access, PODS, (raw, isGone) => {
      const { uid = '' } = raw.metadata
      if (isGone) this.#pods.delete(uid)
      else this.#pods.set(uid, readPod(raw, uid, podKind))
      changed()
    })
    this.#watches = [...kinds, pods]
  }

  get pods(): ReadonlyMap<string, ApiPod> {
    return this.#pods
  }

  list<K extends keyof ReadKinds>(kind: K): readonly ReadKinds[K][] {
    // A kind's table holds only objects of that kind.
    return [...(this.#tables.get(kind)?.values() ?? [])] as unknown as readonly ReadKinds[K][]
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.stop()
  }

  #follow(
    access: ObjectAccess,
    { group, resource }: Place,
    take: (object: ApiObject, isGone: boolean) => void,
  ): { stop(): void } {
    return access.watch({ group, resource, namespace: '' }, ({ type, object }) => take(object, type === 'DELETED'))
  }
}

/** What the API holds has been checked by it; what the mesh cannot read of it all the same is not there for it. */
function readAs(object: ApiObject, reader: KindReader): KubeObject | undefined {
  const read = readApiObject(object, reader)
  return read.kind === 'read' ? read.object : undefined
}

function readPod(raw: ApiObject, uid: string, podKind: KindReader): ApiPod {
  const read = readApiObject(raw, podKind)
  if (read.kind === 'read') return { uid, raw, pod: read.object as Pod, problem: '' }
  const problem = read.problems.map(({ path, problem: text }) => `${path} ${text}`).join('; ')
  return { uid, raw, pod: undefined, problem }
}
