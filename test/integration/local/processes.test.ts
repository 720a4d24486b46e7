import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import {
  areNeighbours,
  BoundedLog,
  describeEnd,
  ProcessGroup,
  RestartingProcess,
} from '../../../src/local/host/index.ts'

const script = (text: string): ConstructorParameters<typeof ProcessGroup>[0] => ({
  file: '/bin/sh',
  args: ['-c', text],
  env: { PATH: '/usr/bin:/bin' },
})

describe('a process group', () => {
  it.each([
    ['exit 0', 'exited with status 0'],
    ['exit 9', 'exited with status 9'],
    ['kill -KILL $$', 'killed by SIGKILL'],
  ])('of %j tells that it %s', async (text, end) => {
    expect(describeEnd(await new ProcessGroup(script(text), 'ignore').ended)).toBe(end)
  })

  it.each([
    ['/no/such/file', 'ENOENT'],
    ['/dev/null', 'EACCES'],
    ['a\0b', 'null bytes'],
  ])('that cannot be started as %j tells why', async (file, reason) => {
    const group = new ProcessGroup({ file, args: [], env: {} }, 'ignore')
    expect([group.pid, describeEnd(await group.ended)]).toEqual([undefined, expect.stringContaining(reason)])
  })

  it('is signalled as a whole, and never after its end', async () => {
    const group = new ProcessGroup(script('sleep 1000 & sleep 1000'), 'ignore')
    group.signal('SIGTERM')
    expect(await group.ended).toEqual({ kind: 'killed', signal: 'SIGTERM' })
    group.signal('SIGKILL')
  })
})

it('processes are neighbours when they share a network namespace, and both are there', async () => {
  const group = new ProcessGroup(script('sleep 1000'), 'ignore')
  const { pid = 0 } = group
  expect(areNeighbours(process.pid, pid)).toBe(true)
  group.signal('SIGKILL')
  await group.ended
  expect(areNeighbours(process.pid, pid)).toBe(false)
})

describe('a process that is started again', () => {
  let dir = ''
  let log: BoundedLog
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-process-'))
    log = new BoundedLog(join(dir, 'log'))
  })
  afterEach(() => {
    log.close()
    rmSync(dir, { recursive: true, force: true })
  })

  it('asks for its command each time, and writes into one log', async () => {
    let asked = 0
    const again: RestartingProcess = new RestartingProcess({
      clock: systemClock,
      log,
      command: () => script(`echo run ${asked++}; ${asked < 3 ? 'exit 1' : 'sleep 1000'}`),
      changed: () => {},
    })
    again.start()
    again.start()
    await expect.poll(() => readFileSync(log.path, 'utf8'), { timeout: 5_000 }).toBe('run 0\nrun 1\nrun 2\n')
    expect([again.restarts, again.endings, again.state.kind]).toEqual([2, 2, 'running'])
    await again.stop(5_000)
    expect(again.state.kind).toBe('stopped')
  })

  it('is killed when it does not end within its grace', async () => {
    const stubborn = new RestartingProcess({
      clock: systemClock,
      log,
      command: () => script("trap '' TERM; echo up; while :; do sleep 0.02; done"),
      changed: () => {},
    })
    stubborn.start()
    await expect.poll(() => readFileSync(log.path, 'utf8')).toBe('up\n')
    const { state } = stubborn
    await stubborn.stop(100)
    expect(() => process.kill(state.kind === 'running' ? state.pid : 0, 0)).toThrow('ESRCH')
  })

  it('stays stopped while it waits to be started again', async () => {
    const failing = new RestartingProcess({
      clock: systemClock,
      log,
      command: () => script('exit 1'),
      changed: () => {},
    })
    failing.start()
    await expect.poll(() => failing.state.kind).toBe('waiting')
    await failing.stop(0)
    expect([failing.state.kind, failing.restarts]).toEqual(['stopped', failing.endings - 1])
  })
})
