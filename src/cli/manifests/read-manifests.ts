import { LineCounter, parseAllDocuments } from 'yaml'
import { isRecord, lineOfPath, type Path } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ApiDocument } from '#shared/kube-client'

/** One object of a file. */
export interface Manifest {
  /** `FILE:LINE`, for messages. */
  readonly where: string
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  /** Empty when none is written. */
  readonly namespace: string
  readonly document: ApiDocument
  /** `FILE:LINE` of a field, or of the nearest one above it that is written. */
  readonly whereOf: (path: Path) => string
}

/** Aliases of a document may not make it grow without end; definitions of kinds use hundreds. */
const MAX_ALIASES = 10_000

/**
 * The objects of a text of YAML or JSON documents; the items of a `List` are objects of their own, empty documents none.
 * @throws MeshError `CONFIG_INVALID` with file and line of what is wrong
 */
export function parseManifests(text: string, file: string): readonly Manifest[] {
  const lines = new LineCounter()
  // Its error form is an empty list with a flag; then there are no documents.
  const documents = [...parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true })]
  return documents.flatMap((document) => {
    const where = (offset: number): string => `${file}:${lines.linePos(offset).line}`
    const [error] = document.errors
    if (error !== undefined) throw invalid(where(error.pos[0]), error.message.split('\n')[0] ?? '')
    const start = where(document.contents?.range?.[0] ?? 0)
    let value: unknown
    try {
      value = document.toJS({ maxAliasCount: MAX_ALIASES })
    } catch (cause) {
      throw invalid(start, (cause as Error).message)
    }
    const whereOf = (path: Path): string => `${file}:${lineOfPath(document.contents, path, lines) ?? 1}`
    return value === null || value === undefined ? [] : readObject(value, start, whereOf)
  })
}

function readObject(value: unknown, where: string, whereOf: Manifest['whereOf']): readonly Manifest[] {
  if (!isRecord(value)) throw invalid(where, 'a document must be an object')
  const { apiVersion, kind } = value
  if (typeof apiVersion !== 'string' || apiVersion === '') throw invalid(where, 'apiVersion is missing')
  if (typeof kind !== 'string' || kind === '') throw invalid(where, 'kind is missing')
  if (kind.endsWith('List') && Array.isArray(value.items))
    return value.items.flatMap((item, i) => readObject(item, where, (path) => whereOf(['items', i, ...path])))
  const { name, namespace } = isRecord(value.metadata) ? value.metadata : {}
  if (typeof name !== 'string' || name === '') throw invalid(where, `${kind} needs metadata.name`)
  return [
    {
      where,
      whereOf,
      apiVersion,
      kind,
      name,
      namespace: typeof namespace === 'string' ? namespace : '',
      document: value,
    },
  ]
}

function invalid(where: string, problem: string): MeshError {
  return new MeshError('CONFIG_INVALID', `${where}: ${problem}`)
}
