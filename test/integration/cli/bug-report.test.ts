import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { KubeClient } from '../../support/kube-client.ts'
import { LocalPods } from '../../support/local-pods.ts'
import { type AmbitRun, ambit } from '../../support/run-ambit.ts'

const { privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const TOKEN = `${part({ alg: 'ES256', kid: 'k' })}.${part({ sub: 'x' })}.c2lnbmF0dXJlLW9mLWEtdG9rZW4`
const PASSWORD = 'hunter2-Tr0ub4dor'

/** Pods whose ports are all one server of the test; one of them never answers. */
class AdminPods extends LocalPods {
  port = 0

  override async portForward(_pod: unknown, _port: number): ReturnType<LocalPods['portForward']> {
    const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }
}

describe('ambit bug-report', () => {
  let api: TestApi
  let pods: AdminPods
  let admin: Server
  let dir: string
  let count = 0

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-report-'))
    admin = createServer((request, response) => {
      if (request.url === '/config_dump') response.end(JSON.stringify({ key: privateKey, token: TOKEN, workloads: [] }))
      else if (request.url === '/metrics') response.end('a_metric 1\n')
      else response.writeHead(404).end('nothing here')
    })
    admin.listen(0, '127.0.0.1')
    await once(admin, 'listening')
    pods = new AdminPods()
    pods.port = (admin.address() as AddressInfo).port
    api = await startTestApi({ backend: pods })
    const kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    const post = async (path: string, body: object): Promise<void> =>
      expect(await kube.post(path, body)).toMatchObject({ code: 201 })
    for (const name of ['shop', 'istio-system']) await post('/api/v1/namespaces', { metadata: { name } })
    await post('/api/v1/namespaces/shop/secrets', { metadata: { name: 'db' }, stringData: { password: PASSWORD } })
    await post('/api/v1/namespaces/istio-system/secrets', {
      metadata: { name: 'cacerts' },
      stringData: { 'ca-key.pem': privateKey },
    })
    const env = [{ name: 'DB', value: PASSWORD }]
    const podOf = (namespace: string, name: string, labels: object, restartCount = 0): Promise<void> =>
      post(`/api/v1/namespaces/${namespace}/pods`, {
        metadata: { name, labels },
        spec: {
          nodeName: 'node-a',
          containers: [
            {
              name: 'main',
              image: 'i',
              args: ['--db', PASSWORD],
              env: namespace === 'shop' ? env : [{ name: 'NODE_NAME', value: 'node-a' }],
            },
          ],
        },
      }).then(async () => {
        const containerStatuses = [{ name: 'main', image: 'i', imageID: '', ready: true, restartCount }]
        await kube.merge(`/api/v1/namespaces/${namespace}/pods/${name}/status`, {
          status: { phase: 'Running', containerStatuses },
        })
      })
    await podOf('shop', 'web', { app: 'web' })
    await podOf('istio-system', 'ztunnel-a', { app: 'ztunnel' }, 2)
    await podOf('istio-system', 'istiod-a', { app: 'istiod' })
    pods.write(`asked with Bearer ${TOKEN}`)
    pods.write(JSON.stringify({ event: 'key', text: privateKey }))
    pods.write('an ordinary line')
    kube.close()
  })
  afterAll(async () => {
    admin.close()
    await api.close()
    rmSync(dir, { recursive: true, force: true })
  })

  interface Report extends AmbitRun {
    /** By path. */
    readonly files: ReadonlyMap<string, string>
    readonly archive: string
  }

  async function report(...args: readonly string[]): Promise<Report> {
    return reportWith(api.kubeconfig, ...args)
  }

  async function reportWith(kubeconfig: string, ...args: readonly string[]): Promise<Report> {
    const folder = join(dir, `report-${count++}`)
    mkdirSync(folder)
    const archive = join(folder, 'out.tar.gz')
    const ran = await ambit(['bug-report', '--file', archive, ...args], { cwd: folder, kubeconfig })
    const extracted = spawnSync('tar', ['-xzf', archive, '-C', folder, '--strip-components=1'], { encoding: 'utf8' })
    expect(extracted).toMatchObject({ status: 0, stderr: '' })
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(folder, name)).isFile() && name !== 'out.tar.gz')
      .sort()
    return { ...ran, archive, files: new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')])) }
  }

  const problemsIn = ({ files }: Report): Readonly<Record<string, string>> => {
    const contents = JSON.parse(files.get('contents.json') ?? '{}')
    return Object.fromEntries(
      contents.files.flatMap(({ path, problem }: { path: string; problem?: string }) =>
        problem === undefined ? [] : [[path, problem]],
      ),
    )
  }

  it('holds versions, checks, findings, objects, dumps and logs', async () => {
    const made = await report()
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect([...made.files.keys()]).toEqual(
      expect.arrayContaining([
        'analysis.txt',
        'check.txt',
        'cluster.json',
        'contents.json',
        'machine.txt',
        'objects/namespaces.json',
        'objects/pods.json',
        'programs/istiod-a/main.log',
        'programs/istiod-a/metrics.txt',
        'programs/ztunnel-a/config_dump.json',
        'programs/ztunnel-a/main.log',
        'programs/ztunnel-a/main.previous.log',
        'versions.json',
      ]),
    )
    expect(made.files.get('programs/ztunnel-a/main.log')).toContain('an ordinary line')
    expect(made.files.get('objects/pods.json')).toContain('"NODE_NAME"')
    // What the control plane of this test does not have is told.
    expect(problemsIn(made)).toMatchObject({ 'programs/istiod-a/syncz.json': expect.stringContaining('/debug/syncz') })
    expect(made.stdout).toContain(`${made.archive}\n`)
    expect(made.stdout).toContain('programs/istiod-a/syncz.json: ')
  })

  it('holds no private key, no token, no data of a Secret and nothing of the environment of applications', async () => {
    const { files } = await report()
    const secrets = [
      ...privateKey.split('\n').filter((line) => line.length > 20 && !line.startsWith('---')),
      TOKEN.split('.')[2] ?? '',
      PASSWORD,
      Buffer.from(PASSWORD).toString('base64'),
      Buffer.from(privateKey).toString('base64').slice(0, 60),
    ]
    for (const [path, text] of files)
      expect({ path, found: secrets.filter((secret) => text.includes(secret)) }).toEqual({ path, found: [] })
    expect([...files.keys()].filter((path) => path.includes('secret'))).toEqual([])
  })

  it('is for its owner alone, and never written over another file', async () => {
    const { archive } = await report()
    expect(statSync(archive).mode & 0o777).toBe(0o600)
    const again = await ambit(['bug-report', '--file', archive], { cwd: dir, kubeconfig: api.kubeconfig })
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('EEXIST') })
  })

  it('is made when the cluster does not answer', async () => {
    const away = join(dir, 'away')
    writeFileSync(away, readFileSync(api.kubeconfig, 'utf8').replace(/server: .*/, 'server: https://127.0.0.1:9'))
    const made = await reportWith(away)
    expect(made.code).toBe(0)
    expect([...made.files.keys()]).toEqual(['check.txt', 'contents.json', 'machine.txt', 'versions.json'])
    expect(Object.keys(problemsIn(made))).toEqual(
      expect.arrayContaining(['cluster.json', 'analysis.txt', 'programs', 'objects']),
    )
  })

  it('is made of the logs of a mesh that is down, and of nothing at all', async () => {
    const state = join(dir, 'state')
    mkdirSync(join(state, 'logs'), { recursive: true })
    writeFileSync(join(state, 'logs', 'supervisor.log'), `could not start: token=${PASSWORD}\n`)
    const down = await reportWith('', '--state', state)
    expect(down.files.get('logs/supervisor.log')).toBe('could not start: token=[redacted]\n')
    expect(problemsIn(down).cluster).toContain('no mesh is up')
    const nothing = await reportWith('')
    expect([...nothing.files.keys()]).toEqual(['check.txt', 'contents.json', 'machine.txt', 'versions.json'])
    expect(nothing.code).toBe(0)
  })

  it('ends in the time that it is given', async () => {
    admin.removeAllListeners('request')
    const beganMs = Date.now()
    const made = await report('--timeout', '2s')
    expect(Date.now() - beganMs).toBeLessThan(10_000)
    expect(Object.values(problemsIn(made)).some((problem) => /no answer in|no time left/.test(problem))).toBe(true)
  })
})
