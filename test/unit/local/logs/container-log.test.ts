import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type ContainerLog,
  type ContainerLogSettings,
  type LogQuery,
  openContainerLog,
  openLeftLog,
} from '../../../../src/local/logs/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const all: LogQuery = {
  follow: false,
  previous: false,
  timestamps: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
}
const never = new AbortController().signal
const clock = new FakeClock()
let root = ''
let dir = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ambit-logs-'))
  dir = join(root, 'container')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function open(limits?: ContainerLogSettings['limits']): ContainerLog {
  return openContainerLog({ dir, clock, logger: quietLogger, ...(limits && { limits }) })
}

function read(log: ContainerLog, query: Partial<LogQuery> = {}): Promise<string> {
  return text(log.read({ ...all, ...query }, never))
}

async function wrote(log: ContainerLog, run: number, output: string): Promise<void> {
  const stdout = new PassThrough()
  stdout.end(output)
  await log.capture(run, stdout, undefined)
}

/** A run that goes on; each line has been taken when `say` resolves. */
function running(log: ContainerLog, run: number): { say(line: string): Promise<void>; end(): Promise<void> } {
  const stdout = new PassThrough()
  const captured = log.capture(run, stdout, new PassThrough().end())
  return {
    async say(line) {
      const taken = new Promise<void>((resolve) => {
        const stop = log.follow(() => {
          stop()
          resolve()
          return undefined
        })
      })
      stdout.write(`${line}\n`)
      await taken
    },
    end() {
      stdout.end()
      return captured
    },
  }
}

/** Resolves with the next piece. */
function next(stream: Readable): Promise<string> {
  return new Promise((resolve) => stream.once('data', (chunk: Buffer) => resolve(chunk.toString())))
}

function numbered(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('')
}

describe('the log of a container', () => {
  it('keeps both outputs in one file that only its owner may read', async () => {
    const stdout = new PassThrough()
    const stderr = new PassThrough()
    const log = open()
    const done = log.capture(0, stdout, stderr)
    stdout.end('out\n')
    stderr.end('err\n')
    await done
    expect((await read(log)).split('\n').sort()).toEqual(['', 'err', 'out'])
    expect(readFileSync(join(dir, '0.log'), 'utf8')).toContain(' stderr F err\n')
    expect([statSync(dir).mode & 0o777, statSync(join(dir, '0.log')).mode & 0o777]).toEqual([0o700, 0o600])
  })

  it.each<{ what: string; query: Partial<LogQuery>; lines: string }>([
    { what: 'the last two lines', query: { tailLines: 2 }, lines: 'c\nd' },
    { what: 'no line', query: { tailLines: 0 }, lines: '' },
    { what: 'more lines than there are', query: { tailLines: 9 }, lines: 'a\nb\nc\nd' },
    { what: 'a number of bytes', query: { limitBytes: 3 }, lines: 'a\nb' },
    { what: 'a number of bytes of the last lines', query: { tailLines: 3, limitBytes: 2 }, lines: 'b\n' },
    { what: 'nothing of a run that never was', query: { previous: true }, lines: '' },
    { what: 'everything of a run that has ended, also when it follows', query: { follow: true }, lines: 'a\nb\nc\nd' },
  ])('gives $what', async ({ query, lines }) => {
    const log = open()
    await wrote(log, 0, 'a\nb\nc\nd')
    expect(await read(log, query)).toBe(lines)
  })

  it('knows when each line was written', async () => {
    const log = open()
    const run = running(log, 0)
    await run.say('early')
    await clock.advance(1_000)
    await run.say('late')
    await run.end()
    expect(await read(log, { sinceMs: clock.nowMs() })).toBe('late\n')
    expect(await read(log, { sinceMs: clock.nowMs(), timestamps: true })).toMatch(/^\S{29}Z late\n$/)
  })

  it('keeps the last run and the one before', async () => {
    const log = open()
    for (const run of [0, 1, 2]) await wrote(log, run, `of ${run}`)
    expect([await read(log), await read(log, { previous: true })]).toEqual(['of 2', 'of 1'])
    expect(readdirSync(dir).sort()).toEqual(['1.log', '2.log'])
  })

  it('knows of a run that said nothing', async () => {
    const log = open()
    for (const [run, output] of ['first', '', 'last'].entries()) await wrote(log, run, output)
    expect([await read(log), await read(log, { previous: true })]).toEqual(['last', ''])
    expect(openLeftLog({ dir, clock, logger: quietLogger })?.runs).toBe(2)
    expect(openLeftLog({ dir: join(root, 'other'), clock, logger: quietLogger })).toBe(undefined)
  })

  it('is rotated by size, and read across its files', async () => {
    const log = open({ fileBytes: 500, olderFiles: 2 })
    const run = running(log, 0)
    for (let i = 0; i < 100; i++) await run.say(`line ${i}`)
    await run.end()
    expect(readdirSync(dir).sort()).toEqual(['0.log', '0.log.1', '0.log.2'])
    for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).size).toBeLessThanOrEqual(500)
    const kept = await read(log)
    expect(numbered(0, 100).endsWith(kept)).toBe(true)
    expect(kept.split('\n').length).toBeGreaterThan(20)
    expect(await read(log, { tailLines: 15 })).toBe(numbered(85, 100))
  })

  it('is found again by the next program', async () => {
    const log = open({ fileBytes: 100, olderFiles: 2 })
    await wrote(log, 3, 'a\n')
    await wrote(log, 4, 'b\n')
    const later = open({ fileBytes: 100, olderFiles: 2 })
    expect([await read(later), await read(later, { previous: true })]).toEqual(['b\n', 'a\n'])
    await wrote(later, 5, 'c\n')
    expect([await read(later), await read(later, { previous: true })]).toEqual(['c\n', 'b\n'])
  })

  it('gives any last lines as `tail` does', async () => {
    const line = fc.oneof(fc.constant(''), fc.constant('x'.repeat(40_000)), fc.stringMatching(/^[a-z]{0,9}$/))
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 30 }), fc.nat({ max: 32 }), fc.boolean(), async (lines, n, ends) => {
        dir = mkdtempSync(join(root, 'tail-'))
        const output = lines.join('\n') + (ends && lines.length > 0 ? '\n' : '')
        const log = open()
        await wrote(log, 0, output)
        const all = output.split(/(?<=\n)/).filter((each) => each !== '')
        expect(await read(log, { tailLines: n })).toBe(n === 0 ? '' : all.slice(-n).join(''))
      }),
      { numRuns: 40 },
    )
  })
})

describe('following a log', () => {
  it('gives lines as they are written, and ends with the run', async () => {
    const log = open()
    const run = running(log, 0)
    await run.say('before')
    const lines = log.read({ ...all, follow: true }, never)
    expect(await next(lines)).toBe('before\n')
    const first = next(lines)
    await run.say('first')
    expect(await first).toBe('first\n')
    const rest = text(lines)
    await run.end()
    await wrote(log, 1, 'of another run\n')
    expect(await rest).toBe('')
  })

  it('waits for the first line', async () => {
    const log = open()
    const run = running(log, 0)
    const lines = text(log.read({ ...all, follow: true, tailLines: 5 }, never))
    await run.say('hello')
    await run.end()
    expect(await lines).toBe('hello\n')
  })

  it('misses nothing when files are rotated under it', async () => {
    const log = open({ fileBytes: 1_000, olderFiles: 2 })
    const run = running(log, 0)
    const lines = text(log.read({ ...all, follow: true }, never))
    for (let i = 0; i < 300; i++) {
      await run.say(`line ${i}`)
      // A reader that keeps up.
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await run.end()
    const got = (await lines).split('\n').slice(0, -1)
    expect(got.at(-1)).toBe('line 299')
    expect(numbered(0, 300)).toContain(got.slice(-60).join('\n'))
    expect(got.length).toBeGreaterThan(100)
  })

  it('ends when the container is closed', async () => {
    const log = open()
    const run = running(log, 0)
    await run.say('x')
    const lines = text(log.read({ ...all, follow: true }, never))
    await log.close()
    await log.close()
    expect(await lines).toBe('x\n')
    await run.end()
  })

  it('leaves no file open when its reader goes', async () => {
    const openFiles = (): number =>
      readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir)
        } catch {
          return false
        }
      }).length
    const log = open()
    const run = running(log, 0)
    await run.say('x')
    const ending = new AbortController()
    const lines = log.read({ ...all, follow: true }, ending.signal)
    await next(lines)
    const whileOpen = openFiles()
    ending.abort()
    await expect.poll(openFiles).toBe(whileOpen - 1)
    const waiting = log.read({ ...all, follow: true }, never)
    await next(waiting)
    waiting.destroy()
    await expect.poll(openFiles).toBe(whileOpen - 1)
    await run.end()
    await expect.poll(openFiles).toBe(0)
  })
})

describe('what listens to a container', () => {
  it('gets the bytes as they are written and holds the process back', async () => {
    const log = open()
    const stdout = new PassThrough({ highWaterMark: 4 })
    const heard: string[] = []
    let release: () => void = () => {}
    const stop = log.follow((stream, bytes) => {
      heard.push(`${stream} ${bytes}`)
      return new Promise((resolve) => {
        release = resolve
      })
    })
    const done = log.capture(0, stdout, undefined)
    stdout.write('no line yet')
    await expect.poll(() => heard).toEqual(['stdout no line yet'])
    expect(stdout.write('more')).toBe(false)
    expect(heard.length).toBe(1)
    release()
    await expect.poll(() => heard.length).toBe(2)
    release()
    stdout.write('still')
    await expect.poll(() => heard.length).toBe(3)
    stop()
    release()
    stdout.end('last')
    await done
    expect(heard).toEqual(['stdout no line yet', 'stdout more', 'stdout still'])
    expect(await read(log)).toBe('no line yetmorestilllast')
  })
})

describe('one who listens', () => {
  it('is told when the run has written all', async () => {
    const log = open()
    const told: string[] = []
    log.follow(
      (_, bytes) => void told.push(bytes.toString()),
      () => told.push('ended'),
    )
    await wrote(log, 0, 'a')
    await wrote(log, 1, 'b')
    expect(told).toEqual(['a', 'ended', 'b', 'ended'])
  })
})

describe('a log that cannot be written', () => {
  it('lets the process go on', async () => {
    const log = open()
    rmSync(dir, { recursive: true })
    writeFileSync(dir, 'no folder')
    const heard: string[] = []
    log.follow((_, bytes) => void heard.push(bytes.toString()))
    await wrote(log, 0, 'x\n')
    expect(heard).toEqual(['x\n'])
    expect(await read(log)).toBe('')
  })
})
