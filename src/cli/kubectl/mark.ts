import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { type ApiDocument, objectPath, withQuery } from '#shared/kube-client'
import { objectName } from '../cluster/index.ts'
import { FIELD_MANAGER } from './apply.ts'
import { type SelectFlags, selectObjects } from './select.ts'
import type { Session } from './session.ts'

export type MarkKind = 'labels' | 'annotations'

export interface MarkFlags extends SelectFlags {
  readonly overwrite?: boolean
}

/** What is to be set, and what to be taken away: null. */
export type Marks = Readonly<Record<string, string | null>>

/** The objects named first, then `KEY=VALUE` and `KEY-`. @throws MeshError with the form */
export function splitMarks(args: readonly string[]): { readonly names: readonly string[]; readonly marks: Marks } {
  const isMark = (arg: string): boolean => arg.includes('=') || arg.endsWith('-')
  const at = args.findIndex(isMark)
  const names = at < 0 ? args : args.slice(0, at)
  const given = at < 0 ? [] : args.slice(at)
  if (given.length === 0) throw new MeshError('COMMAND_FAILED', 'say what to set: KEY=VALUE, or KEY- to take it away')
  const marks: Record<string, string | null> = {}
  for (const each of given) {
    const [key = '', ...value] = each.split('=')
    if (!isMark(each) || key === '')
      throw new MeshError('COMMAND_FAILED', `${each} is neither KEY=VALUE nor KEY-; objects come before these`)
    const name = value.length > 0 ? key : key.slice(0, -1)
    if (Object.hasOwn(marks, name)) throw new MeshError('COMMAND_FAILED', `${name} is given twice`)
    marks[name] = value.length > 0 ? value.join('=') : null
  }
  return { names, marks }
}

/** What differs from the object as it is; a value that would be replaced is a clash. */
export function changesOf(
  document: ApiDocument,
  kind: MarkKind,
  marks: Marks,
): { readonly changes: Marks; readonly clashes: readonly string[] } {
  const metadata = isRecord(document.metadata) ? document.metadata : {}
  const given = metadata[kind]
  const now = isRecord(given) ? given : {}
  const changes = Object.entries(marks).filter(([name, value]) => (now[name] ?? null) !== value)
  const clashes = changes.flatMap(([name, value]) => (value !== null && now[name] !== undefined ? [name] : []))
  return { changes: Object.fromEntries(changes), clashes }
}

/** `kubectl label` and `kubectl annotate`. */
export async function mark(session: Session, kind: MarkKind, args: readonly string[], flags: MarkFlags): Promise<void> {
  const { names, marks } = splitMarks(args)
  for (const { resource, id } of await selectObjects(session, names, flags)) {
    const name = objectName(resource, id.name)
    const document = await session.connection.get(resource, id)
    if (document === undefined) {
      session.fail(`${resource.resource} "${id.name}" not found`)
      continue
    }
    const { changes, clashes } = changesOf(document, kind, marks)
    if (clashes.length > 0 && flags.overwrite !== true) {
      session.fail(`${name} has another value for ${clashes.join(', ')}; --overwrite replaces it`)
      continue
    }
    if (Object.keys(changes).length > 0) {
      await session.connection.json({
        method: 'PATCH',
        path: withQuery(objectPath(resource, id), { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict' }),
        body: { contentType: 'application/merge-patch+json', value: { metadata: { [kind]: changes } } },
      })
    }
    session.say(`${name} ${wordFor(kind, changes)}`)
  }
}

function wordFor(kind: MarkKind, changes: Marks): string {
  const word = kind === 'labels' ? 'labeled' : 'annotated'
  const values = Object.values(changes)
  if (values.length === 0) return `not ${word}`
  return values.every((value) => value === null) && kind === 'labels' ? 'unlabeled' : word
}
