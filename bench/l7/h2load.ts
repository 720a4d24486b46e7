import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface Load {
  readonly port: number
  readonly protocol: 'h1' | 'h2'
  readonly connections: number
  readonly streams: number
  /** Field lines besides its own. */
  readonly fields: number
  readonly seconds: number
}

export interface LoadFigures {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly meanUs: number
  readonly errors: number
}

/** Values as browsers send them: of some length, the same each time. */
const FIELD_VALUE = 'text/html,application/xhtml+xml;q=0.9'

/** A closed loop of GETs by nghttp2's `h2load`, which costs little itself. @throws Error with its words */
export async function runH2load({ port, protocol, connections, streams, fields, seconds }: Load): Promise<LoadFigures> {
  const more = Array.from({ length: fields }, (_, at) => ['-H', `x-field-${at}: ${FIELD_VALUE}`]).flat()
  const { stdout } = await promisify(execFile)('h2load', [
    ...(protocol === 'h1' ? ['--h1'] : []),
    ...['-c', String(connections), '-m', String(streams), '-D', String(seconds), '-t', '1'],
    ...more,
    `http://127.0.0.1:${port}/api/items/1`,
  ])
  const [, requestsPerSecond] = /finished in [^,]+, ([\d.]+) req\/s/.exec(stdout) ?? []
  const [, total, failed, wrong] =
    /requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored/.exec(stdout) ?? []
  const [, min, max, mean] = /time for request:\s+(\S+)\s+(\S+)\s+(\S+)/.exec(stdout) ?? []
  if (requestsPerSecond === undefined || total === undefined || min === undefined || max === undefined) {
    throw new Error(`h2load said:\n${stdout}`)
  }
  return {
    requests: Number(total),
    requestsPerSecond: Number(requestsPerSecond),
    meanUs: microseconds(mean ?? ''),
    errors: Number(failed) + Number(wrong),
  }
}

function microseconds(text: string): number {
  const [, number, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? []
  return Number(number) * ({ us: 1, ms: 1e3, s: 1e6 }[unit ?? ''] ?? Number.NaN)
}
