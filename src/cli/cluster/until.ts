import { type Clock, sleep } from '#shared/clock'
import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import {
  type ApiDocument,
  type ApiObjectId,
  type ApiResource,
  isStatus,
  type KubeConnection,
} from '#shared/kube-client'

export interface UntilSettings {
  readonly clock: Clock
  readonly timeoutMs: number
  /** Ends the waiting early; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** What a look at an object comes to. */
export type Look = { readonly kind: 'done' } | { readonly kind: 'wait'; readonly reason: string }

const WATCH_SECONDS = 300
const RETRY_MS = 200

/**
 * Follows one object until it is as wanted.
 * @param look at each state; undefined: it is not there
 * @throws MeshError `COMMAND_FAILED` with the last reason when time is up; whatever `look` throws
 */
export async function untilObject(
  connection: Pick<KubeConnection, 'listPage' | 'watch'>,
  resource: ApiResource,
  id: ApiObjectId,
  look: (object: ApiDocument | undefined) => Look,
  { clock, timeoutMs, signal }: UntilSettings,
): Promise<void> {
  const ending = new AbortController()
  const timer = clock.setTimer(timeoutMs, () => ending.abort(new TimeIsUp()))
  const both = signal === undefined ? ending.signal : AbortSignal.any([ending.signal, signal])
  let reason = 'nothing was heard of it'
  const isDone = (object: ApiDocument | undefined): boolean => {
    const seen = look(object)
    if (seen.kind === 'wait') reason = seen.reason
    return seen.kind === 'done'
  }
  try {
    while (!(await follow(connection, resource, id, isDone, both))) await sleep(clock, RETRY_MS, both)
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    if (!ending.signal.aborted) throw error
    const name = `${resource.kind} ${id.namespace === '' ? '' : `${id.namespace}/`}${id.name}`
    const seconds = Number((timeoutMs / 1000).toFixed(1))
    throw new MeshError('COMMAND_FAILED', `timed out after ${seconds} s waiting for ${name}: ${reason}`)
  } finally {
    timer.cancel()
  }
}

class TimeIsUp extends Error {}

/** One list and the watch after it. @returns false when the watch ended before the object was as wanted */
async function follow(
  connection: Pick<KubeConnection, 'listPage' | 'watch'>,
  resource: ApiResource,
  { namespace, name }: ApiObjectId,
  isDone: (object: ApiDocument | undefined) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const options = { namespace, fieldSelector: `metadata.name=${name}` }
  const page = await connection.listPage(resource, options, { limit: undefined, continueToken: '', signal })
  const [item] = page.items
  if (isDone(isRecord(item) ? item : undefined)) return true
  const enough = new AbortController()
  let isFound = false
  try {
    await connection.watch(resource, options, {
      resourceVersion: page.resourceVersion,
      timeoutSeconds: WATCH_SECONDS,
      onOpen: () => {},
      onEvent: ({ type, object }) => {
        if (type === 'BOOKMARK' || isFound || !isDone(type === 'DELETED' ? undefined : object)) return
        isFound = true
        enough.abort()
      },
      signal: AbortSignal.any([signal, enough.signal]),
    })
  } catch (error) {
    // What the server has forgotten, or what broke off, is listed again; a server that is gone shows there.
    const isLost = isStatus(error, 410) || (error instanceof MeshError && error.code === 'KUBE_API_UNREACHABLE')
    if (!isFound && !isLost) throw error
  }
  return isFound
}
