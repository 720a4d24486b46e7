import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { Ambit, type Ended, ended } from '../support/ambit.ts'
import { requirePrivileges } from '../support/privileges.ts'

/** What a machine says that runs no pods which end. */

describe.runIf(requirePrivileges())('ambit and a mesh on one machine', () => {
  let dir = ''
  let ambit: Ambit
  const run = (command: string): Promise<Ended> => ambit.run(command.split(' '))

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-cli-'))
    ambit = new Ambit({ stateDir: join(dir, 'state') })
    expect(await run('up --detach --demo')).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await run('down')
    rmSync(dir, { recursive: true, force: true })
  })

  it('checks the machine, the API and the mesh, and finds nothing that fails', async () => {
    const { code, stderr, ...output } = await run('check --wait')
    const stdout = Buffer.from(output.stdout, 'latin1').toString('utf8')
    expect({ code, stderr, failures: stdout.match(/^×.*/gm) }).toEqual({ code: 0, stderr: '', failures: null })
    for (const line of [
      /^√ this user may make namespaces$/m,
      /^√ the cluster is https:\/\/127\.0\.0\.1:\d+, chosen by the mesh in .*\/state$/m,
      /^√ certificates of node-b are valid \([1-9]\d*\)$/m,
      /^√ enrolled pods are captured, and no others \([1-9]\d* of \d+\)$/m,
      /^Status check results are √$/m,
    ])
      expect(stdout).toMatch(line)
    expect(JSON.parse((await run('check --pre -o json')).stdout)).toMatchObject({ passed: true })
  })

  it('says in its status where the Kubernetes API is', async () => {
    expect((await run('status')).stdout).toMatch(
      /^Kubernetes API: https:\/\/127\.0\.0\.1:\d+\nKubeconfig: .*\/state\/kubeconfig$/m,
    )
    expect(parse((await run('status --wait -o yaml')).stdout)).toMatchObject({
      ready: true,
      api: { server: expect.any(String) },
    })
  })

  it('shows each proxy in sync, and what the tunnels know', async () => {
    const { stdout } = await run('proxy-status')
    for (const node of ['node-a', 'node-b'])
      expect(stdout).toMatch(
        new RegExp(
          `^ztunnel-${node}\\.istio-system +ztunnel +${node} +.* Address +\\S+ +\\S+ +SYNCED +0ms +istiod-lite`,
          'm',
        ),
      )
    expect((await run('zc workload ztunnel-node-b --workload-namespace legacy')).stdout).toMatch(
      /^NAMESPACE.*\n(legacy .*\n)+$/,
    )
    expect(await run('zc workload node-z')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('only node-a, node-b'),
    })
  })

  it('comes back from apply --wait when the tunnels enforce what was written', async () => {
    const ask = async (): Promise<string> =>
      (await ambit.run(['exec', '-n', 'shop', 'client', '--', 'node', 'request.mjs', 'http://web/checkout'])).stdout
    const file = join(dir, 'deny.yaml')
    const policy = (action: string): string =>
      `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: wait, namespace: shop}\nspec: {action: ${action}, rules: [{}]}\n`
    expect(await ask()).toMatch(/^200 /)
    writeFileSync(file, policy('DENY'))
    expect(await run(`apply --wait -f ${file}`)).toMatchObject({ code: 0, stderr: '' })
    expect(await ask()).not.toMatch(/^200 /)
    writeFileSync(file, policy('ALLOW'))
    expect(await run(`apply --wait -f ${file}`)).toMatchObject({ code: 0, stderr: '' })
    expect(await ask()).toMatch(/^200 /)
    expect((await run('wait-for-sync --timeout 10s')).stdout).toBe('2 proxies are in sync\n')
  })

  it('runs a command as a meshed pod with a service, in the folder where it was started, and shows its log', async () => {
    const server = `require('node:http').createServer((_, to) => { console.log('asked in', process.cwd()); to.end('served') }).listen(9000)`
    const made = await ambit.run([
      'run',
      '-n',
      'shop',
      '--sa',
      'server',
      '--name',
      'server',
      '--expose',
      '9000',
      '-d',
      '--',
      'node',
      '-e',
      server,
    ])
    expect(made).toMatchObject({
      code: 0,
      stdout: 'pod/server created in namespace shop\nservice/server created\n',
      stderr: expect.stringContaining('service account shop/server was missing and is made'),
    })
    const { pods } = await ambit.until(({ ready, pods: all }) => ready && all.some(({ name }) => name === 'server'))
    expect(pods.find(({ name }) => name === 'server')).toMatchObject({
      captured: true,
      identity: 'spiffe://cluster.local/ns/shop/sa/server',
    })
    const ask = `fetch('http://server:9000').then((answer) => answer.text()).then(console.log)`
    const asked = (): Promise<string> =>
      ambit.run(['exec', '-n', 'shop', 'client', '--', 'node', '-e', ask]).then(({ stdout }) => stdout)
    await expect.poll(asked, { timeout: 5_000 }).toBe('served\n')
    await expect.poll(async () => (await run('logs -n shop server')).stdout).toContain('asked in /\n')
    expect(await run('kubectl delete pod,service server -n shop --wait=false')).toMatchObject({ code: 0 })
  })

  it('runs a command in the foreground: its output, its exit status, and then its pod is gone', async () => {
    const ran = await ambit.run([
      'run',
      '-n',
      'shop',
      '--name',
      'short',
      '--env',
      'A=b',
      '--',
      'sh',
      '-c',
      'echo $A; exit 3',
    ])
    expect(ran).toEqual({ code: 3, signal: null, stdout: 'b\n', stderr: '' })
    await ambit.until(({ pods }) => pods.every(({ name }) => name !== 'short'))
  })

  it('takes the pod of a command in the foreground away when it is interrupted', async () => {
    const child = ambit.start([
      'run',
      '-n',
      'shop',
      '--name',
      'endless',
      '--',
      'sh',
      '-c',
      'echo begun; sleep infinity',
    ])
    const end = ended(child)
    const begun = once(child.stdout ?? child, 'data').then(() => child.kill('SIGINT'))
    const { code } = await end
    expect(code).toBe(130)
    await begun
    await ambit.until(({ pods }) => pods.every(({ name }) => name !== 'endless'))
  })

  it('asks for a waypoint, and waits until it is ready', async () => {
    expect(await run('waypoint apply -n shop --wait --waypoint-timeout 40s')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('waypoint shop/waypoint applied\n'),
    })
    expect((await run('waypoint list -A')).stdout).toMatch(/^shop +waypoint +default +service +True$/m)
    expect((await run('kubectl get deployment -n shop waypoint')).code).toBe(0)
    expect(await run('waypoint delete -n shop waypoint')).toMatchObject({ code: 0 })
  })

  it('says why a waypoint is not ready', async () => {
    const broken = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'broken', namespace: 'shop' },
      spec: {
        gatewayClassName: 'istio-waypoint',
        listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
        infrastructure: { parametersRef: { group: '', kind: 'ConfigMap', name: 'missing' } },
      },
    }
    expect(await ambit.run(['apply', '-f', '-'], JSON.stringify(broken))).toMatchObject({ code: 0 })
    await expect
      .poll(async () => (await run('waypoint status -n shop')).stdout, { timeout: 20_000 })
      .toMatch(/^shop +broken +False +Programmed +Invalid .*missing/m)
    expect(await run('waypoint delete -n shop broken')).toMatchObject({ code: 0 })
  })

  it('ends quietly when the reader of its output has gone', async () => {
    const child = ambit.start(['logs', 'ztunnel', '-f'])
    await once(child.stdout ?? child, 'data')
    child.stdout?.destroy()
    const end = once(child, 'exit')
    let stderr = ''
    child.stderr?.on('data', (text) => {
      stderr += text
    })
    await run('exec -n shop client -- node request.mjs http://web/checkout')
    expect(await end).toEqual([141, null])
    expect(stderr).toBe('')
  })
})
