import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import type { ContainerPlace } from '../../../src/local/kubelet/container.ts'
import { Grace } from '../../../src/local/kubelet/grace.ts'
import { PodContainer } from '../../../src/local/kubelet/index.ts'
import { type ContainerLog, openContainerLog } from '../../../src/local/logs/index.ts'
import type { ContainerPlan } from '../../../src/local/pod-plan/index.ts'
import { aRun, containerPlan, nowhere } from '../../support/fake-containers.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

let dir = ''
let container: PodContainer | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-container-'))
})
afterEach(async () => {
  await container?.stop(new Grace(systemClock, 0))
  await container?.log.close()
  rmSync(dir, { recursive: true, force: true })
})

const place: ContainerPlace = {
  ...nowhere,
  command: ({ argv: [file, ...args] }) => ({ file, args, env: { PATH: '/usr/bin:/bin' } }),
}
const script = (text: string, more: Partial<ContainerPlan> = {}): ContainerPlan =>
  containerPlan({ restart: 'Never', resolve: () => ({ ...aRun, argv: ['/bin/sh', '-c', text] }), ...more })

function start(plan: ContainerPlan): PodContainer {
  const log: ContainerLog = openContainerLog({ dir, clock: systemClock, logger: quietLogger })
  container = new PodContainer({
    plan,
    role: 'main',
    clock: systemClock,
    log,
    podTitle: 'p_ns(u)',
    graceMs: 1_000,
    firstReason: 'ContainerCreating',
    earlier: undefined,
    follow: () => () => {},
    changed: () => {},
    tell: () => {},
  })
  container.start(place)
  return container
}
const read = (one: PodContainer, previous = false): Promise<string> =>
  text(
    one.log.read(
      { follow: false, previous, timestamps: false, tailLines: undefined, limitBytes: undefined, sinceMs: undefined },
      AbortSignal.timeout(5_000),
    ),
  )
const untilDone = (one: PodContainer): Promise<void> => expect.poll(() => one.isDone, { timeout: 10_000 }).toBe(true)

/** One that is dead and waits to be reaped is not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

it('has all that its process wrote in its log when it has ended', async () => {
  const one = start(script('i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; echo bad >&2; exit 3'))
  await untilDone(one)
  const lines = (await read(one)).trim().split('\n')
  expect([lines.length, lines.includes('line 4999'), lines.includes('bad')]).toEqual([5_001, true, true])
  expect(one.state).toMatchObject({ kind: 'terminated', run: { exitCode: 3, reason: 'Error' } })
})

it('keeps the log of the run before', async () => {
  const one = start(script('echo run $$; exit 1', { restart: 'OnFailure' }))
  await expect.poll(() => one.restarts).toBe(1)
  await expect.poll(() => read(one)).toMatch(/^run \d+\n$/)
  expect(await read(one, true)).toMatch(/^run \d+\n$/)
  expect(await read(one, true)).not.toBe(await read(one))
})

it('ends with its process, also when something that left the group holds its output open', async () => {
  const startedMs = Date.now()
  const one = start(script('setsid --fork sleep 5; echo done'))
  await untilDone(one)
  expect(Date.now() - startedMs).toBeLessThan(4_000)
  expect(await read(one)).toBe('done\n')
})

it('takes what its process has started with it', async () => {
  const marker = `${8_000_000 + process.pid}`
  const one = start(script(`sleep ${marker} & echo $!; wait`))
  await expect.poll(() => read(one)).toMatch(/\d+/)
  const child = Number(await read(one))
  await one.stop(new Grace(systemClock, 5_000))
  await expect.poll(() => isAlive(child)).toBe(false)
})

it.each([
  ['a file that is not there', ['/no/such/file'], 'ENOENT'],
  ['a zero byte among its words', ['/bin/echo', 'a\0b'], 'without null bytes'],
  ['more words than the system takes', ['/bin/echo', 'x'.repeat(3_000_000)], 'E2BIG'],
])('says that it could not be started with %s', async (_what, argv, reason) => {
  const one = start(containerPlan({ restart: 'Never', resolve: () => ({ ...aRun, argv: argv as [string] }) }))
  await untilDone(one)
  expect(one.state).toMatchObject({ run: { reason: 'StartError', exitCode: 128 } })
  expect(one.reason).toContain(reason)
})
