import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Ambit, ended, pidNamespaceOf, tracesOf } from '../support/ambit.ts'
import { requirePrivileges } from '../support/privileges.ts'

/** What outlives a mesh. */
const KEPT = ['istiod', 'pki', 'store']
const stays = (stateDir: string): string =>
  `its objects and keys stay in ${stateDir} for the next "ambit up"; "ambit down --purge --state ${stateDir}" removes them\n`
const EMPTY = ['up', '--no-demo', '--nodes', '1']

describe.runIf(requirePrivileges())('the life of a mesh on one machine', () => {
  let dir = ''
  let stateDir = ''
  let ambit: Ambit
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-life-'))
    stateDir = join(dir, 'state')
    ambit = new Ambit({ stateDir })
  })
  afterEach(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  it('leaves no process, mount, link, namespace or file when it is taken down', async () => {
    const before = tracesOf('none yet')
    const up = await ambit.run(['up', '--detach', '--demo'])
    expect(up.stdout).toMatch(/pods running[\s\S]*shop\/web +yes +node-a +10\.244\.1\.\d+ +web +yes/)
    expect(up.stdout.split('Try next:\n')[1]?.trim().split('\n').length).toBe(3)
    const namespace = pidNamespaceOf((await ambit.status()).pid)
    expect(tracesOf(namespace).processes.length).toBeGreaterThan(15)
    expect(tracesOf(namespace)).toEqual({ ...before, processes: expect.anything() })
    expect(await ambit.run(['down'])).toMatchObject({ code: 0, stdout: `the mesh is down\n${stays(stateDir)}` })
    expect(tracesOf(namespace)).toEqual(before)
    expect(readdirSync(stateDir)).toEqual(KEPT)
    expect(await ambit.run(['down', '--purge'])).toMatchObject({
      code: 0,
      stdout: `no mesh is up in ${stateDir}\nnothing of it is left in ${stateDir}\n`,
    })
    expect(readdirSync(dir)).toEqual([])
  })

  // The promise of the first page; a machine that is busy with other things gets another chance.
  it('carries its first request through the mesh within five seconds of "ambit up"', { retry: 2 }, async () => {
    const startedMs = performance.now()
    await ambit.run(['up', '--detach', '--demo'])
    const asked = await ambit.run(['exec', '-n', 'shop', 'client', '--', 'node', 'request.mjs', 'http://web/checkout'])
    expect(asked.stdout).toMatch(/^200 .*"paid":true/)
    expect(performance.now() - startedMs).toBeLessThan(5_000)
    await ambit.run(['down'])
  })

  it('tells on the way up what is wrong with its YAML, and does not wait to take the rest', async () => {
    const folder = join(dir, 'objects')
    mkdirSync(folder)
    writeFileSync(join(folder, 'a.yaml'), 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\n')
    writeFileSync(join(folder, 'b.yaml'), 'apiVersion: v1\nkind: Namespace\nmetadata: { name: good }\n')
    const up = await ambit.run([...EMPTY, '--detach', '-f', folder])
    expect(up).toMatchObject({ code: 0, stdout: expect.stringContaining(`! ${folder}/a.yaml:2: kind: `) })
    expect(await ambit.run(['kubectl', 'get', 'namespace', 'good', '-o', 'name'])).toMatchObject({
      stdout: 'namespace/good\n',
    })
  })

  it('ends completely at the very moment its supervisor is killed, and "down" removes what is left on disk', async () => {
    const before = tracesOf('none yet')
    await ambit.run(['up', '--detach', '--demo'])
    const { pid } = await ambit.status()
    const namespace = pidNamespaceOf(pid)
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => tracesOf(namespace), { timeout: 3_000 }).toEqual(before)
    expect(await ambit.run(['status'])).toMatchObject({ code: 1, stderr: expect.stringContaining('no mesh is up in') })
    expect(await ambit.run(['down'])).toMatchObject({
      code: 0,
      stdout: `the mesh had ended; what it left behind is removed\n${stays(stateDir)}`,
    })
    expect(readdirSync(stateDir)).toEqual(KEPT)
  })

  it('comes up again over what a killed one left', async () => {
    await ambit.run([...EMPTY, '--detach'])
    process.kill((await ambit.status()).pid, 'SIGKILL')
    await expect.poll(async () => (await ambit.run(['status'])).code).toBe(1)
    expect(await ambit.run([...EMPTY, '--detach'])).toMatchObject({ code: 0 })
    expect((await ambit.status()).ready).toBe(true)
  })

  it('in the foreground is taken down by Ctrl-C', async () => {
    const up = ambit.start(EMPTY)
    const end = ended(up)
    const { pid } = await ambitUp(ambit)
    const namespace = pidNamespaceOf(pid)
    up.kill('SIGINT')
    expect(await end).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/the mesh is down\nits objects and keys stay in .*--purge/),
    })
    expect([tracesOf(namespace).processes, readdirSync(stateDir)]).toEqual([[], KEPT])
  })

  it.each(['before the supervisor runs', 'while the nodes are made'])('can be interrupted %s', async (when) => {
    const up = ambit.start(EMPTY)
    const end = ended(up)
    await expect
      .poll(() => existsSync(join(stateDir, when.startsWith('before') ? 'run.json' : 'ambit.sock')), { interval: 1 })
      .toBe(true)
    up.kill('SIGTERM')
    expect(await end).toMatchObject({ code: 0 })
    const left = existsSync(stateDir) ? readdirSync(stateDir) : []
    expect(left.filter((name) => !KEPT.includes(name))).toEqual([])
  })

  it('in the foreground ends with its terminal, however that ends', async () => {
    const up = ambit.start(EMPTY)
    const { pid } = await ambitUp(ambit)
    const namespace = pidNamespaceOf(pid)
    up.kill('SIGKILL')
    await expect.poll(() => tracesOf(namespace).processes, { timeout: 5_000 }).toEqual([])
  })

  it('tells the one in the foreground that it was taken down elsewhere, or has ended by itself', async () => {
    const ends = await Promise.all(
      ['down', 'kill'].map(async (how) => {
        const own = new Ambit({ stateDir: join(dir, how) })
        const end = ended(own.start(EMPTY))
        const { pid } = await ambitUp(own)
        if (how === 'kill') process.kill(pid, 'SIGKILL')
        else await own.run(['down'])
        return end
      }),
    )
    expect(ends[0]).toMatchObject({ code: 0, stdout: expect.stringMatching(/the mesh was taken down\n$/) })
    expect(ends[1]).toMatchObject({ code: 1, stderr: expect.stringContaining('the mesh ended by itself') })
    expect(['down', 'kill'].map((how) => readdirSync(join(dir, how)))).toEqual([KEPT, KEPT])
  })

  it('is told about when it is up already, and when there is none', async () => {
    await ambit.run([...EMPTY, '--detach'])
    expect(await ambit.run([...EMPTY])).toMatchObject({ code: 0, stdout: expect.stringContaining('already up') })
    await ambit.run(['down'])
    const commands = [['status'], ['exec', 'x', '--', 'true'], ['logs', 'ztunnel'], ['ztunnel-config', 'workloads']]
    const answers = await Promise.all(commands.map((command) => ambit.run(command)))
    expect(answers).toEqual(
      commands.map(() => ({
        code: 1,
        signal: null,
        stdout: '',
        stderr: expect.stringMatching(/^ambit: no mesh is up in .*start one with "ambit up".*\n$/),
      })),
    )
  })

  it('ends by itself when it cannot come up, says why, and leaves its log', async () => {
    const up = await ambit.run([...EMPTY, '--detach', '--env', 'envoy:A=b'])
    expect(up).toMatchObject({ code: 1, stderr: expect.stringContaining('envoy:A=b is not PROGRAM:NAME=VALUE') })
    expect(existsSync(join(stateDir, 'logs', 'supervisor.log'))).toBe(true)
  })
})

/** The status as soon as everything is ready. */
async function ambitUp(ambit: Ambit): Promise<Awaited<ReturnType<Ambit['status']>>> {
  const untilMs = Date.now() + 20_000
  for (;;) {
    const { code, stdout } = await ambit.run(['status', '-o', 'json'])
    if (code === 0) return JSON.parse(stdout)
    if (Date.now() > untilMs) throw new Error(`the mesh did not come up: ${stdout}`)
  }
}
