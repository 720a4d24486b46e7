import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type KubeObject, objectKey } from '#shared/k8s'
import { replaceFile } from '../host/index.ts'
import { documentOf } from './document.ts'

/**
 * The folder that the mesh's programs read: one file per object, as things are now. Files are replaced as a whole and
 * only when they change, so that a reader sees each object before or after a change, and nothing else.
 */
export class LiveFolder {
  readonly #dir: string
  /** Not below `#dir`, which is being watched. */
  readonly #beside: string
  readonly #written = new Map<string, string>()

  constructor(dir: string, beside: string) {
    this.#dir = dir
    this.#beside = join(beside, 'object.new')
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  }

  /** Makes the folder hold exactly these objects. */
  write(objects: readonly KubeObject[]): void {
    const stale = new Set(this.#written.keys())
    for (const object of objects) {
      const file = fileOf(object)
      stale.delete(file)
      const text = stringify(documentOf(object), { aliasDuplicateObjects: false, lineWidth: 0 })
      if (this.#written.get(file) === text) continue
      replaceFile(join(this.#dir, file), text, 0o600, this.#beside)
      this.#written.set(file, text)
    }
    for (const file of stale) {
      rmSync(join(this.#dir, file), { force: true })
      this.#written.delete(file)
    }
  }
}

/** Kind and names hold no other character that could mean a folder. */
function fileOf(object: KubeObject): string {
  return `${object.kind.toLowerCase()}_${objectKey(object).replace('/', '_')}.yaml`
}
