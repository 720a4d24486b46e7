import type { Readable } from 'node:stream'
import type { Clock, Timer } from '#shared/clock'
import { isRecord, shown } from '#shared/document'
import { MeshError } from '#shared/errors'
import { refusal } from './api-error.ts'
import { Lines } from './lines.ts'
import type { WatchEvent, WatchOptions } from './types.ts'

/** An object has at most 1.5 MiB (etcd's limit); JSON may be larger than what was stored. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024
/** The server ends a watch at its time-out; one that is silent for longer than that is not there any more. */
const SILENCE_MS = 15_000

/**
 * Reads a watch to its end, one event a line. A silent stream is cut off a little after the server should have ended it.
 * @throws KubeApiError for an ERROR event; MeshError `KUBE_API_UNREACHABLE`; whatever `onEvent` throws
 */
export async function followWatch(
  body: Readable,
  { onEvent, timeoutSeconds }: Pick<WatchOptions, 'onEvent' | 'timeoutSeconds'>,
  clock: Clock,
): Promise<void> {
  const lines = new Lines(MAX_EVENT_BYTES)
  const silenceMs = timeoutSeconds * 1000 + SILENCE_MS
  const silence = (): Timer =>
    clock.setTimer(silenceMs, () => body.destroy(broken(`nothing came for ${silenceMs / 1000} s`)))
  let timer = silence()
  try {
    for await (const chunk of body) {
      timer.cancel()
      timer = silence()
      for (const line of lines.push(chunk as Uint8Array)) onEvent(readEvent(line))
    }
  } finally {
    timer.cancel()
    body.destroy()
  }
}

function readEvent(line: string): WatchEvent {
  const { type, object } = parse(line)
  if (!isRecord(object)) throw broken(`an event without an object: ${shown(line)}`)
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      return { type, object }
    case 'ERROR':
      throw refusal('the watch', typeof object.code === 'number' ? object.code : 500, object, undefined)
    default:
      throw broken(`an event of the unknown type ${shown(type)}`)
  }
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    if (isRecord(value)) return value
  } catch {
    // Told below.
  }
  throw broken(`an event that is no JSON object: ${shown(line)}`)
}

function broken(problem: string): MeshError {
  return new MeshError('KUBE_API_UNREACHABLE', `the watch broke off: ${problem}`)
}
