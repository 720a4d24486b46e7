import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ApiDocument } from '#shared/kube-client'
import {
  readTable,
  type ServedResource,
  type ServerTable,
  TABLE_TYPE,
  type TableRequest,
  tablePath,
} from '../cluster/index.ts'
import type { Session } from './session.ts'

const STOP: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
const WATCH_SECONDS = 300

/** Rows now, and each time one changes, until a signal ends it. */
export async function watchRows(
  session: Session,
  resource: ServedResource,
  request: TableRequest,
  show: (part: ServerTable) => void,
): Promise<void> {
  const { connection } = session
  const tableIn = (answer: unknown, before?: ServerTable): ServerTable => {
    const read = readTable(answer, before?.columns)
    if (read !== undefined) return read
    throw new MeshError('COMMAND_FAILED', `the server does not print ${resource.resource}; use -o yaml`)
  }
  await untilStopped(session, async (signal) => {
    const path = tablePath(resource, request)
    const listed = tableIn(await connection.json({ method: 'GET', path, accept: TABLE_TYPE, signal }))
    show(listed)
    await watchFrom(session, resource, request, listed.resourceVersion, signal, TABLE_TYPE, (object, isChange) => {
      const part = tableIn(object, listed)
      if (isChange) show(part)
    })
  })
}

/** As `watchRows`, whole objects. */
export async function watchObjects(
  session: Session,
  resource: ServedResource,
  request: TableRequest,
  show: (object: ApiDocument) => void,
): Promise<void> {
  await untilStopped(session, async (signal) => {
    const page = await session.connection.listPage(resource, request, { limit: undefined, continueToken: '', signal })
    // The items of a list do not say what they are.
    for (const item of page.items.filter(isRecord))
      show({ apiVersion: resource.apiVersion, kind: resource.kind, ...item })
    await watchFrom(session, resource, request, page.resourceVersion, signal, undefined, (object, isChange) => {
      if (isChange) show(object)
    })
  })
}

class Stopped extends Error {}

async function untilStopped(session: Session, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const ending = new AbortController()
  const stop = session.terminal.onSignal(STOP, () => ending.abort(new Stopped()))
  try {
    await work(ending.signal)
  } catch (error) {
    if (!ending.signal.aborted) throw error
  } finally {
    stop()
  }
}

/** A watch that the server ends is taken up where it was. */
async function watchFrom(
  { connection }: Session,
  resource: ServedResource,
  request: TableRequest,
  from: string,
  signal: AbortSignal,
  accept: string | undefined,
  onObject: (object: ApiDocument, isChange: boolean) => void,
): Promise<void> {
  let resourceVersion = from
  while (!signal.aborted) {
    await connection.watch(resource, request, {
      resourceVersion,
      timeoutSeconds: WATCH_SECONDS,
      onOpen: () => {},
      onEvent: ({ type, object }) => {
        resourceVersion = versionOf(object) ?? resourceVersion
        onObject(object, type !== 'BOOKMARK')
      },
      signal,
      ...(accept === undefined ? {} : { accept }),
    })
  }
}

/** Of the object itself, or of the one in the first row of a table. */
function versionOf(object: ApiDocument): string | undefined {
  const [row] = Array.isArray(object.rows) ? object.rows : []
  for (const each of [isRecord(row) ? row.object : undefined, object]) {
    const { resourceVersion } = isRecord(each) && isRecord(each.metadata) ? each.metadata : {}
    if (typeof resourceVersion === 'string' && resourceVersion !== '') return resourceVersion
  }
  return undefined
}
