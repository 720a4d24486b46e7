import type { Column } from '../definition-types.ts'
import type { PrinterColumn } from './crd-types.ts'
import { findAll, type JsonPath, parseJsonPath } from './json-path.ts'

/** Longest cell, in characters. */
const MAX_CELL = 1_024

const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'CreationTimestamp is the time at which the object was created.',
}

/** The columns that `kubectl get` shows besides the name; the age when the CRD names none. */
export function columnsOf(columns: readonly PrinterColumn[] | undefined): readonly Column[] {
  return (columns === undefined || columns.length === 0 ? [AGE] : columns).map((column) => {
    // A path that does not parse was refused with the CRD.
    const path = parseJsonPath(column.jsonPath) ?? []
    return {
      name: column.name,
      type: column.type,
      ...(column.format === undefined ? {} : { format: column.format }),
      priority: column.priority ?? 0,
      description: column.description ?? '',
      cell: (object) => cellOf(object, path, column.type),
    }
  })
}

/** Kubernetes shows the first value that is found; a list or an object in a text column is shown as JSON. */
function cellOf(object: unknown, path: JsonPath, type: Column['type']): string | number | boolean | null {
  const [value] = findAll(object, path)
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? value : null
    case 'string': {
      if (value === undefined || value === null) return null
      const text = typeof value === 'string' ? value : JSON.stringify(value)
      return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)}…` : text
    }
  }
}
