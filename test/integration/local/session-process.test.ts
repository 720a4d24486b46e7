import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { findTools, type SessionOptions, SessionProcess } from '../../../src/local/host/index.ts'

const { setsid, sh } = findTools(process.env.PATH ?? '')
const env = { PATH: process.env.PATH ?? '' }
const piped = { hasStdin: true, hasTty: false }

function run(script: string, options: SessionOptions = piped): SessionProcess {
  return new SessionProcess({ file: sh, args: ['-c', script], env }, options, setsid)
}

async function said(of: SessionProcess, word: string): Promise<string> {
  let all = ''
  while (!all.includes(word)) all += String((await once(of.stdout, 'data'))[0])
  return all
}

/** Whether a process with that word among its arguments runs. */
function isThere(word: string): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word)
    } catch {
      return false
    }
  })
}

describe('a process in a session of its own', () => {
  it.each([
    ['exit 0', { kind: 'exited', code: 0 }],
    ['exit 7', { kind: 'exited', code: 7 }],
    ['kill -TERM $$', { kind: 'killed', signal: 'SIGTERM' }],
  ])('tells how it ended (%s)', async (script, end) => {
    for (const hasTty of [false, true]) {
      const session = run(script, { hasStdin: false, hasTty })
      session.stdout.resume()
      session.stderr?.resume()
      expect(await session.finished).toEqual(end)
    }
  })

  it('keeps its outputs apart, and has an input that ends', async () => {
    const session = run('cat; echo err >&2')
    session.stdin?.end('in')
    expect(await Promise.all([text(session.stdout), text(session.stderr ?? Readable.from([]))])).toEqual([
      'in',
      'err\n',
    ])
  })

  it('has no input unless it is asked for', async () => {
    const session = run('readlink /proc/self/fd/0', { hasStdin: false, hasTty: false })
    expect([session.stdin, await text(session.stdout)]).toEqual([undefined, '/dev/null\n'])
  })

  it('has one terminal for all three streams', async () => {
    const session = run('tty <&2; echo err >&2', { hasStdin: true, hasTty: true })
    expect([session.stderr, await text(session.stdout)]).toEqual([
      undefined,
      expect.stringMatching(/^\/dev\/pts.*\r\nerr/s),
    ])
  })

  it('is not waited for by what it left, while its outputs are', async () => {
    const session = run('(sleep 0.2; echo late) & exit 3')
    const output = text(session.stdout)
    session.stderr?.resume()
    expect(await session.ended).toEqual({ kind: 'exited', code: 3 })
    expect(session.stdout.readableEnded).toBe(false)
    expect(await session.finished).toEqual({ kind: 'exited', code: 3 })
    expect(await output).toBe('late\n')
  })

  it.each([false, true])('is killed with everything that came from it (terminal: %s)', async (hasTty) => {
    const marks = ['group', 'session', 'child'].map((name, i) => ({
      name,
      word: `${process.pid}${i}${hasTty ? 1 : 0}.5`,
    }))
    const [group, other, child] = marks.map(({ word }) => word)
    const script = `sleep ${group} & set -m; sleep ${other} & set +m; setsid sleep ${child} & echo up; wait`
    const session = run(script, { hasStdin: true, hasTty })
    await said(session, 'up')
    for (const { word } of marks) await expect.poll(() => isThere(word)).toBe(true)
    session.kill()
    expect(await session.finished).toEqual({ kind: 'killed', signal: 'SIGKILL' })
    for (const { word } of marks) await expect.poll(() => isThere(word)).toBe(false)
    session.kill()
  })

  it('is killed although it was started this very moment', async () => {
    for (const hasTty of [false, true]) {
      const session = run('sleep 60', { hasStdin: true, hasTty })
      session.kill()
      expect(await session.finished).toEqual({ kind: 'killed', signal: 'SIGKILL' })
    }
  })

  it.each([
    ['there is no such file', { file: '/no/such', args: [] }, false],
    ['a word has a zero byte', { file: sh, args: ['\0'] }, false],
    ['a word has a zero byte, for a terminal', { file: sh, args: ['\0'] }, true],
  ])('is not started when %s, and says why', async (_, command, hasTty) => {
    const session = new SessionProcess({ ...command, env }, { hasStdin: false, hasTty }, setsid)
    session.stdout.resume()
    session.stderr?.resume()
    expect(await session.finished).toMatchObject({ kind: 'unstarted', reason: expect.any(String) })
    expect(session.pid).toBe(undefined)
    session.signal('SIGTERM')
    session.kill()
  })
})
