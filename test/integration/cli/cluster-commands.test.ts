import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { KubeClient } from '../../support/kube-client.ts'
import { LocalPods } from '../../support/local-pods.ts'
import { CRD_FOLDER } from '../../support/mesh-kinds.ts'
import { type AmbitRun, ambit, RunningAmbit } from '../../support/run-ambit.ts'

const DUMP = {
  workloads: [
    { name: 'web', namespace: 'shop', workloadIps: ['10.0.0.1'], node: 'node-a', protocol: 'HBONE', status: 'Healthy' },
    { name: 'db', namespace: 'data', workloadIps: ['10.0.0.2'], node: 'node-b', protocol: 'TCP', status: 'Healthy' },
  ],
  services: [],
  policies: [],
  certificates: [],
}
const SYNCZ = [
  {
    proxy: 'ztunnel~10.0.0.9~ztunnel-a.istio-system~x',
    nodeName: 'node-a',
    types: [{ typeUrl: 'a/b.Address', state: 'SYNCED', lagMs: 0, sentNonce: '7', ackedNonce: '7' }],
  },
]

const IN_SYNC = { state: 'told', proxies: ['a'], waiting: [], refused: [], gone: [] }

/** Pods whose admin ports are all one server of the test. */
class AdminPods extends LocalPods {
  readonly ports: number[] = []
  port = 0

  override async portForward(_pod: unknown, port: number): ReturnType<LocalPods['portForward']> {
    this.ports.push(port)
    const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }
}

describe('ambit on a cluster', () => {
  let api: TestApi
  let pods: AdminPods
  let client: KubeClient
  let admin: Server
  let dir = ''
  const start = (args: readonly string[], input = ''): RunningAmbit =>
    new RunningAmbit(args, { kubeconfig: api.kubeconfig, cwd: dir, input })
  const run = (args: readonly string[], input = ''): Promise<AmbitRun> => start(args, input).ended
  /** What the control plane says of changes, and what it was asked. */
  let rollout: object = IN_SYNC
  const asked: string[] = []
  const told = async (command: string, input = ''): Promise<string> => {
    const { code, stdout, stderr } = await run(command.split(' '), input)
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' })
    return stdout
  }
  const post = async (path: string, body: object): Promise<void> => {
    expect(await client.post(path, body)).toMatchObject({ code: 201 })
  }
  const podOf = async (namespace: string, name: string, app: string, node: string): Promise<void> => {
    const path = `/api/v1/namespaces/${namespace}/pods`
    const spec = { nodeName: node, containers: [{ name: 'app', image: 'ambit/echo' }] }
    await post(path, { metadata: { name, labels: { app } }, spec })
    await setStatus(namespace, name, { phase: 'Running' })
  }
  const setStatus = async (namespace: string, name: string, status: object): Promise<void> => {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`
    expect(await client.merge(path, { status })).toMatchObject({ code: 200 })
  }

  beforeAll(async () => {
    pods = new AdminPods()
    api = await startTestApi({ backend: pods })
    client = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    dir = mkdtempSync(join(tmpdir(), 'ambit-cli-'))
    // Definitions are waited for, so that what comes next finds their kinds.
    expect(await run(['apply', '--wait', '-R', '-f', CRD_FOLDER.pathname])).toMatchObject({
      code: 0,
      stderr: 'ambit: no control plane runs in istio-system, so no proxy was waited for\n',
    })
    admin = createServer((request, response) => {
      if (request.url === '/config_dump') response.end(JSON.stringify(DUMP))
      else if (request.url === '/debug/syncz') response.end(JSON.stringify(SYNCZ))
      else if (request.url?.startsWith('/debug/rolloutz')) {
        asked.push(request.url)
        response.end(JSON.stringify(rollout))
      } else response.writeHead(404).end('nothing here')
    })
    admin.listen(0, '127.0.0.1')
    await once(admin, 'listening')
    pods.port = (admin.address() as AddressInfo).port
    for (const name of ['shop', 'istio-system']) await post('/api/v1/namespaces', { metadata: { name } })
    await podOf('shop', 'web', 'web', 'node-a')
  })
  afterAll(async () => {
    client.close()
    admin.close()
    await api.close()
    rmSync(dir, { recursive: true, force: true })
  })

  describe('exec and logs', () => {
    it('reach pods through the API', async () => {
      expect(await run(['exec', '-n', 'shop', 'web', '--', 'sh', '-c', 'cat; exit 3'], 'in')).toEqual({
        code: 3,
        stdout: 'in',
        stderr: '',
      })
      pods.write('one')
      pods.write('two')
      expect(await told('logs -n shop web --tail 1')).toBe('two\n')
      expect(await run(['exec', '-n', 'shop', 'other', '--', 'true'])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/"other" not found/),
      })
    })

    it('say that the log of a program is shown whole', async () => {
      expect(await run(['logs', 'ztunnel', '--tail', '3'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('--tail is for pods'),
      })
    })
  })

  describe('proxy-status and ztunnel-config', () => {
    it('say what is missing when the mesh is not installed', async () => {
      expect(await run(['proxy-status'])).toMatchObject({ code: 1, stderr: expect.stringContaining('app=istiod') })
      expect(await run(['ztunnel-config', 'workloads'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('app=ztunnel'),
      })
    })

    it('read the admin ports of its pods through the API', async () => {
      await podOf('istio-system', 'istiod-1', 'istiod', 'node-a')
      await podOf('istio-system', 'ztunnel-a', 'ztunnel', 'node-a')
      await podOf('istio-system', 'ztunnel-b', 'ztunnel', 'node-b')
      expect(await told('proxy-status')).toMatch(
        /\nztunnel-a\.istio-system +ztunnel +node-a +- +Address +7 +7 +SYNCED +0ms +istiod-1/,
      )
      expect(JSON.parse(await told('ps ztunnel-a.istio-system -o json'))).toMatchObject([{ node: 'node-a' }])
      expect(await run(['ps', 'other'])).toMatchObject({ code: 1, stderr: expect.stringContaining('no proxy other') })
      expect(pods.ports.at(-1)).toBe(15_014)
      expect(await told('ztunnel-config workload --workload-namespace shop')).toMatch(
        /^NAMESPACE.*\nshop +web +10\.0\.0\.1 .*\n$/,
      )
      expect(await told('zc workload node-b --address 10.0.0.2')).toMatch(/^NAMESPACE.*\ndata +db .*\n$/)
      expect(parse(await told('zc all ztunnel-b -o yaml'))).toMatchObject([
        { workloads: [{ name: 'web' }, { name: 'db' }] },
      ])
      expect(await told('zc all')).toMatch(
        /POD NAME(.*\n)*.*SERVICE VIP(.*\n)*.*POLICY NAME(.*\n)*CERTIFICATE NAME(.*\n)*WORKLOAD +DIRECTION/,
      )
      expect(pods.ports.at(-1)).toBe(15_000)
      expect(await run(['zc', 'workload', 'other'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('ztunnel-a (node-a), ztunnel-b (node-b)'),
      })
      expect(await run(['zc', 'connections', '--direction', 'up'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('inbound, outbound'),
      })
    })

    it('read a dump that was saved, without a cluster', async () => {
      writeFileSync(join(dir, 'dump.json'), JSON.stringify(DUMP))
      const { ended } = new RunningAmbit(['zc', 'workload', '-f', 'dump.json'], { cwd: dir })
      expect(await ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/data +db/) })
    })
  })

  describe('waypoint', () => {
    it('generates, applies, enrols, lists and deletes', async () => {
      expect(parse(await told('waypoint generate -n shop --for all --service-account cart'))).toMatchObject({
        kind: 'Gateway',
        metadata: {
          labels: { 'istio.io/waypoint-for': 'all' },
          annotations: { 'istio.io/for-service-account': 'cart' },
        },
        spec: { listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
      })
      expect(await run(['waypoint', 'apply', '-n', 'shop', '--enroll-namespace'])).toEqual({
        code: 0,
        stdout: 'waypoint shop/waypoint applied\nnamespace shop labeled with "istio.io/use-waypoint: waypoint"\n',
        stderr: expect.stringContaining('istio.io/dataplane-mode=ambient'),
      })
      expect(await run(['waypoint', 'apply', '-n', 'shop', '--name', 'other', '--enroll-namespace'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('--overwrite'),
      })
      expect(await told('waypoint apply -n shop --name other --for workload -r canary')).toContain('shop/other applied')
      expect(await told('waypoint list -n shop')).toMatch(
        /^NAME +REVISION +TRAFFIC TYPE +PROGRAMMED\nother +canary +workload +Unknown\nwaypoint +default +service +Unknown\n$/,
      )
      expect(JSON.parse(await told('waypoint list -A -o json'))).toHaveLength(2)
      expect(await run(['waypoint', 'delete', '-n', 'shop'])).toMatchObject({
        code: 0,
        stdout: 'waypoint shop/waypoint deleted\n',
        stderr: expect.stringContaining('still asks for waypoint'),
      })
      expect(await told('waypoint delete --all -n shop')).toBe('waypoint shop/other deleted\n')
      expect(await told('waypoint list -A')).toBe('No waypoints found.\n')
      expect(await run(['waypoint', 'apply', '-n', 'nowhere'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('create namespace nowhere'),
      })
    })

    it('asks for one that serves an account, of the class that only Ambit serves', async () => {
      await told('waypoint apply -n shop --name cart --service-account cart --class ambit-waypoint')
      expect(await told('waypoint list -n shop')).toMatch(/\ncart +default +workload +Unknown\n$/)
      const { json } = await client.get('/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/cart')
      expect(json).toMatchObject({
        metadata: { annotations: { 'istio.io/for-service-account': 'cart' } },
        spec: { gatewayClassName: 'ambit-waypoint' },
      })
      await told('waypoint delete -n shop cart')
    })

    it('waits until it is programmed, or says what it saw', async () => {
      expect(await run('waypoint apply -n shop --wait --waypoint-timeout 100ms'.split(' '))).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/timed out after 0.1 s waiting for Gateway shop\/waypoint: Programmed=Unknown/),
      })
      expect(await run('waypoint status -n shop'.split(' '))).toMatchObject({
        code: 1,
        stdout: expect.stringMatching(/shop +waypoint +Unknown +Programmed/),
      })
      const waiting = run('waypoint status -n shop waypoint --wait'.split(' '))
      const conditions = [
        {
          type: 'Programmed',
          status: 'True',
          reason: 'Programmed',
          message: 'fine',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ]
      const path = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/waypoint/status'
      expect(await client.merge(path, { status: { conditions } })).toMatchObject({ code: 200 })
      expect(await waiting).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/shop +waypoint +True +Programmed +Programmed +fine/),
      })
    })
  })

  describe('apply --wait', () => {
    const route = (name: string): string =>
      JSON.stringify({
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'HTTPRoute',
        metadata: { name, namespace: 'shop' },
        spec: { parentRefs: [{ kind: 'Service', group: '', name: 'web' }] },
      })
    const answer = (name: string, status: string, reason: string): Promise<unknown> =>
      client.merge(`/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/${name}/status`, {
        status: {
          parents: [
            {
              parentRef: { kind: 'Service', group: '', name: 'web' },
              controllerName: 'example.com/test',
              conditions: [
                { type: 'Accepted', status, reason, message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
              ],
            },
          ],
        },
      })

    it('comes back when controllers have accepted what they have a say in', async () => {
      const waiting = start(['apply', '-f', '-', '--wait'], route('good'))
      await expect.poll(() => waiting.stdout).toBe('httproute.gateway.networking.k8s.io/good created\n')
      await answer('good', 'True', 'Accepted')
      expect(await waiting.ended).toMatchObject({ code: 0, stderr: '' })
      const map = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: shop }'
      expect(await told('apply -f - --wait', map)).toBe('configmap/a created\n')
    })

    it('comes back when every proxy has it, which the control plane is asked for by kind and revision', async () => {
      asked.length = 0
      const map = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: b, namespace: shop }'
      await told('apply -f - --wait', map)
      expect(asked).toEqual([
        expect.stringMatching(/^\/debug\/rolloutz\?kind=ConfigMap&object=shop%2Fb&revision=\d+&waitMs=1000$/),
      ])
      expect(await told('wait-for-sync')).toBe('1 proxy is in sync\n')
      expect(asked.at(-1)).toBe('/debug/rolloutz?waitMs=1000')
    })

    it('fails with the words of a proxy that refuses it, and names one that does not answer', async () => {
      const map = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c, namespace: shop }'
      const proxy = 'ztunnel~10.0.0.9~ztunnel-a.istio-system~x'
      rollout = { ...IN_SYNC, refused: [{ proxy, type: 'a/b.Address', reason: 'bad port' }] }
      expect(await run(['apply', '-f', '-', '--wait'], map)).toMatchObject({
        code: 1,
        stderr: 'ambit: standard input:1: ztunnel-a.istio-system refused Address: bad port\n',
      })
      rollout = { ...IN_SYNC, waiting: [{ proxy, type: 'a/b.Address', lagMs: 5 }] }
      expect(await run(['wait-for-sync', '--timeout', '100ms'])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/timed out after 0.1 s .*: ztunnel-a.istio-system has not answered/),
      })
      rollout = IN_SYNC
    })

    it('fails with what was seen when time is up', async () => {
      expect(await run(['apply', '-f', '-', '--wait', '--timeout', '100ms'], route('lonely'))).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /standard input:1: timed out .* HTTPRoute shop\/lonely: no controller has taken it up/,
        ),
      })
      await answer('lonely', 'False', 'NoMatchingParent')
      expect(await run(['apply', '-f', '-', '--wait', '--timeout', '100ms'], route('lonely'))).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('Accepted=False, NoMatchingParent'),
      })
    })
  })

  describe('run', () => {
    const args = (...more: string[]): readonly string[] => [
      'run',
      '-n',
      'shop',
      '--image',
      'ambit/echo',
      ...more,
      '--',
      'serve',
      '--flag',
    ]
    const began = async (name: string): Promise<void> =>
      expect.poll(async () => (await client.get(`/api/v1/namespaces/shop/pods/${name}`)).code).toBe(200)
    const container = (state: object): object => ({
      phase: 'Running',
      containerStatuses: [{ name: 'main', image: '', imageID: '', ready: true, restartCount: 0, state }],
    })

    it('makes a pod and its account, shows its log, ends with its status and takes the pod away', async () => {
      const foreground = start(
        args('--name', 'job', '--sa', 'cart', '--env', 'A=b', '--label', 'tier=x', '--expose', '8080'),
      )
      await began('job')
      expect(foreground.stderr).toContain('service account shop/cart was missing and is made')
      expect((await client.get('/api/v1/namespaces/shop/pods/job')).json).toMatchObject({
        metadata: { labels: { app: 'job', tier: 'x' } },
        spec: {
          serviceAccountName: 'cart',
          restartPolicy: 'Never',
          containers: [{ command: ['serve', '--flag'], env: [{ name: 'A', value: 'b' }] }],
        },
      })
      await expect.poll(async () => (await client.get('/api/v1/namespaces/shop/services/job')).code).toBe(200)
      await setStatus('shop', 'job', container({ running: { startedAt: '2026-01-01T00:00:00Z' } }))
      await expect.poll(() => foreground.stdout).toContain('two\n')
      await setStatus('shop', 'job', container({ terminated: { exitCode: 5 } }))
      pods.endLogs()
      expect(await foreground.ended).toMatchObject({ code: 5 })
      expect((await client.get('/api/v1/namespaces/shop/services/job')).code).toBe(404)
      await expect.poll(async () => goingOrGone(await client.get('/api/v1/namespaces/shop/pods/job'))).toBe(true)
    })

    it('takes the pod away at Ctrl-C', async () => {
      const foreground = start(args('--name', 'endless'))
      await began('endless')
      await setStatus('shop', 'endless', container({ running: {} }))
      await expect.poll(() => foreground.stdout).toContain('two\n')
      foreground.signal('SIGINT')
      expect(await foreground.ended).toMatchObject({ code: 130 })
      expect(goingOrGone(await client.get('/api/v1/namespaces/shop/pods/endless'))).toBe(true)
    })

    it('fails when the command cannot start, with the reason', async () => {
      const foreground = start(args('--name', 'broken'))
      await began('broken')
      await setStatus('shop', 'broken', {
        containerStatuses: [
          {
            name: 'main',
            image: '',
            imageID: '',
            ready: false,
            restartCount: 0,
            state: { waiting: { reason: 'ErrImagePull', message: 'no such image' } },
          },
        ],
      })
      expect(await foreground.ended).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('ErrImagePull: no such image'),
      })
    })

    it('leaves a detached one, which is started again when it ends', async () => {
      const { code, stdout, stderr } = await run(args('-d', '--expose', '80', '--name', 'kept'))
      expect({ code, stdout }).toEqual({
        code: 0,
        stdout: 'pod/kept created in namespace shop\nservice/kept created\n',
      })
      expect(stderr).toContain('ambit logs -n shop kept -f')
      expect((await client.get('/api/v1/namespaces/shop/pods/kept')).json.spec.restartPolicy).toBe('Always')
    })

    it.each([
      [['run', '-n', 'shop', '--', 'node'], /is a cluster, where a command comes from an image; name one with --image/],
      [['run', '-n', 'nowhere', '--image', 'a'], /create namespace nowhere/],
      [['run', '-n', 'shop', '--image', 'a', '--env', 'A'], /A is not of the form NAME=VALUE/],
      [['run', '-n', 'shop', '--image', 'a', '--port', '0'], /must be a whole number/],
    ])('%j is refused', async (refused, problem) => {
      expect(await run(refused)).toMatchObject({ code: 1, stderr: expect.stringMatching(problem) })
    })
  })

  describe('check', () => {
    it('looks at the API, the control plane and the rights of a cluster', async () => {
      const { code, stdout } = await run(['check'])
      expect(code).toBe(1)
      expect(stdout).toContain(`√ the cluster is ${api.server.url}, chosen by KUBECONFIG=${api.kubeconfig}`)
      expect(stdout).toMatch(/√ the API answers, version v/)
      expect(stdout).toContain('√ kinds of gateway.networking.k8s.io are installed')
      expect(stdout).toContain('× istiod is not installed in istio-system')
      expect(stdout).toContain('√ you may create pods/portforward')
      expect(stdout).toMatch(/Status check results are ×\n$/)
      const document = JSON.parse((await run(['check', '-o', 'json'])).stdout)
      expect(document).toMatchObject({
        passed: false,
        checks: expect.arrayContaining([expect.objectContaining({ outcome: 'failure' })]),
      })
    })

    it('waits until nothing fails', async () => {
      const waiting = run(['check', '--wait', '--timeout', '15s'])
      const workload = (kind: string, name: string): object => ({
        apiVersion: 'apps/v1',
        kind,
        metadata: { name, namespace: 'istio-system' },
        spec: {
          selector: { matchLabels: { app: name } },
          template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
        },
      })
      const apps = '/apis/apps/v1/namespaces/istio-system'
      await post(`${apps}/deployments`, workload('Deployment', 'istiod'))
      await client.merge(`${apps}/deployments/istiod/status`, { status: { replicas: 1, readyReplicas: 1 } })
      for (const name of ['ztunnel', 'istio-cni-node']) {
        await post(`${apps}/daemonsets`, workload('DaemonSet', name))
        const status = { desiredNumberScheduled: 2, numberReady: 2, currentNumberScheduled: 2, numberMisscheduled: 0 }
        await client.merge(`${apps}/daemonsets/${name}/status`, { status })
      }
      expect(await waiting).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/√ ztunnel is ready \(2\/2\)(.*\n)*Status check results are √\n$/),
      })
    })

    it('tells of a server that does not answer, and how it was chosen', async () => {
      const text =
        'apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{ name: a, cluster: { server: "https://127.0.0.1:1" } }]\ncontexts: [{ name: a, context: { cluster: a, user: a } }]\nusers: [{ name: a, user: {} }]\n'
      writeFileSync(join(dir, 'dead'), text)
      expect(await run(['check', '--kubeconfig', 'dead'])).toMatchObject({
        code: 1,
        stdout: expect.stringMatching(/× the API does not answer: .*ECONNREFUSED/),
      })
      expect(await run(['kubectl', '--kubeconfig', 'dead', 'get', 'pods'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('(the cluster was chosen by --kubeconfig dead)'),
      })
    })

    it('says what there is to do where there is nothing', async () => {
      const { ended } = new RunningAmbit(['check'], { cwd: dir })
      expect(await ended).toMatchObject({ code: 1, stdout: expect.stringContaining('× no mesh is up in') })
    })
  })

  describe('what every command does', () => {
    it('tells versions', async () => {
      expect(parse(await told('version -o yaml'))).toMatchObject({
        client: expect.any(String),
        kubernetes: expect.stringMatching(/^v1\./),
      })
      expect(JSON.parse((await ambit(['version', '-o', 'json'], { cwd: dir })).stdout)).toEqual({
        client: expect.any(String),
        node: process.versions.node,
      })
      expect(await ambit(['version', '--state', 'nowhere'], { cwd: dir })).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('no mesh is up'),
      })
    })

    it.each([
      [['stauts'], 'status'],
      [['waypoint', 'aply'], 'apply'],
      [['check', '--outptu', 'json'], '--output'],
    ])('%j is answered with the nearest: %s', async (wrong, nearest) => {
      expect(await ambit(wrong, { cwd: dir })).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`Did you mean ${nearest}?`),
      })
    })

    it('takes the namespace of the context', async () => {
      const config = parse(readFileSync(api.kubeconfig, 'utf8'))
      config.contexts.push({ name: 'other', context: { ...config.contexts[0].context, namespace: 'shop' } })
      writeFileSync(join(dir, 'two'), JSON.stringify(config))
      expect(await told('kubectl --kubeconfig two --context other get pod web -o name')).toBe('pod/web\n')
      expect(await run(['kubectl', '--kubeconfig', 'two', 'get', 'pod', 'web'])).toMatchObject({ code: 1 })
      expect(await run(['kubectl', '--context', 'none', 'get', 'pods'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('no context "none"'),
      })
    })
  })
})

/** A pod on a node goes when its node says so, which here is nobody. */
function goingOrGone({
  code,
  json,
}: {
  readonly code: number
  readonly json: { readonly metadata?: { readonly deletionTimestamp?: string } }
}): boolean {
  return code === 404 || json.metadata?.deletionTimestamp !== undefined
}
