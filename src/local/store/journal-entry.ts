import { encodeLine } from './record-line.ts'
import type { ApiObject, ObjectKey, Revision } from './types.ts'

/** One write as the journal has it: the whole object, so that no record needs another. */
export interface JournalEntry {
  readonly revision: Revision
  readonly kind: 'put' | 'delete'
  readonly key: readonly [resource: string, namespace: string, name: string]
  readonly object: ApiObject
}

export function journalLine(revision: Revision, kind: JournalEntry['kind'], key: ObjectKey, object: ApiObject): string {
  const entry: JournalEntry = { revision, kind, key: [key.resource, key.namespace, key.name], object }
  return encodeLine(JSON.stringify(entry))
}
