import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findTools, type Tools } from '../../../src/local/host/index.ts'
import { enterContainer, openSandbox, startContainer } from '../../../src/local/kubelet/index.ts'
import type { NamespaceHolder } from '../../../src/local/network/index.ts'
import { type ContainerMount, type ContainerRun, readKnownIds } from '../../../src/local/pod-plan/index.ts'
import { requirePrivileges } from '../../support/privileges.ts'

describe.runIf(requirePrivileges())('the files of a container', () => {
  let dir = ''
  let volumesDir = ''
  let tools: Tools
  let sandbox: NamespaceHolder
  /** What there is on the machine where containers want more. */
  const machine = (): object => ({
    mounts: readFileSync('/proc/self/mounts', 'utf8'),
    folders: ['/', '/etc', '/var/lib', '/mnt'].map((path) => readdirSync(path)),
  })
  let before: object

  beforeAll(async () => {
    before = machine()
    dir = mkdtempSync(join(tmpdir(), 'ambit-files-'))
    volumesDir = join(dir, 'state', 'pods', 'uid', 'volumes')
    for (const volume of ['config', 'data']) mkdirSync(join(volumesDir, volume), { recursive: true })
    mkdirSync(join(volumesDir, 'config', '..1'))
    writeFileSync(join(volumesDir, 'config', '..1', 'key'), 'value')
    symlinkSync('..1', join(volumesDir, 'config', '..data'))
    symlinkSync('..data/key', join(volumesDir, 'config', 'key'))
    // As a volume in memory: a mount that the pod does not see where it is on the machine.
    mkdirSync(join(volumesDir, 'memory'))
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(volumesDir, 'memory')])
    writeFileSync(join(dir, 'hosts'), '127.0.0.1 only-here\n')
    writeFileSync(join(dir, 'resolv.conf'), 'nameserver 127.0.0.1\n')
    tools = findTools(process.env.PATH ?? '')
    sandbox = await openSandbox(tools, {
      hostname: 'pod-1',
      hostsFile: join(dir, 'hosts'),
      resolvFile: join(dir, 'resolv.conf'),
      volumesDir,
      hidden: [join(dir, 'state')],
    })
  })
  afterAll(async () => {
    await sandbox?.close()
    execFileSync('umount', [join(volumesDir, 'memory')])
    rmSync(dir, { recursive: true, force: true })
    expect(machine()).toEqual(before)
  })

  const mount = (volume: string, target: string, access: 'ro' | 'rw' = 'rw'): ContainerMount => ({
    source: join(volumesDir, volume),
    target,
    isReadOnly: access === 'ro',
  })
  const runOf = (
    script: string,
    mounts: readonly ContainerMount[],
    more: Partial<ContainerRun> = {},
  ): ContainerRun => ({
    argv: ['sh', '-c', script],
    folder: '/',
    env: { PATH: '/usr/bin:/bin' },
    mounts,
    isRootReadOnly: false,
    user: undefined,
    ...more,
  })
  const run = (
    script: string,
    mounts: readonly ContainerMount[],
    more: Partial<ContainerRun> = {},
  ): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> => {
    const { file, args, env } = startContainer(tools, sandbox, volumesDir, runOf(script, mounts, more))
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const said = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        said[stream] += text
      })
    return new Promise((done) => child.on('close', (code) => done({ code, ...said })))
  }

  it.each([
    ['/etc/config', 'a folder of the machine'],
    ['/config', 'the root'],
    ['/var/lib/app/deep/path', 'folders that are not there'],
    ['/var/run/secrets/kubernetes.io/serviceaccount', "the pod's own /run"],
    ['/mnt', 'a folder that is there'],
  ])('are mounted at %s, in %s', async (target) => {
    expect(await run(`cat "${target}/key"; touch "${target}/new"`, [mount('config', target, 'ro')])).toMatchObject({
      stdout: 'value',
      stderr: expect.stringContaining('Read-only file system'),
    })
  })

  it('can be one file, new or in place of one of the machine', async () => {
    const file = 'config/..1/key'
    const mounts = [mount(file, '/etc/passwd', 'ro'), mount(file, '/etc/app/new.conf', 'ro'), mount(file, '/one', 'ro')]
    expect(await run('cat /etc/passwd /etc/app/new.conf /one', mounts)).toEqual({
      code: 0,
      stdout: 'valuevaluevalue',
      stderr: '',
    })
  })

  it('can lie inside one another, and next to one another', async () => {
    const mounts = [
      mount('data', '/data'),
      mount('config', '/data/config', 'ro'),
      mount('config', '/var/lib/app/one', 'ro'),
      mount('data', '/var/lib/app/two'),
    ]
    const script =
      'cat /data/config/key /var/lib/app/one/key; echo x > /data/written; cat /var/lib/app/two/written; ls /var/lib/app'
    expect(await run(script, mounts)).toEqual({ code: 0, stdout: 'valuevaluex\none\ntwo\n', stderr: '' })
    expect(readFileSync(join(volumesDir, 'data', 'written'), 'utf8')).toBe('x\n')
  })

  it('leave everything else as it was: other files, what the pod has of its own, links of the root', async () => {
    const mounts = [mount('config', '/etc/config', 'ro'), mount('config', '/config', 'ro')]
    const { stdout } = await run('cat /etc/hosts; ls -A / /etc; readlink /bin || true', mounts)
    const lines = stdout.split('\n')
    expect(lines[0]).toBe('127.0.0.1 only-here')
    expect(lines).toEqual(expect.arrayContaining([...readdirSync('/'), ...readdirSync('/etc'), 'config']))
  })

  it('show nothing of other containers, other pods and the mesh', async () => {
    const look = `ls -A /run/ambit/layers /run/ambit/volumes "${dir}/state"; ls /config`
    expect(await run(look, [mount('data', '/elsewhere')])).toMatchObject({
      stdout: `/run/ambit/layers:\n\n/run/ambit/volumes:\n\n${dir}/state:\n`,
      stderr: expect.stringContaining("cannot access '/config'"),
    })
  })

  it('follow the volume as it changes, seen by what joins the container as well', async () => {
    const script = 'echo up; while ! [ -e /config/..2 ]; do :; done; cat /config/key; read -r _ || true'
    const { file, args, env } = startContainer(
      tools,
      sandbox,
      volumesDir,
      runOf(script, [mount('config', '/config', 'ro')]),
    )
    const child = spawn(file, args, { env, stdio: 'pipe' })
    const next = (): Promise<string> => new Promise((done) => child.stdout.once('data', (text) => done(String(text))))
    expect(await next()).toBe('up\n')
    const changed = next()
    mkdirSync(join(volumesDir, 'config', '..2'))
    expect(await changed).toBe('value')
    const joined = enterContainer(
      tools,
      { machinePid: child.pid ?? 0 },
      { argv: ['cat', '/config/key'], folder: '/', env: {}, user: undefined },
    )
    const other = spawn(joined.file, joined.args, { env: joined.env })
    expect(await new Promise((done) => other.stdout.once('data', (text) => done(String(text))))).toBe('value')
    child.stdin.end()
    await new Promise((done) => child.on('close', done))
    rmSync(join(volumesDir, 'config', '..2'), { recursive: true })
  })

  it('are there for what joins a container that was only just started', async () => {
    const mounts = [
      mount('config', '/config', 'ro'),
      mount('config', '/var/lib/app/deep', 'ro'),
      mount('data', '/data'),
    ]
    const { file, args, env } = startContainer(tools, sandbox, volumesDir, runOf('read -r _', mounts))
    const child = spawn(file, args, { env, stdio: ['pipe', 'ignore', 'inherit'] })
    const look = {
      argv: ['cat', '/config/key', '/var/lib/app/deep/key'],
      folder: '/data',
      env: {},
      user: undefined,
    } as const
    const joined = enterContainer(tools, { machinePid: child.pid ?? 0 }, look)
    const other = spawn(joined.file, joined.args, { env: joined.env, stdio: ['ignore', 'pipe', 'inherit'] })
    expect(await new Promise((done) => other.stdout.once('data', (text) => done(String(text))))).toMatch(/^value/)
    child.stdin.end()
    await new Promise((done) => child.on('close', done))
  })

  it('cannot be written outside of volumes when the root is read-only', async () => {
    const script =
      'for f in /x /tmp/x /etc/x /etc/config/x; do touch $f && echo $f; done 2> /dev/null; touch /data/ok && echo /data/ok'
    const mounts = [mount('data', '/data'), mount('config', '/etc/config', 'ro'), mount('memory', '/etc/with space')]
    const ended = await run(`${script}; touch "/etc/with space/ok"`, mounts, { isRootReadOnly: true })
    expect(ended).toEqual({ code: 0, stdout: '/data/ok\n', stderr: '' })
  })

  // An ordinary user's namespace has no other users.
  it.runIf(readKnownIds().hasUser(1234))(
    'belong to root, and the process to the user it asks for, without rights',
    async () => {
      const more = { user: { uid: 1234, gid: 2345, groups: [3456] }, rights: { capabilities: [], canGain: false } }
      const script =
        'id -u; id -g; id -G; grep CapBnd /proc/self/status; grep NoNewPrivs /proc/self/status; cat /config/key'
      const { stdout } = await run(script, [mount('config', '/config', 'ro')], more)
      expect(stdout).toBe('1234\n2345\n2345 3456\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nvalue')
    },
  )

  it('are told about when they cannot be mounted', async () => {
    expect(await run('echo started', [mount('none', '/config')])).toMatchObject({
      code: 32,
      stdout: '',
      stderr: expect.stringContaining('none'),
    })
  })
})
