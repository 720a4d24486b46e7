import { isDeepStrictEqual } from 'node:util'
import { type KubeObject, type ObjectSource, objectKey } from '#shared/k8s'

/** What a source has told about some kinds, held against its own rules: nothing twice, nothing that was not there. */
export class ObjectMirror {
  readonly objects: Map<string, KubeObject> = new Map()
  readonly changes: string[] = []
  readonly violations: string[] = []

  constructor(source: ObjectSource, ...kinds: readonly string[]) {
    for (const kind of kinds) source.subscribe(kind, ({ type, object }) => this.#take(type, object))
  }

  keys(kind: string): string[] {
    return [...this.objects.values()]
      .filter((object) => object.kind === kind)
      .map(objectKey)
      .sort()
  }

  #take(type: 'added' | 'updated' | 'deleted', object: KubeObject): void {
    const key = `${object.kind} ${objectKey(object)}`
    const held = this.objects.get(key)
    this.changes.push(`${type} ${key}`)
    if ((type === 'added') !== (held === undefined)) this.violations.push(`${type} ${key} does not fit what is held`)
    if (type === 'updated' && isDeepStrictEqual(held, object)) this.violations.push(`${key} was told without change`)
    if (type === 'deleted') this.objects.delete(key)
    else this.objects.set(key, object)
  }
}
