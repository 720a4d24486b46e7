import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import { type ApiDocument, collectionPath, withQuery } from '#shared/kube-client'
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
/** Longest event: an object is 1.5 MiB at most, and comes with its row. */
const MAX_LINE = 16 << 20

/**
 * Rows now, and each time one changes, until a signal ends it; when the server ends the watch, it is taken up again.
 * @param show the rows of one moment, and the object behind each when `object` is known
 */
export async function watchRows(
  session: Session,
  resource: ServedResource,
  request: TableRequest,
  show: (part: ServerTable, object: ApiDocument | undefined) => void,
): Promise<void> {
  const ending = new AbortController()
  const stop = session.terminal.onSignal(STOP, () => ending.abort(new Stopped()))
  try {
    await rows(session, resource, request, show, ending.signal)
  } catch (error) {
    if (!ending.signal.aborted) throw error
  } finally {
    stop()
  }
}

class Stopped extends Error {}

async function rows(
  session: Session,
  resource: ServedResource,
  request: TableRequest,
  show: (part: ServerTable, object: ApiDocument | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  const { connection } = session
  // Objects whole, in the rows: who wants YAML gets it from the same watch.
  const path = withQuery(tablePath(resource, request).split('?')[0] ?? '', {
    labelSelector: request.labelSelector,
    fieldSelector: request.fieldSelector,
    includeObject: 'Object',
  })
  const answer = await connection.json({ method: 'GET', path, accept: TABLE_TYPE, signal })
  const listed = readTable(answer)
  if (listed === undefined) throw new MeshError('COMMAND_FAILED', `the server does not print ${resource.resource}`)
  const objects = objectsOf(answer)
  for (const [i, row] of listed.rows.entries()) show({ ...listed, rows: [row] }, objects[i])
  let { resourceVersion } = listed
  while (!signal.aborted) {
    const watchPath = withQuery(collectionPath(resource, request.namespace ?? ''), {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion,
      labelSelector: request.labelSelector,
      fieldSelector: request.fieldSelector,
      includeObject: 'Object',
    })
    const body = await connection.stream({ method: 'GET', path: watchPath, accept: TABLE_TYPE, signal })
    for await (const event of eventsOf(body)) {
      const part = readTable(event.object, listed.columns)
      if (event.type === 'ERROR' || part === undefined)
        throw new MeshError('COMMAND_FAILED', `the watch ended: ${messageOf(event.object)}`)
      const object = objectsOf(event.object)[0]
      resourceVersion = versionOf(object) ?? resourceVersion
      if (event.type !== 'BOOKMARK') show(part, object)
    }
  }
}

async function* eventsOf(
  body: AsyncIterable<unknown>,
): AsyncGenerator<{ readonly type: unknown; readonly object: unknown }> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) throw new MeshError('KUBE_API_UNREACHABLE', 'an event of the watch is too long')
    for (const line of lines) {
      if (line === '') continue
      const event: unknown = JSON.parse(line)
      if (isRecord(event)) yield { type: event.type, object: event.object }
    }
  }
}

/** The object behind each row. */
function objectsOf(answer: unknown): readonly (ApiDocument | undefined)[] {
  const given = isRecord(answer) && Array.isArray(answer.rows) ? answer.rows : []
  return given.map((row) => (isRecord(row) && isRecord(row.object) ? row.object : undefined))
}

function versionOf(object: ApiDocument | undefined): string | undefined {
  const { resourceVersion } = object !== undefined && isRecord(object.metadata) ? object.metadata : {}
  return typeof resourceVersion === 'string' ? resourceVersion : undefined
}

function messageOf(object: unknown): string {
  return isRecord(object) && typeof object.message === 'string' ? object.message : 'it sent something unknown'
}
