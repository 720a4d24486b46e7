import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiObject, ExecSession, LogRequest, PodBackend } from '../../../src/local/apiserver/index.ts'
import { findTools, type SessionOptions, SessionProcess } from '../../../src/local/host/index.ts'
import { type ContainerLog, openContainerLog } from '../../../src/local/logs/index.ts'
import {
  ContainerConsoles,
  type ContainerSituation,
  type ContainerTarget,
  createPodStreams,
  type PodTargets,
} from '../../../src/local/pod-streams/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

const tools = findTools(process.env.PATH ?? '')
const env = { PATH: process.env.PATH ?? '' }
const everything: LogRequest = {
  container: 'app',
  follow: false,
  previous: false,
  timestamps: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
}
const never = new AbortController().signal
const clock = new FakeClock()

let dir = ''
let log: ContainerLog
let container: SessionProcess | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-streams-'))
  log = openContainerLog({ dir, clock, logger: quietLogger })
})
afterEach(() => {
  container?.kill()
  container = undefined
  rmSync(dir, { recursive: true, force: true })
})

function pod(fields: object = {}): ApiObject {
  const spec = { containers: [{ name: 'app', image: 'x', ...fields }] }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop' }, spec }
}

/** A container whose process is this script, on the machine itself. */
function start(script: string, options: SessionOptions = { hasStdin: true, hasTty: false }): Promise<void> {
  container = new SessionProcess({ file: tools.sh, args: ['-c', script], env }, options, tools.setsid)
  return log.capture(0, container.stdout, container.stderr)
}

function running(): ContainerSituation {
  const console = { stdin: container?.stdin, resize: (c: number, r: number) => container?.resize(c, r) }
  return {
    kind: 'running',
    console,
    command: ([file = '', ...args], more) => ({ file, args, env: { ...env, ...more } }),
  }
}

function backend(situation: ContainerSituation = running(), runs = 1): PodBackend {
  const target: ContainerTarget = { kind: 'present', situation, log, runs }
  const targets: PodTargets = { container: () => target, netnsPath: () => '/proc/self/ns/net' }
  return createPodStreams({ targets, tools, clock })
}

const exec = (command: readonly string[], options: Partial<SessionOptions> = {}): Promise<ExecSession> =>
  backend().exec(pod(), { container: 'app', command, hasStdin: false, hasTty: false, ...options })
const attach = (fields: object, hasStdin = false, hasTty = false): Promise<ExecSession> =>
  backend().attach(pod(fields), { container: 'app', hasStdin, hasTty })

async function outcome(session: ExecSession): Promise<{ code: number; out: string; err: string }> {
  const [out, err, code] = await Promise.all([
    text(session.stdout),
    session.stderr === undefined ? '' : text(session.stderr),
    session.exitCode,
  ])
  return { code, out, err }
}

describe('exec', () => {
  it.each([
    { command: ['sh', '-c', 'echo a; echo b >&2; exit 3'], ends: { code: 3, out: 'a\n', err: 'b\n' } },
    { command: ['sh', '-c', 'kill -9 $$'], ends: { code: 137, out: '', err: '' } },
    { command: ['printf', '%s|', '$HOME', '', '-n', '"\'`'], ends: { code: 0, out: '$HOME||-n|"\'`|', err: '' } },
    {
      command: ['no-such'],
      ends: { code: 127, out: '', err: 'exec: "no-such": executable file not found in $PATH\n' },
    },
    { command: ['/no/such'], ends: { code: 127, out: '', err: 'exec: "/no/such": no such file or directory\n' } },
    { command: ['/etc/passwd'], ends: { code: 126, out: '', err: expect.stringContaining('Permission denied') } },
  ])('of $command ends as in a cluster', async ({ command, ends }) => {
    expect(await outcome(await exec(command))).toEqual(ends)
  })

  it('feeds its input to the command, to its end', async () => {
    const session = await exec(['cat'], { hasStdin: true })
    session.stdin?.end('hello')
    expect(await outcome(session)).toEqual({ code: 0, out: 'hello', err: '' })
  })

  it('gives a terminal of the size of the client', async () => {
    const session = await exec(['sh', '-c', 'read x; echo $TERM; stty size'], { hasStdin: true, hasTty: true })
    session.resize(90, 40)
    session.stdin?.write('\n')
    expect(await outcome(session)).toEqual({ code: 0, out: '\r\nxterm\r\n40 90\r\n', err: '' })
  })

  it('ends the command when the client goes', async () => {
    const session = await exec(['sh', '-c', 'echo up; sleep 60'])
    await once(session.stdout, 'data')
    session.kill()
    expect(await session.exitCode).toBe(137)
  })

  it.each<[ContainerSituation, string]>([
    [{ kind: 'waiting', reason: 'CrashLoopBackOff' }, 'does not run in pod web: CrashLoopBackOff'],
    [{ kind: 'ended' }, 'does not run in pod web: it has ended'],
  ])('into a container that does not run (%j) is refused', async (situation, message) => {
    const pods = backend(situation)
    const request = { container: 'app', command: ['true'], hasStdin: false, hasTty: false }
    await expect(pods.exec(pod(), request)).rejects.toMatchObject({
      message: expect.stringContaining(message),
      status: { code: 400 },
    })
    await expect(pods.attach(pod(), request)).rejects.toMatchObject({ status: { code: 400 } })
  })
})

describe('attach', () => {
  it('shows what the process writes from then on, to its end', async () => {
    const captured = start('echo before; read x; echo "got $x"; echo err >&2')
    await once(container?.stdout ?? process.stdin, 'readable')
    const session = await attach({ stdin: true }, true)
    session.stdin?.write('something\n')
    expect(await outcome(session)).toEqual({ code: 0, out: expect.stringMatching(/got something\n$/), err: 'err\n' })
    await captured
  })

  it('ends the input with the first client where it is to be used once', async () => {
    void start('cat')
    const session = await attach({ stdin: true, stdinOnce: true }, true)
    session.stdin?.end('all')
    expect(await outcome(session)).toEqual({ code: 0, out: 'all', err: '' })
  })

  it('leaves the input to the next client otherwise', async () => {
    void start('cat')
    const first = await attach({ stdin: true }, true)
    first.stdin?.end('1')
    await once(first.stdout, 'data')
    first.kill()
    const second = await attach({ stdin: true }, true)
    second.stdin?.write('2')
    expect(String((await once(second.stdout, 'data'))[0])).toBe('2')
  })

  it('passes keys and sizes to the terminal of the container', async () => {
    void start('trap "stty size; exit" INT; echo ready; while :; do sleep 0.01; done', { hasStdin: true, hasTty: true })
    const session = await attach({ stdin: true, tty: true }, true, true)
    expect(String((await once(session.stdout, 'data'))[0])).toBe('ready\r\n')
    session.resize(70, 30)
    session.stdin?.write('\u0003')
    expect(await outcome(session)).toEqual({ code: 0, out: expect.stringContaining('30 70\r\n'), err: '' })
  })

  it('is refused where an input is wanted and there is none', async () => {
    void start('sleep 60', { hasStdin: false, hasTty: false })
    await expect(attach({}, true)).rejects.toThrow('its "stdin" is not true')
  })

  it('holds a process back that writes more than the client takes, and lets it go when that takes nothing', async () => {
    const captured = start('head -c 3000000 /dev/zero')
    const slow = await attach({})
    slow.stderr?.resume()
    await expect.poll(() => clock.pendingTimers).toBe(1)
    expect(slow.stdout.readableLength).toBeLessThan(1_000_000)
    await clock.advance(30_000)
    await captured
    expect(slow.stdout.destroyed).toBe(true)
  })

  it('lets the process go on when the client goes', async () => {
    const captured = start('head -c 3000000 /dev/zero')
    const session = await attach({})
    await once(session.stdout, 'readable')
    session.kill()
    await captured
  })
})

describe('logs', () => {
  const logs = (situation: ContainerSituation, runs: number, previous = false): Promise<string> =>
    backend(situation, runs)
      .logs(pod(), { ...everything, previous }, never)
      .then(text)
  const waiting: ContainerSituation = { kind: 'waiting', reason: 'ContainerCreating' }

  it('are those of the last run, or of the one before', async () => {
    await start('echo one')
    const second = new SessionProcess({ file: tools.sh, args: ['-c', 'echo two'], env }, noInput, tools.setsid)
    await log.capture(1, second.stdout, second.stderr)
    expect([await logs(running(), 2), await logs(running(), 2, true)]).toEqual(['two\n', 'one\n'])
    // Between two runs the last one is over, so it is the previous one.
    expect([await logs(waiting, 2), await logs(waiting, 2, true)]).toEqual(['two\n', 'two\n'])
    expect(await logs({ kind: 'ended' }, 2, true)).toBe('one\n')
  })

  it.each<[string, ContainerSituation, boolean]>([
    ['container "app" in pod "web" is waiting to start: ContainerCreating', waiting, false],
    ['previous terminated container "app" in pod "web" not found', waiting, true],
    ['container "app" in pod "web" has no log', { kind: 'ended' }, false],
  ])('say: %s', async (message, situation, previous) => {
    await expect(logs(situation, 0, previous)).rejects.toThrow(message)
  })

  it('of a container that is not here say why', async () => {
    const targets: PodTargets = {
      container: () => ({ kind: 'absent', reason: 'it is elsewhere' }),
      netnsPath: () => undefined,
    }
    const pods = createPodStreams({ targets, tools, clock })
    await expect(pods.logs(pod(), everything, never)).rejects.toThrow('it is elsewhere')
    await expect(pods.portForward(pod(), 1)).rejects.toThrow('pod web is not running')
  })
})

describe('the consoles of containers', () => {
  it('are there as long as the process is, and nothing of its group stays', async () => {
    const consoles = new ContainerConsoles(tools.setsid)
    const mark = `${process.pid}.75`
    const script = `sleep ${mark} > /dev/null 2>&1 & read x; exit 2`
    const session = consoles.start({ file: tools.sh, args: ['-c', script], env }, { hasStdin: true, hasTty: true })
    session.stdout.resume()
    const pid = session.pid ?? 0
    consoles.of(pid)?.resize(80, 24)
    consoles.of(pid)?.stdin?.write('\n')
    expect(await session.ended).toEqual({ kind: 'exited', code: 2 })
    expect(consoles.of(pid)).toBe(undefined)
    await expect.poll(() => spawnSync('pgrep', ['-f', `sleep ${mark}$`]).status).toBe(1)
  })

  it('have no input unless it is asked for, also with a terminal', () => {
    const consoles = new ContainerConsoles(tools.setsid)
    container = consoles.start({ file: tools.sh, args: ['-c', 'sleep 60'], env }, { hasStdin: false, hasTty: true })
    expect(consoles.of(container.pid ?? 0)?.stdin).toBe(undefined)
  })
})

const noInput: SessionOptions = { hasStdin: false, hasTty: false }

describe.runIf(requirePrivileges())('port-forward', () => {
  it.each(['127.0.0.1', '::1'])('reaches what listens on %s', async (host) => {
    const server = createServer((socket) => socket.end('hello'))
    server.listen(0, host)
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    expect(await text(await backend(running()).portForward(pod(), port))).toBe('hello')
    server.close()
  })

  it('says that nobody listens', async () => {
    await expect(backend(running()).portForward(pod(), 1)).rejects.toThrow(
      /failed to connect to localhost:1 inside the pod: .*ECONNREFUSED/,
    )
  })
})
