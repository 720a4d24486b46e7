import { LineCounter, parseAllDocuments } from 'yaml'
import { formatPath, isRecord, lineOfPath, type Path, shown } from '#shared/document'
import { reasonOf } from '#shared/errors'
import { type KindReader, meshKinds } from './kinds.ts'
import { type ObjectId, readObject } from './read-object.ts'
import type { KubeObject, ObjectProblem } from './types.ts'

/** What a text holds: what can be used, and everything that is wrong with the rest. */
export interface ReadObjects {
  readonly objects: readonly KubeObject[]
  /** Objects that say who they are but are wrong: their last good form stays. */
  readonly rejected: readonly ObjectId[]
  readonly problems: readonly ObjectProblem[]
  /** Not YAML at all: nothing is known of what the file means now. */
  readonly isUnreadable: boolean
}

/** Problems told per text; a broken machine-written file shall not flood the log. */
const MAX_PROBLEMS = 100
/** Aliases a document may resolve to; more is an expansion attack. */
const MAX_ALIASES = 100
/** How deep `kind: List` may hold another. */
const MAX_LIST_DEPTH = 4

/**
 * Reads every Kubernetes object of a YAML text: several documents, and `kind: List`. Problems carry file, line and
 * path; an object with a problem is left out as a whole, its neighbours are taken.
 *
 * @param where the file's name, for problems
 * @param kinds what is understood; any other kind is a problem
 */
export function readObjects(text: string, where: string, kinds: readonly KindReader[] = meshKinds): ReadObjects {
  return new ObjectReader(text, where, kinds).read()
}

/** One document of the text: its value, and where each path of it stands. */
interface Source {
  readonly value: unknown
  readonly lineOf: (path: Path) => number | undefined
}

class ObjectReader {
  readonly #where: string
  readonly #text: string
  readonly #kinds: readonly KindReader[]
  readonly #lines = new LineCounter()
  readonly #objects: KubeObject[] = []
  readonly #rejected: ObjectId[] = []
  readonly #problems: ObjectProblem[] = []

  constructor(text: string, where: string, kinds: readonly KindReader[]) {
    this.#text = text
    this.#where = where
    this.#kinds = kinds
  }

  read(): ReadObjects {
    const documents = parseAllDocuments(this.#text, { lineCounter: this.#lines, prettyErrors: false })
    let isUnreadable = false
    for (const document of documents) {
      for (const error of document.errors) {
        isUnreadable = true
        const { line } = this.#lines.linePos(error.pos[0])
        this.#problem({ lineOf: () => line }, [], `is no YAML: ${error.message}`)
      }
      if (document.errors.length > 0) continue
      const lineOf = (path: Path): number | undefined => lineOfPath(document.contents, path, this.#lines)
      try {
        this.#readDocument({ value: document.toJS({ maxAliasCount: MAX_ALIASES }), lineOf }, [], 0)
      } catch (error) {
        // Only toJS throws: aliases without an anchor, or more of them than allowed.
        isUnreadable = true
        this.#problem({ lineOf }, [], `is no YAML: ${reasonOf(error)}`)
      }
    }
    const objects = isUnreadable ? [] : this.#objects
    return { objects, rejected: this.#rejected, problems: this.#problems, isUnreadable }
  }

  #readDocument(source: Source, at: Path, depth: number): void {
    const { value } = source
    if (value === null || value === undefined) return
    if (!isRecord(value)) this.#problem(source, at, `is no object: ${shown(value)}`)
    else if (value.kind === 'List') this.#readList(source, value, at, depth)
    else this.#readObject(source, value, at)
  }

  #readList(source: Source, value: Record<string, unknown>, at: Path, depth: number): void {
    const items = value.items ?? []
    const path = [...at, 'items']
    if (!Array.isArray(items)) this.#problem(source, path, 'must be a list')
    else if (depth >= MAX_LIST_DEPTH) this.#problem(source, at, 'lists are nested too deeply')
    else items.forEach((item, i) => void this.#readDocument({ ...source, value: item }, [...path, i], depth + 1))
  }

  #readObject(source: Source, value: Record<string, unknown>, at: Path): void {
    const { apiVersion, kind } = value
    const sameKind = this.#kinds.filter((known) => (known.documentKind ?? known.kind) === kind)
    const reader = sameKind.find((known) => known.apiVersions.includes(String(apiVersion)))
    if (reader === undefined) {
      const [known] = sameKind
      const hint = known === undefined ? '' : `; apiVersion ${known.apiVersions.join(' or ')} is`
      const name = `${shown(apiVersion ?? 'no apiVersion')} kind ${shown(kind ?? 'no kind')}`
      this.#problem(source, [...at, 'kind'], `${name} is not supported${hint}`)
      return
    }

    const read = readObject(value, reader, (path, problem) => this.#problem(source, [...at, ...path], problem))
    if (read.kind === 'read') this.#objects.push(read.object)
    else this.#rejected.push(read.id)
  }

  #problem(source: Pick<Source, 'lineOf'>, path: Path, problem: string): void {
    if (this.#problems.length >= MAX_PROBLEMS) return
    this.#problems.push({ where: this.#where, line: source.lineOf(path), path: formatPath(path), problem })
  }
}
