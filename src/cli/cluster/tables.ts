import { isRecord } from '#shared/document'
import { collectionPath, type ListOptions, objectPath, withQuery } from '#shared/kube-client'
import type { ServedResource } from './discovery.ts'

/** The server prints objects itself; JSON is what one answers that cannot. */
export const TABLE_TYPE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'

/** Rows as the server prints them. */
export interface ServerTable {
  readonly columns: readonly { readonly name: string; readonly isWide: boolean }[]
  readonly rows: readonly TableRow[]
  readonly resourceVersion: string
  /** Empty on the last page. */
  readonly continueToken: string
}

export interface TableRow {
  readonly cells: readonly string[]
  readonly namespace: string
  readonly name: string
}

export interface TableRequest extends ListOptions {
  /** Undefined: all of them. */
  readonly name?: string
  readonly continueToken?: string
}

const PAGE_LIMIT = 500

export function tablePath(resource: ServedResource, request: TableRequest): string {
  const { namespace = '', name, labelSelector, fieldSelector, continueToken } = request
  if (name !== undefined) return objectPath(resource, { namespace, name })
  return withQuery(collectionPath(resource, namespace), {
    labelSelector,
    fieldSelector,
    limit: PAGE_LIMIT,
    continue: continueToken,
  })
}

/** A `Table`; columns from an earlier one where this one has none, as in the events of a watch. */
export function readTable(answer: unknown, before: ServerTable['columns'] = []): ServerTable | undefined {
  if (!isRecord(answer) || answer.kind !== 'Table') return undefined
  const columns = records(answer.columnDefinitions).map(({ name, priority }) => ({
    name: String(name),
    isWide: typeof priority === 'number' && priority > 0,
  }))
  const metadata = isRecord(answer.metadata) ? answer.metadata : {}
  return {
    columns: columns.length > 0 ? columns : before,
    rows: records(answer.rows).map(({ cells, object }) => {
      const { name, namespace } = isRecord(object) && isRecord(object.metadata) ? object.metadata : {}
      return {
        cells: Array.isArray(cells) ? cells.map(cellText) : [],
        namespace: typeof namespace === 'string' ? namespace : '',
        name: typeof name === 'string' ? name : '',
      }
    }),
    resourceVersion: typeof metadata.resourceVersion === 'string' ? metadata.resourceVersion : '',
    continueToken: typeof metadata.continue === 'string' ? metadata.continue : '',
  }
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return '<none>'
  // One object is one line.
  const text = typeof cell === 'string' ? (cell.split('\n')[0] ?? '') : JSON.stringify(cell)
  return text
}

function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}
