import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import {
  formatProblem,
  type KindReader,
  type KubeObject,
  type ObjectProblem,
  type ObjectTable,
  objectKey,
  readApiObject,
} from '#shared/k8s'
import type { Logger } from '#shared/telemetry'
import type { ApiDocument, WatchEvent } from './types.ts'

/** Problems kept per kind; the log has each. */
const MAX_PROBLEMS = 200

/** An object of a list, as it was read. */
export interface ListedObject {
  readonly key: string
  /** Undefined: it is there, and wrong. */
  readonly object: KubeObject | undefined
  readonly uid: string
  readonly problems: readonly ObjectProblem[]
}

/**
 * The objects of one kind in their last good form, in a table that they share with other kinds; tells of the table's
 * subscribers only what differs. An object that cannot be read keeps its last good form, as long as it is the same one.
 */
export class HeldKind {
  readonly #reader: KindReader
  readonly #table: ObjectTable
  readonly #logger: Logger
  /** Of each object that cannot be read now, by key. */
  readonly #problems = new Map<string, readonly ObjectProblem[]>()

  constructor(reader: KindReader, table: ObjectTable, logger: Logger) {
    this.#reader = reader
    this.#table = table
    this.#logger = logger
  }

  get count(): number {
    return this.#table.countOf(this.#reader.kind)
  }

  get problems(): readonly ObjectProblem[] {
    return [...this.#problems.values()].flat().slice(0, MAX_PROBLEMS)
  }

  /** @throws MeshError `KUBE_API_UNREACHABLE` when it does not even say which object it is */
  read(item: unknown): ListedObject {
    const key = this.#keyOf(item)
    const read = readApiObject(item, this.#reader)
    return read.kind === 'read'
      ? { key, object: read.object, uid: read.object.metadata.uid, problems: [] }
      : { key, object: undefined, uid: read.uid, problems: read.problems }
  }

  /** Holds exactly what a list has. */
  replace(listed: readonly ListedObject[]): void {
    const keys = new Set(listed.map(({ key }) => key))
    for (const key of [...this.#problems.keys()]) if (!keys.has(key)) this.#problems.delete(key)
    for (const one of listed) this.#note(one)
    const objects = listed.flatMap((one) => one.object ?? this.#lastGood(one) ?? [])
    this.#table.replaceKind(this.#reader.kind, objects)
  }

  /** @throws as `read` */
  change(type: Exclude<WatchEvent['type'], 'BOOKMARK'>, item: ApiDocument): void {
    const { kind } = this.#reader
    if (type === 'DELETED') {
      const key = this.#keyOf(item)
      this.#problems.delete(key)
      this.#table.delete(kind, key)
      return
    }
    const one = this.read(item)
    this.#note(one)
    if (one.object !== undefined) this.#table.put(one.object)
    else if (this.#lastGood(one) === undefined) this.#table.delete(kind, one.key)
  }

  #lastGood({ key, uid }: ListedObject): KubeObject | undefined {
    const held = this.#table.get(this.#reader.kind, key)
    return held?.metadata.uid === uid ? held : undefined
  }

  #note({ key, problems }: ListedObject): void {
    const before = (this.#problems.get(key) ?? []).map(formatProblem)
    if (problems.length === 0) {
      if (this.#problems.delete(key)) this.#logger.info(`${this.#reader.kind} ${key} can be read again`)
      return
    }
    this.#problems.set(key, problems)
    for (const text of problems.map(formatProblem)) if (!before.includes(text)) this.#logger.error(text)
  }

  #keyOf(item: unknown): string {
    const metadata = isRecord(item) && isRecord(item.metadata) ? item.metadata : {}
    const { name, namespace } = metadata
    if (typeof name !== 'string' || name === '')
      throw new MeshError('KUBE_API_UNREACHABLE', `the API server gave a ${this.#reader.kind} without a name`)
    const space = this.#reader.namespaced && typeof namespace === 'string' ? namespace : ''
    return objectKey({ metadata: { name, namespace: space } as KubeObject['metadata'] })
  }
}
