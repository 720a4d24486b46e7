import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '#shared/clock'
import { badRequest } from '../api-error.ts'
import type { ApiObject, LogRequest, PodBackend } from '../types.ts'
import { chooseContainer } from './choose-container.ts'
import { isTrue } from './command/command-request.ts'

/** @throws ApiError BadRequest for a value that is no such number or time */
export function readLogRequest(query: URLSearchParams, pod: ApiObject, nowMs: number): LogRequest {
  const sinceSeconds = wholeNumber(query, 'sinceSeconds', 1)
  const sinceTime = query.get('sinceTime')
  if (sinceSeconds !== undefined && sinceTime)
    throw badRequest('at most one of `sinceTime` or `sinceSeconds` may be specified')
  const sinceTimeMs = sinceTime ? Date.parse(sinceTime) : undefined
  if (Number.isNaN(sinceTimeMs))
    throw badRequest(`sinceTime is no RFC 3339 time: ${JSON.stringify(sinceTime?.slice(0, 64))}`)
  return {
    container: chooseContainer(pod, query.get('container') ?? ''),
    follow: isTrue(query, 'follow'),
    previous: isTrue(query, 'previous'),
    timestamps: isTrue(query, 'timestamps'),
    tailLines: wholeNumber(query, 'tailLines', 0),
    limitBytes: wholeNumber(query, 'limitBytes', 1),
    sinceMs: sinceSeconds === undefined ? sinceTimeMs : nowMs - sinceSeconds * 1000,
  }
}

/** Streams the log into the answer, as it grows when followed, until the client goes. */
export async function serveLogs(
  response: ServerResponse,
  query: URLSearchParams,
  pod: ApiObject,
  backend: PodBackend,
  clock: Clock,
): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const lines = await backend.logs(pod, readLogRequest(query, pod, clock.nowMs()), gone.signal)
  response.writeHead(200, { 'Content-Type': 'text/plain' })
  // Somebody who follows a silent log must see that it has begun.
  response.flushHeaders()
  // What goes wrong now can only end the answer.
  await pipeline(lines, response).catch(() => response.destroy())
}

function wholeNumber(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least)) throw badRequest(`${name} must be a whole number from ${least}`)
  return value
}
