import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Ambit, pidNamespaceOf, tracesOf } from '../support/ambit.ts'
import { hasKubectl, kubectl } from '../support/kube-api.ts'
import { requirePrivileges } from '../support/privileges.ts'

const EMPTY = ['up', '--detach', '--no-demo', '--nodes', '1']
const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: idle, namespace: mine }
spec:
  replicas: 2
  selector: { matchLabels: { app: idle } }
  template:
    metadata: { labels: { app: idle } }
    spec: { containers: [{ name: c, image: ambit/idle, command: [sleep, infinity] }] }
`
const namespace = (name: string, more = ''): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}${more} }\n---\n`

describe.runIf(requirePrivileges() && hasKubectl())('a mesh that goes down and comes up again', () => {
  let dir = ''
  let stateDir = ''
  let ambit: Ambit
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-survives-'))
    stateDir = join(dir, 'state')
    ambit = new Ambit({ stateDir })
  })
  afterEach(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })
  const up = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await ambit.run(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
  }
  const told = async (command: string, input = '', kubeconfig = join(stateDir, 'kubeconfig')): Promise<string> => {
    const { code, stdout, stderr } = await kubectl({ dir, kubeconfig }, command.split(' '), input)
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' })
    return stdout
  }
  const untilGone = (what: string): Promise<void> =>
    expect.poll(() => told(`get ${what} --ignore-not-found -o name`), { timeout: 20_000 }).toBe('')
  const uids = (resources: string): Promise<string> =>
    told(`get ${resources} -A -o jsonpath={range.items[*]}{.kind}/{.metadata.name}={.metadata.uid}{"\\n"}{end}`)
  const authorities = (): readonly Buffer[] =>
    ['pki/ca.crt', 'pki/ca.key', 'pki/service-account.key', 'istiod/root-cert.pem'].map((file) =>
      readFileSync(join(stateDir, file)),
    )
  const folderWith = (name: string, yaml: string): string => {
    const folder = join(dir, name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'objects.yaml'), yaml)
    return folder
  }
  const killAll = async (): Promise<void> => {
    const { pid } = await ambit.status()
    const pidNamespace = pidNamespaceOf(pid)
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => tracesOf(pidNamespace).processes, { timeout: 5_000 }).toEqual([])
  }

  it.each(['"ambit down"', 'kill -9 of everything'])('has the same objects, keys and port after %s', async (how) => {
    await up('up', '--detach', '--demo')
    await told('create namespace mine')
    await told('create configmap kept -n mine --from-literal=a=b')
    await told('apply -f -', DEPLOYMENT)
    await told('rollout status deployment/idle -n mine --timeout=20s')
    await told('label namespace legacy istio.io/dataplane-mode=ambient')
    await told('create service clusterip idle -n mine --tcp=80')
    const before = {
      objects: await uids('ns,cm,deploy,rs,svc,sa,nodes,crd'),
      address: await told('get svc idle -n mine -o jsonpath={.spec.clusterIP}'),
      authorities: authorities(),
      label: await told('get namespace legacy -o jsonpath={.metadata.labels}'),
    }
    const copied = join(dir, 'copied-kubeconfig')
    writeFileSync(copied, readFileSync(join(stateDir, 'kubeconfig')), { mode: 0o600 })
    const request = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} })
    const asked = await told('create --raw /api/v1/namespaces/mine/serviceaccounts/default/token -f -', request)
    const { token } = (JSON.parse(asked) as { readonly status: { readonly token: string } }).status

    if (how.startsWith('kill')) await killAll()
    else await up('down')
    await up('up', '--detach', '--demo')

    expect({
      objects: await uids('ns,cm,deploy,rs,svc,sa,nodes,crd'),
      address: await told('get svc idle -n mine -o jsonpath={.spec.clusterIP}'),
      authorities: authorities(),
      label: await told('get namespace legacy -o jsonpath={.metadata.labels}'),
    }).toEqual(before)
    expect(await told('get configmap kept -n mine -o jsonpath={.data.a}', '', copied)).toBe('b')
    const bare = join(dir, 'token-kubeconfig')
    writeFileSync(bare, readFileSync(copied, 'utf8').replace(/client-(certificate|key)-data: \S+/g, ''), {
      mode: 0o600,
    })
    const get = ['get', 'configmap', 'kept', '-n', 'mine', `--token=${token}`]
    expect(await kubectl({ dir, kubeconfig: bare }, get)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('User "system:serviceaccount:mine:default" cannot get'),
    })
    expect(await told('rollout status deployment/idle -n mine --timeout=20s')).toContain('successfully rolled out')
    await ambit.until(({ ready, pods }) => ready && pods.every(({ enrolled, captured }) => !enrolled || captured))
    const checkout = ['exec', '-n', 'legacy', 'client', '--', 'node', 'request.mjs', 'http://web.shop/checkout']
    await expect.poll(async () => (await ambit.run(checkout)).stdout, { timeout: 10_000 }).toMatch(/^200 /)
    expect((await ambit.run(['logs', 'ztunnel'])).stdout).toContain(
      'src.identity="spiffe://cluster.local/ns/legacy/sa/client"',
    )
  })

  it('moves pods of nodes that it has no longer, goes on deleting, and drops what left its folders', async () => {
    const first = folderWith('first', `${namespace('from-folder')}${namespace('shared', ', labels: { by: first }')}`)
    await up('up', '--detach', '--nodes', '2', '-f', first)
    await told('create namespace mine')
    await told('apply -f -', DEPLOYMENT)
    await told('rollout status deployment/idle -n mine --timeout=20s')
    await told('create configmap mine -n shared')
    await told('label namespace shared own=label')
    await told('create namespace going')
    await told('create configmap held -n going')
    await told('patch configmap held -n going --type=merge -p {"metadata":{"finalizers":["example.com/held"]}}')
    await told('delete namespace going --wait=false')
    await told('delete namespace istio-system --wait=false')
    await up('down')

    await up(...EMPTY.filter((arg) => arg !== '--no-demo'), '-f', folderWith('second', namespace('new')))
    expect(await told('get nodes -o name')).toBe('node/node-a\n')
    expect(await told('rollout status deployment/idle -n mine --timeout=20s')).toContain('successfully rolled out')
    expect(await told('get pods -n mine -o jsonpath={.items[*].spec.nodeName}')).toBe('node-a node-a')
    // Of what the first folder brought, a namespace stays in which somebody has put something.
    await untilGone('namespace from-folder')
    expect(await told('get namespace shared -o jsonpath={.metadata.labels.own}')).toBe('label')
    expect(await told('get configmap mine -n shared -o name')).toBe('configmap/mine\n')
    expect(await told('get namespace new -o name')).toBe('namespace/new\n')
    expect(await told('get namespace going -o jsonpath={.status.phase}')).toBe('Terminating')
    await told('patch configmap held -n going --type=merge -p {"metadata":{"finalizers":null}}')
    await untilGone('namespace going')
  })

  it('leaves what a user changed of a folder until its file changes, and deletes nothing for a file that cannot be read', async () => {
    const folder = folderWith('own', namespace('mine', ', labels: { a: b }'))
    await up('up', '--detach', '--nodes', '1', '-f', folder)
    await told('label namespace mine a=changed --overwrite')
    await up('down')
    await up('up', '--detach', '--nodes', '1', '-f', folder)
    const label = (): Promise<string> => told('get namespace mine -o jsonpath={.metadata.labels.a}')
    expect(await label()).toBe('changed')
    await up('down')

    writeFileSync(join(folder, 'objects.yaml'), 'kind: [')
    await ambit.run(['up', '--detach', '--nodes', '1', '-f', folder])
    expect(await label()).toBe('changed')
    writeFileSync(join(folder, 'objects.yaml'), namespace('mine', ', labels: { a: c }'))
    await expect.poll(label, { timeout: 5_000 }).toBe('c')
  })

  it('tells of a damaged journal, goes on with what is whole, and keeps the rest', async () => {
    await up(...EMPTY)
    await told('create namespace before')
    await up('down')
    const store = join(stateDir, 'store')
    const [segment = ''] = readdirSync(store).filter((name) => name.startsWith('journal-'))
    const bytes = readFileSync(join(store, segment))
    writeFileSync(join(store, segment), bytes.fill(0, bytes.length - 200, bytes.length - 150))
    expect(await up(...EMPTY)).toMatch(
      /! \S+journal-\d+\.log is damaged at byte \d+ \(.*\): .* kept in \S+\/damaged-\S+/,
    )
    expect(readdirSync(store)).toContainEqual(expect.stringMatching(/^damaged-/))
    await told('get nodes')
    await up('down')
    expect(readdirSync(store)).toContainEqual(expect.stringMatching(/^damaged-/))
  })

  it('refuses the objects of another version in one sentence, and leaves them alone', async () => {
    await up(...EMPTY)
    await up('down')
    writeFileSync(join(stateDir, 'store', 'format'), '99\n')
    const refused = await ambit.run(EMPTY)
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('written by another version of ambit') })
    writeFileSync(join(stateDir, 'store', 'format'), '1\n')
    await up(...EMPTY)
  })

  it('takes another port when its own is taken, and says so', async () => {
    await up(...EMPTY)
    const port = Number(/:(\d+)$/m.exec(await told('config view -o jsonpath={.clusters[0].cluster.server}'))?.[1])
    await up('down')
    const taken = createServer().listen(port, '127.0.0.1')
    try {
      expect(await up(...EMPTY)).toContain(`! port ${port} of the last time is taken`)
      await told('get nodes')
    } finally {
      taken.close()
    }
  })
})
