import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { type ApiDocument, isStatus } from '#shared/kube-client'
import {
  findResource,
  findResources,
  objectName,
  readTable,
  type ServedResource,
  type ServerTable,
  TABLE_TYPE,
  type TableRequest,
  type TableRow,
  tablePath,
} from '../cluster/index.ts'
import { type DocumentFormat, documentText, table } from '../print/index.ts'
import { listOptions, readSelection, type SelectFlags } from './select.ts'
import type { Session } from './session.ts'
import { watchObjects, watchRows } from './watch-rows.ts'

export interface GetFlags extends SelectFlags {
  readonly output?: DocumentFormat | 'wide' | 'name'
  readonly watch?: boolean
  readonly headers?: boolean
  readonly ignoreNotFound?: boolean
}

/** One request for objects: a kind, or one object of it. */
export interface Wanted {
  readonly resource: ServedResource
  readonly name: string | undefined
}

export async function get(session: Session, args: readonly string[], flags: GetFlags): Promise<void> {
  const wanted = await readWanted(session, args)
  if (flags.allNamespaces === true && wanted.some(({ name }) => name !== undefined))
    throw new MeshError('COMMAND_FAILED', 'one object is in one namespace: names do not go together with -A')
  if (flags.watch === true) return watchWanted(session, wanted, flags)
  const { output } = flags
  if (output === 'json' || output === 'yaml') return printDocuments(session, wanted, flags, output)
  const isSeveral = new Set(wanted.map(({ resource }) => resource)).size > 1
  let printed = 0
  for (const { resource, names } of groupsOf(wanted)) {
    const rows = await tableOf(session, resource, names, flags)
    if (rows === undefined || rows.rows.length === 0) continue
    if (output === 'name') for (const row of rows.rows) session.say(objectName(resource, row.name))
    else {
      if (printed > 0) session.say('')
      session.terminal.stdout.write(tableText(rows, resource, flags, isSeveral))
    }
    printed += rows.rows.length
  }
  if (printed > 0 || output === 'name') return
  if (wanted.some(({ name }) => name !== undefined)) return
  const where = flags.allNamespaces === true || wanted.every(({ resource }) => !resource.namespaced)
  session.terminal.stderr.write(
    where ? 'No resources found\n' : `No resources found in ${session.namespace} namespace.\n`,
  )
}

async function readWanted(session: Session, args: readonly string[]): Promise<readonly Wanted[]> {
  const selection = readSelection(args)
  const resources = await session.resources()
  if (selection.kind === 'named')
    return selection.objects.map(({ type, name }) => ({ resource: findResource(resources, type), name }))
  return selection.types.flatMap((type) =>
    findResources(resources, type).map((resource) => ({ resource, name: undefined })),
  )
}

/** Objects of one kind that are named one after the other: one table. */
interface Group {
  readonly resource: ServedResource
  /** Undefined: all of the kind. */
  readonly names: readonly (string | undefined)[]
}

function groupsOf(wanted: readonly Wanted[]): readonly Group[] {
  const groups: { readonly resource: ServedResource; readonly names: (string | undefined)[] }[] = []
  for (const { resource, name } of wanted) {
    const last = groups.at(-1)
    if (last?.resource === resource) last.names.push(name)
    else groups.push({ resource, names: [name] })
  }
  return groups
}

async function tableOf(
  session: Session,
  resource: ServedResource,
  names: Group['names'],
  flags: GetFlags,
): Promise<ServerTable | undefined> {
  let whole: ServerTable | undefined
  for (const name of names) {
    const request = requestOf(session, resource, name, flags)
    let continueToken = ''
    do {
      const page = await askTable(session, resource, { ...request, continueToken }, flags)
      if (page === undefined) break
      whole = whole === undefined ? page : { ...page, rows: [...whole.rows, ...page.rows] }
      continueToken = name === undefined ? page.continueToken : ''
    } while (continueToken !== '')
  }
  return whole
}

function requestOf(
  session: Session,
  resource: ServedResource,
  name: string | undefined,
  flags: GetFlags,
): TableRequest {
  return name === undefined
    ? listOptions(session, resource, flags)
    : { name, namespace: session.idOf(resource, name).namespace }
}

/** Undefined: it is not there, and that was told. */
async function askTable(
  session: Session,
  resource: ServedResource,
  request: TableRequest,
  { ignoreNotFound }: GetFlags,
): Promise<ServerTable | undefined> {
  const path = tablePath(resource, request)
  try {
    const answer = await session.connection.json({ method: 'GET', path, accept: TABLE_TYPE })
    const read = readTable(answer)
    if (read === undefined)
      throw new MeshError('COMMAND_FAILED', `the server does not print ${resource.resource}; use -o yaml`)
    return read
  } catch (error) {
    if (request.name === undefined || !isStatus(error, 404)) throw error
    if (ignoreNotFound !== true) session.fail(error.message)
    return undefined
  }
}

async function printDocuments(
  session: Session,
  wanted: readonly Wanted[],
  flags: GetFlags,
  format: DocumentFormat,
): Promise<void> {
  const found: ApiDocument[] = []
  for (const { resource, name } of wanted) {
    if (name === undefined) {
      const items = await session.connection.list(resource, listOptions(session, resource, flags))
      // The items of a list do not say what they are.
      for (const item of items) found.push({ apiVersion: resource.apiVersion, kind: resource.kind, ...item })
      continue
    }
    const id = session.idOf(resource, name)
    const object = await session.connection.get(resource, id)
    if (object !== undefined) found.push(object)
    else if (flags.ignoreNotFound !== true) session.fail(`${resource.resource} "${name}" not found`)
  }
  const isOne = wanted.length === 1 && wanted[0]?.name !== undefined
  if (isOne && found.length === 0) return
  const value = isOne ? found[0] : { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items: found }
  session.terminal.stdout.write(documentText(format, withoutManagers(value)))
}

/** Who owns which field is long and rarely wanted; kubectl leaves it out as well. */
function withoutManagers(value: unknown): unknown {
  if (!isRecord(value)) return value
  if (Array.isArray(value.items)) return { ...value, items: value.items.map(withoutManagers) }
  if (!isRecord(value.metadata)) return value
  const { managedFields: _, ...metadata } = value.metadata
  return { ...value, metadata }
}

export function tableText(
  { columns, rows }: Pick<ServerTable, 'columns' | 'rows'>,
  resource: ServedResource,
  { output, allNamespaces, headers }: GetFlags,
  isSeveral: boolean,
): string {
  const shown = columns.flatMap(({ isWide }, i) => (output === 'wide' || !isWide ? [i] : []))
  const isNamespaced = allNamespaces === true && resource.namespaced
  const head = [...(isNamespaced ? ['NAMESPACE'] : []), ...shown.map((i) => (columns[i]?.name ?? '').toUpperCase())]
  const cellsOf = (row: TableRow): readonly string[] => [
    ...(isNamespaced ? [row.namespace] : []),
    ...shown.map((i) => (isSeveral && i === 0 ? objectName(resource, row.name) : (row.cells[i] ?? ''))),
  ]
  const text = table(head, rows.map(cellsOf))
  return headers === false ? text.slice(text.indexOf('\n') + 1) : text
}

async function watchWanted(session: Session, wanted: readonly Wanted[], flags: GetFlags): Promise<void> {
  const [first, ...more] = wanted
  if (first === undefined || more.length > 0)
    throw new MeshError('COMMAND_FAILED', 'only one kind, or one object, can be watched at a time')
  const { resource, name } = first
  const options = listOptions(session, resource, flags)
  const request = name === undefined ? options : { ...options, fieldSelector: `metadata.name=${name}` }
  const { output } = flags
  let isFirst = true
  if (output === 'json' || output === 'yaml') {
    await watchObjects(session, resource, request, (object) => {
      const text = documentText(output, withoutManagers(object))
      session.terminal.stdout.write(output === 'yaml' && !isFirst ? `---\n${text}` : text)
      isFirst = false
    })
    return
  }
  await watchRows(session, resource, request, (part) => {
    if (output === 'name') for (const row of part.rows) session.say(objectName(resource, row.name))
    else if (part.rows.length > 0) {
      session.terminal.stdout.write(tableText(part, resource, isFirst ? flags : { ...flags, headers: false }, false))
      isFirst = false
    }
  })
}
