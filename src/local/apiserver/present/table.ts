import type { ApiObject, Column, VersionDefinition } from '../types.ts'
import { ageSince } from './age.ts'
import { partialMetadata } from './partial.ts'

/** How much of the object a row carries: kubectl needs the metadata, and the whole for `--sort-by`. */
export type IncludeObject = 'None' | 'Metadata' | 'Object'

/** `kind: Table` of meta.k8s.io/v1. */
export interface Table {
  readonly kind: 'Table'
  readonly apiVersion: 'meta.k8s.io/v1'
  readonly metadata: Readonly<Record<string, unknown>>
  readonly columnDefinitions: readonly object[]
  readonly rows: readonly object[]
}

const nameColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  priority: 0,
  description: 'Name must be unique within a namespace.',
}

/**
 * @param withHeader false in every event of a watch but the first: clients keep what they got
 */
export function tableOf(
  items: readonly ApiObject[],
  version: VersionDefinition,
  metadata: Readonly<Record<string, unknown>>,
  includeObject: IncludeObject,
  nowMs: number,
  withHeader: boolean,
): Table {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: withHeader ? [nameColumn, ...version.columns.map(definitionOf)] : [],
    rows: items.map((object) => ({
      cells: [object.metadata.name, ...version.columns.map((column) => cellOf(column, object, nowMs))],
      ...(includeObject === 'None' ? {} : { object: includeObject === 'Object' ? object : partialMetadata(object) }),
    })),
  }
}

function definitionOf({ name, type, format, priority, description }: Column): object {
  return { name, type, format: format ?? '', priority, description }
}

function cellOf(column: Column, object: ApiObject, nowMs: number): unknown {
  const value = column.cell(object, nowMs)
  // An age: dates are shown by how long ago they were.
  if (column.type === 'date') return ageSince(value, nowMs)
  return value
}
