import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { KubeClient } from '../../support/kube-client.ts'
import { CRD_FOLDER } from '../../support/mesh-kinds.ts'
import { type AmbitRun, ambit } from '../../support/run-ambit.ts'

const FILE = `# The shop.
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  labels:
    istio.io/use-waypoint: gate
spec:
  ports: [{ name: http, port: 80 }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: shop }
spec:
  hosts: [web]
  http:
    - route:
        - destination: { host: cart }
    - route:
        - destination: { host: web }
`

describe('ambit analyze', () => {
  let api: TestApi
  let dir: string
  const run = (...args: readonly string[]): Promise<AmbitRun> =>
    ambit(['analyze', ...args], { cwd: dir, kubeconfig: api.kubeconfig })
  const codesOf = async (...args: readonly string[]): Promise<readonly string[]> =>
    JSON.parse((await run(...args, '-o', 'json')).stdout).map(
      ({ code, origin }: Record<string, string>) => `${code} ${origin}`,
    )

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-analyze-'))
    writeFileSync(join(dir, 'shop.yaml'), FILE)
    api = await startTestApi()
    const kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    const installed = await ambit(['apply', '--wait', '-R', '-f', CRD_FOLDER.pathname], {
      cwd: dir,
      kubeconfig: api.kubeconfig,
    })
    expect(installed).toMatchObject({ code: 0 })
    for (const name of ['shop', 'other']) await kube.post('/api/v1/namespaces', { metadata: { name } })
    await kube.post('/api/v1/namespaces/shop/services', { metadata: { name: 'cart' }, spec: { ports: [{ port: 80 }] } })
    await kube.post('/api/v1/namespaces/other/services', { metadata: { name: 'far' }, spec: { ports: [{ port: 80 }] } })
    kube.close()
  })
  afterAll(async () => {
    await api.close()
    rmSync(dir, { recursive: true, force: true })
  })

  it('names file and line, field, reason and what to do', async () => {
    const { code, stdout } = await run('shop.yaml')
    expect({ code, lines: stdout.split('\n') }).toEqual({
      code: 79,
      lines: [
        'Error [AMB0301] (Service shop/web shop.yaml:8) metadata.labels.istio.io/use-waypoint: there is no waypoint shop/gate',
        '    Create it with "ambit waypoint apply", or mend the label.',
        'Error [IST0101] (VirtualService shop/web shop.yaml:19) spec.http[0].route[0].destination.host: there is no service with the host cart.shop.svc.cluster.local',
        '    Create it, or mend its name; a host in another namespace is written whole: name.namespace.svc.cluster.local.',
        'Warning [IST0130] (VirtualService shop/web shop.yaml:20) spec.http[1]: http[0] takes every request before it',
        '    Put it in front, or take it out.',
        '',
        '2 errors, 1 warning, 0 infos in 2 objects',
        '',
      ],
    })
  })

  it('takes standard input, and finds items of a list by their lines', async () => {
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: { ports: [{ port: 1 }] } }],
    }
    const given = await ambit(['analyze', '-', '-n', 'mine'], { input: JSON.stringify(list, null, 1) })
    expect(given).toMatchObject({ code: 0, stderr: '' })
    expect(given.stdout).toMatch(/^Info \[IST0118\] \(Service mine\/a standard input:\d+\) spec\.ports\[0\]: /)
  })

  it('lays files over what is in the cluster when it is told to', async () => {
    expect(await codesOf('shop.yaml', '--use-kube')).toEqual([
      'AMB0301 Service shop/web',
      'IST0130 VirtualService shop/web',
    ])
  })

  it('looks at one namespace of a cluster, or at all', async () => {
    expect(await codesOf('-n', 'shop')).toEqual(['IST0118 Service shop/cart'])
    expect(await codesOf('-A')).toContain('IST0118 Service other/far')
  })

  it('does not tell what is suppressed, and refuses a rule that it does not understand', async () => {
    expect(await codesOf('shop.yaml', '-S', 'IST0101=VirtualService *.shop', '-S', 'AMB0301=*')).toEqual([
      'IST0130 VirtualService shop/web',
    ])
    const refused = await run('shop.yaml', '-S', 'IST9999=*')
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('-S IST9999=*') })
  })

  it.each([
    ['Error', 0],
    ['Warning', 0],
    ['Info', 79],
  ])('fails from %s on: %i for an Info', async (level, code) => {
    expect((await run('-n', 'shop', '--failure-threshold', level)).code).toBe(code)
  })

  it('writes its findings as a document, with the keys of istioctl', async () => {
    const { stdout } = await run('shop.yaml', '-o', 'yaml')
    expect(parse(stdout)[0]).toEqual({
      code: 'AMB0301',
      name: 'WaypointMissing',
      level: 'Error',
      origin: 'Service shop/web',
      reference: 'shop.yaml:8',
      field: 'metadata.labels.istio.io/use-waypoint',
      message: 'there is no waypoint shop/gate',
      advice: expect.any(String),
    })
  })

  it('says so when nothing was found, and what cannot be read', async () => {
    expect(await run('shop.yaml', '-S', 'AMB0301=*', '-S', 'IST0101=*', '-S', 'IST0130=*')).toEqual({
      code: 0,
      stderr: '',
      stdout: '√ nothing was found in 2 objects\n',
    })
    expect(await run('gone.yaml')).toMatchObject({ code: 1, stderr: expect.stringContaining('gone.yaml') })
  })

  it('says what it may not see', async () => {
    const user = join(dir, 'kubeconfig')
    const kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    await kube.post('/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'reader' } })
    const rbac = '/apis/rbac.authorization.k8s.io/v1'
    await kube.post(`${rbac}/clusterroles`, {
      metadata: { name: 'few' },
      rules: [{ apiGroups: [''], resources: ['services', 'namespaces', 'pods'], verbs: ['list'] }],
    })
    await kube.post(`${rbac}/clusterrolebindings`, {
      metadata: { name: 'few' },
      roleRef: { kind: 'ClusterRole', name: 'few' },
      subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: 'shop' }],
    })
    const { json } = await kube.post('/api/v1/namespaces/shop/serviceaccounts/reader/token', { spec: {} })
    kube.close()
    const { server, caPem } = { server: api.server.url, caPem: api.server.caPem }
    writeFileSync(
      user,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'c',
        clusters: [
          { name: 'c', cluster: { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } },
        ],
        users: [{ name: 'u', user: { token: json.status.token } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u', namespace: 'shop' } }],
      }),
    )
    const { code, stderr, stdout } = await ambit(['analyze'], { cwd: dir, kubeconfig: user })
    expect({ code, stdout: stdout.split(' (')[0] }).toEqual({ code: 0, stdout: 'Info [IST0118]' })
    expect(stderr).toMatch(/^ambit: you may not list .*virtualservices.*; what refers to them is told as missing\n$/)
  })
})
