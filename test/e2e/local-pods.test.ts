import { createHash, randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MeshStatus, PodStatus } from '#shared/control'
import { Ambit, type Ended, ended } from '../support/ambit.ts'
import { requirePrivileges } from '../support/privileges.ts'

const shop = resolve(import.meta.dirname, '../../samples/shop')

describe.runIf(requirePrivileges())('pods on one machine', () => {
  let dir = ''
  let folder = ''
  let ambit: Ambit
  const exec = (pod: string, command: readonly string[], input?: string | Uint8Array): Promise<Ended> => {
    const [namespace = '', name = ''] = pod.split('/')
    return ambit.run(['exec', '-n', namespace, name, '--', ...command], input)
  }
  const write = (file: string, yaml: string): void => writeFileSync(join(folder, file), yaml)
  const podOf = (status: MeshStatus, pod: string): PodStatus | undefined =>
    status.pods.find((each) => `${each.namespace}/${each.name}` === pod)
  const ask = async (from: string, url: string): Promise<string> =>
    (await exec(from, ['node', 'request.mjs', url])).stdout

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-pods-'))
    folder = join(dir, 'shop')
    cpSync(shop, folder, { recursive: true })
    ambit = new Ambit({ stateDir: join(dir, 'state') })
    const up = await ambit.run(['up', '--detach', '-f', folder])
    expect(up).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  describe('exec', () => {
    it('carries any bytes in and out unchanged, and the two outputs apart', async () => {
      const input = randomBytes(3_000_000)
      const copied = await exec('shop/client', ['cat'], input)
      const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
      expect(digest(Buffer.from(copied.stdout, 'latin1'))).toBe(digest(input))
      expect(await exec('shop/client', ['sh', '-c', 'echo out; echo err >&2; exit 7'])).toMatchObject({
        code: 7,
        stdout: 'out\n',
        stderr: 'err\n',
      })
    })

    it('passes arguments as they are, whatever is in them', async () => {
      const nasty = ['$(id)', '`id`', '; id', "'", '"', '', '-n', 'a=b', 'ä\n']
      const { stdout } = await exec('shop/client', [
        'node',
        '-p',
        'JSON.stringify(process.argv.slice(1))',
        '--',
        ...nasty,
      ])
      expect(JSON.parse(Buffer.from(stdout, 'latin1').toString())).toEqual(nasty)
    })

    it('passes signals on, and the signal that ended the command as shells do', async () => {
      const child = ambit.start([
        'exec',
        '-n',
        'shop',
        'client',
        '--',
        'node',
        '-e',
        'process.on("SIGUSR1",()=>{console.log("seen");process.kill(process.pid,"SIGTERM")});setInterval(()=>{},1e3);console.log("up")',
      ])
      const end = ended(child)
      await new Promise((up) => child.stdout?.once('data', up))
      child.kill('SIGUSR1')
      expect(await end).toMatchObject({ code: 143, stdout: 'up\nseen\n' })
    })

    it('ends the command when its client is gone', async () => {
      const marker = `${9_000_000 + process.pid}`
      const child = ambit.start(['exec', '-n', 'shop', 'client', '--', 'sh', '-c', `echo up; sleep ${marker}`])
      await new Promise((up) => child.stdout?.once('data', up))
      child.kill('SIGKILL')
      await expect
        .poll(async () => (await exec('shop/client', ['sh', '-c', `cat /proc/[0-9]*/cmdline | tr '\\0' ' '`])).stdout)
        .not.toContain(`sleep ${marker}`)
    })

    it.each([
      [['-n', 'shop', 'nobody', '--', 'true'], 1, 'there is no pod shop/nobody'],
      [['-n', 'shop', 'web', '-c', 'other', '--', 'true'], 1, 'has no container other'],
      [['-n', 'shop', 'web', '--', 'no-such-program'], 127, 'no-such-program'],
    ])('of %j says what is wrong', async (args, code, text) => {
      expect(await ambit.run(['exec', ...args])).toMatchObject({ code, stderr: expect.stringContaining(text) })
    })
  })

  describe('a pod', () => {
    it('has a host name, addresses and rights of its own, and does not see what the mesh keeps secret', async () => {
      const own = podOf(await ambit.status(), 'shop/client')
      const script =
        'hostname; grep -c . /etc/hosts >/dev/null; ls -A "$1"; grep CapEff /proc/self/status; node -p "Object.keys(os.networkInterfaces()).join()"'
      const { stdout } = await exec('shop/client', ['sh', '-c', script, 'x', join(dir, 'state')])
      // 0x405fb: chown to sys_chroot of kubelet/sandbox.ts, without net_admin, net_raw and sys_admin.
      expect(stdout.split('\n')).toEqual(['client', 'CapEff:\t00000000000405fb', 'lo,eth0', ''])
      expect(own?.addresses).toEqual([expect.stringMatching(/^10\.244\./), expect.stringMatching(/^fd00:10:244:/)])
    })

    it('cannot mark its packets as those of the tunnel', async () => {
      // SO_MARK is not in Node: unshare and nft stand for everything that needs the rights.
      expect((await exec('shop/client', ['unshare', '--net', 'true'])).code).not.toBe(0)
      expect((await exec('shop/client', ['mount', '-t', 'tmpfs', 'tmpfs', '/tmp'])).code).not.toBe(0)
    })

    it('knows services by all their names, in both families', async () => {
      const names = ['web', 'web.shop', 'web.shop.svc', 'web.shop.svc.cluster.local', 'catalog.legacy']
      const script =
        'for (const n of process.argv.slice(1)) console.log((await require("dns/promises").lookup(n,{all:true})).map(a=>a.family).sort().join())'
      const { stdout } = await exec('shop/client', ['node', '-e', `(async()=>{${script}})()`, '--', ...names])
      expect(stdout.trim().split('\n')).toEqual(names.map(() => '4,6'))
    })

    it('is served through the mesh, through a service address, and when it calls itself', async () => {
      expect(await ask('shop/client', 'http://web/checkout')).toMatch(/^200 .*"paid":true/)
      expect(await ask('legacy/client', 'http://web.shop/checkout')).toMatch(/^200 .*"paid":true/)
      // Its bare name is its host name, which is the pod itself and not the service, as in any cluster.
      expect(await ask('legacy/catalog', 'http://catalog.legacy/items')).toMatch(/^200 .*"saucer"/)
      expect(await ask('shop/client', 'http://catalog.legacy/items')).toMatch(/^200 .*"saucer"/)
    })

    it('starts a container again that has ended, in the same namespaces', async () => {
      const before = podOf(await ambit.status(), 'legacy/catalog')
      process.kill(before?.pid ?? 0, 'SIGKILL')
      const after = podOf(
        await ambit.until((status) => podOf(status, 'legacy/catalog')?.restarts === 1 && status.ready),
        'legacy/catalog',
      )
      expect(after).toMatchObject({ uid: before?.uid, addresses: before?.addresses, netns: before?.netns })
      expect(after?.pid).not.toBe(before?.pid)
    })

    it('is replaced by another when its namespaces are ended', async () => {
      const before = podOf(await ambit.status(), 'shop/payments')
      process.kill(Number(before?.netns.split('/')[2]), 'SIGKILL')
      const isNew = (status: MeshStatus): boolean => status.ready && podOf(status, 'shop/payments')?.uid !== before?.uid
      await ambit.until(isNew)
      expect(await ask('shop/client', 'http://web/checkout')).toMatch(/^200 .*"paid":true/)
    })
  })

  it.each([
    ['istiod-lite', undefined],
    ['node-agent', 'node-a'],
    ['ztunnel', 'node-a'],
  ])('starts %s again when it is killed, and the mesh serves', async (name, node) => {
    const program = (status: MeshStatus): MeshStatus['programs'][number] | undefined =>
      status.programs.find((each) => each.name === name && each.node === node)
    process.kill(program(await ambit.status())?.pid ?? 0, 'SIGKILL')
    await ambit.until((status) => status.ready && program(status)?.restarts === 1)
    expect(await ask('shop/client', 'http://web/checkout')).toMatch(/^200 .*"paid":true/)
  })

  describe('a change of YAML', () => {
    it('adds pods and services, changes them, and takes them away', async () => {
      const pod = (command: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: extra, namespace: legacy, labels: { app: extra } }
spec: { terminationGracePeriodSeconds: 1, containers: [{ name: main, command: ${command} }] }
---
apiVersion: v1
kind: Service
metadata: { name: extra, namespace: legacy }
spec: { clusterIP: 10.96.0.77, selector: { app: extra }, ports: [{ port: 80 }] }`
      write('extra.yaml', pod('[sleep, infinity]'))
      const added = podOf(await ambit.until((status) => podOf(status, 'legacy/extra')?.ready === true), 'legacy/extra')
      expect((await exec('legacy/client', ['getent', 'ahostsv4', 'extra.legacy'])).stdout).toContain('10.96.0.77')
      write('extra.yaml', pod('[sleep, "1000"]'))
      await ambit.until((status) => status.ready && podOf(status, 'legacy/extra')?.uid !== added?.uid)
      rmSync(join(folder, 'extra.yaml'))
      const status = await ambit.until((each) => podOf(each, 'legacy/extra') === undefined)
      expect(status.services.map(({ name }) => name)).not.toContain('extra')
    })

    it('takes a pod out of the mesh and back while it runs', async () => {
      const before = readFileSync(join(folder, 'shop.yaml'), 'utf8')
      const { uid } = podOf(await ambit.status(), 'shop/client') ?? {}
      write(
        'shop.yaml',
        before.replace('labels: { app: client }', 'labels: { app: client, istio.io/dataplane-mode: none }'),
      )
      const out = await ambit.until((status) => status.ready && podOf(status, 'shop/client')?.enrolled === false)
      expect(podOf(out, 'shop/client')).toMatchObject({ uid, captured: false })
      expect(await ask('shop/client', 'http://web/checkout')).toMatch(/^200 .*"paid":true/)
      write('shop.yaml', before)
      const back = await ambit.until((status) => status.ready && podOf(status, 'shop/client')?.enrolled === true)
      expect(podOf(back, 'shop/client')).toMatchObject({ uid, captured: true })
    })

    it('that cannot be read is told by file, line and field, and changes nothing', async () => {
      const before = await ambit.status()
      write(
        'bad.yaml',
        'apiVersion: v1\nkind: Pod\nmetadata: { name: bad, namespace: legacy }\nspec:\n  containers: [{ name: c }]\n',
      )
      const { problems } = await ambit.until((status) => status.problems.length > 0)
      expect(problems).toEqual([
        {
          where: join(folder, 'bad.yaml'),
          line: 5,
          path: 'spec.containers[0].command',
          problem: 'is missing; without it, an image has to say what to run',
        },
      ])
      expect((await ambit.run(['status'])).stdout).toContain('bad.yaml:5: spec.containers[0].command: is missing')
      rmSync(join(folder, 'bad.yaml'))
      const after = await ambit.until((status) => status.problems.length === 0)
      expect(after.pods.map(({ uid }) => uid)).toEqual(before.pods.map(({ uid }) => uid))
    })

    it('that a running pod cannot follow leaves it running, and says so', async () => {
      const before = readFileSync(join(folder, 'legacy.yaml'), 'utf8')
      const { uid } = podOf(await ambit.status(), 'legacy/catalog') ?? {}
      write('legacy.yaml', before.replace('serviceAccountName: catalog', 'serviceAccountName: nobody'))
      const status = await ambit.until(({ problems }) => problems.length > 0)
      expect(status.problems[0]?.problem).toBe(
        'there is no ServiceAccount legacy/nobody; add one to the folder; the old one stays',
      )
      expect(podOf(status, 'legacy/catalog')).toMatchObject({ uid, ready: true })
      write('legacy.yaml', before)
      await ambit.until(({ problems }) => problems.length === 0)
    })
  })

  it('shows what the tunnels know, in tables and as JSON, and programs and pods by their logs', async () => {
    const answers = await Promise.all(
      ['workloads', 'services', 'policies', 'certificates', 'connections'].map(async (kind) => [
        (await ambit.run(['ztunnel-config', kind])).code,
        Array.isArray(JSON.parse((await ambit.run(['ztunnel-config', kind, '-o', 'json'])).stdout)),
      ]),
    )
    expect(answers).toEqual(answers.map(() => [0, true]))
    expect((await ambit.run(['zc', 'workloads', '--node', 'node-b'])).stdout).toMatch(
      /^NAMESPACE[\s\S]*shop +web +10\.244\.\d+\.\d+ +node-a +None +HBONE/m,
    )
    expect(await ambit.run(['zc', 'workloads', '--node', 'node-x'])).toMatchObject({
      code: 1,
      stderr: 'ambit: there is no node node-x, only node-a, node-b\n',
    })
    expect((await ambit.run(['logs', 'ztunnel', '--node', 'node-b'])).stdout).toContain('connection complete')
    expect(await ambit.run(['logs', '-n', 'shop', 'nobody'])).toMatchObject({ code: 1 })
  })
})
