import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type LogQuery, programLog } from '../../../../src/local/logs/index.ts'

const everything: LogQuery = {
  follow: false,
  previous: false,
  timestamps: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
}
const LINES = [
  '2026-01-01T00:00:00.000000Z\tinfo\tone\n',
  '2026-01-01T00:01:00.000000Z\terror\ttwo\n',
  '    at a place of it\n',
  '2026-01-01T00:02:00.000000Z\tinfo\tthree\n',
]

let dir = ''
let path = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-program-log-'))
  path = join(dir, 'ztunnel.log')
  writeFileSync(path, LINES.join(''))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const read = (query: Partial<LogQuery>, signal: AbortSignal = new AbortController().signal): Promise<string> =>
  text(programLog(path, systemClock).read({ ...everything, ...query }, signal))

describe('the log of a program', () => {
  it.each<[string, Partial<LogQuery>, readonly number[]]>([
    ['is read whole', {}, [0, 1, 2, 3]],
    ['is read from its last lines', { tailLines: 2 }, [2, 3]],
    ['has no last lines when none are asked for', { tailLines: 0 }, []],
    ['is read whole when it has fewer lines than are asked for', { tailLines: 9 }, [0, 1, 2, 3]],
    ['is read from a time on, with lines that have none', { sinceMs: Date.UTC(2026, 0, 1, 0, 1) }, [1, 2, 3]],
    ['is empty from a later time on', { sinceMs: Date.UTC(2027, 0, 1) }, []],
  ])('%s', async (_, query, lines) => {
    expect(await read(query)).toBe(lines.map((line) => LINES[line]).join(''))
  })

  it('is cut at the bytes that are asked for', async () => {
    expect(await read({ limitBytes: 10 })).toBe('2026-01-01')
  })

  it('is read across blocks, from its last lines too', async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => `line ${index} ${'x'.repeat(40)}\n`)
    writeFileSync(path, many.join(''))
    expect(await read({})).toBe(many.join(''))
    expect(await read({ tailLines: 3_000 })).toBe(many.slice(2_000).join(''))
  })

  it('shows a last line that has no end yet', async () => {
    appendFileSync(path, 'half')
    expect(await read({ tailLines: 1 })).toBe('half')
  })

  it('is followed, over its beginning anew, until the reader goes', async () => {
    const reader = new AbortController()
    const stream = programLog(path, systemClock).read({ ...everything, follow: true, tailLines: 1 }, reader.signal)
    const chunks = stream[Symbol.asyncIterator]()
    const next = async (): Promise<string> => String((await chunks.next()).value)
    expect(await next()).toBe(LINES[3])
    appendFileSync(path, 'new\n')
    expect(await next()).toBe('new\n')
    truncateSync(path)
    appendFileSync(path, 'anew\n')
    expect(await next()).toBe('anew\n')
    reader.abort()
    expect(await chunks.next().catch(() => ({ done: true }))).toMatchObject({ done: true })
  })
})
