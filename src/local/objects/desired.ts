import type { KubeObject, ObjectOf, ObjectProblem, ObjectSource } from '#shared/k8s'
import { formatProblem, objectKey } from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'

/** A folder of objects, and the folder itself, which is where its pods' commands run. */
export interface DesiredSource {
  readonly folder: string
  readonly source: ObjectSource
}

/** An object as its user wrote it, with the folder it came from. */
export interface Desired<T extends KubeObject> {
  readonly object: T
  readonly folder: string
}

/** The kinds that are read from users' folders. Nodes are made here. */
const KINDS = [
  'Namespace',
  'ServiceAccount',
  'ConfigMap',
  'Secret',
  'Pod',
  'Service',
  'EndpointSlice',
  'PeerAuthentication',
  'AuthorizationPolicy',
  'ServiceEntry',
  'WorkloadEntry',
] as const
export type DesiredKind = (typeof KINDS)[number]

/** What users want, from all their folders; of two objects of one name the first folder's counts. */
export class DesiredObjects implements Closer {
  readonly synced: Promise<unknown>
  readonly #sources: readonly DesiredSource[]
  readonly #tables: ReadonlyMap<DesiredSource, ReadonlyMap<string, Map<string, KubeObject>>>

  /** @param changed after each change, the first state included */
  constructor(sources: readonly DesiredSource[], changed: () => void) {
    this.#sources = sources
    this.synced = Promise.all(sources.map(({ source }) => source.synced))
    this.#tables = new Map(
      sources.map((each) => {
        const byKind = new Map<string, Map<string, KubeObject>>()
        for (const kind of KINDS) {
          const table = new Map<string, KubeObject>()
          byKind.set(kind, table)
          each.source.subscribe(kind, ({ type, object }) => {
            if (type === 'deleted') table.delete(objectKey(object))
            else table.set(objectKey(object), object)
            changed()
          })
        }
        return [each, byKind]
      }),
    )
  }

  list<K extends DesiredKind>(kind: K): readonly Desired<ObjectOf<K>>[] {
    const found = new Map<string, Desired<ObjectOf<K>>>()
    for (const [{ folder }, tables] of this.#tables) {
      for (const [key, object] of tables.get(kind) ?? []) {
        // A kind's table holds only objects of that kind.
        if (!found.has(key)) found.set(key, { object: object as ObjectOf<K>, folder })
      }
    }
    return [...found.values()].sort((a, b) => (objectKey(a.object) < objectKey(b.object) ? -1 : 1))
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map(({ source }) => source.close()))
  }

  /** Whether every file could be read, so that what is in none is in truth not wanted. */
  get isComplete(): boolean {
    return this.#sources.every(({ source }) => source.problems.length === 0)
  }

  /** What could not be read, and what is hidden by an object of the same name. */
  get problems(): readonly ObjectProblem[] {
    const told = new Map<string, ObjectProblem>()
    for (const { source } of this.#sources) {
      for (const problem of source.problems) told.set(formatProblem(problem), problem)
    }
    for (const kind of KINDS) {
      const owners = new Map<string, string>()
      for (const [{ folder }, tables] of this.#tables) {
        for (const key of tables.get(kind)?.keys() ?? []) {
          const owner = owners.get(key)
          if (owner === undefined) owners.set(key, folder)
          else told.set(`${kind}/${key}`, hidden(kind, key, folder, owner))
        }
      }
    }
    return [...told.values()]
  }
}

function hidden(kind: string, key: string, folder: string, owner: string): ObjectProblem {
  return { where: folder, line: undefined, path: '', problem: `${kind} ${key} is also in ${owner}, which counts` }
}
