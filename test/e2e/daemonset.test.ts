/** What `daemonset/` installs, run as it is written there: two nodes whose pods are namespaces, and a Kubernetes API. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { RbacAuthorizer } from '../../src/local/apiserver/auth/rbac.ts'
import { isRedirected } from '../../src/node-agent/redirect/index.ts'
import { hasKubectl, kubectl, startTestApi, type TestApi } from '../support/kube-api.ts'
import { type Json, KubeClient } from '../support/kube-client.ts'
import { API_RELAY_PORT, ManifestContainer } from '../support/manifest-container.ts'
import {
  DAEMONSET_FOLDER,
  type Grant,
  grantsOf,
  grantText,
  manifestPod,
  readManifests,
  type WORKLOADS,
} from '../support/manifests.ts'
import { PodNetwork, type TestPod } from '../support/pod-network.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { tapWire } from '../support/wire-tap.ts'

const programs = join(import.meta.dirname, 'programs')
const REDIRECTION = 'ambient.istio.io/redirection'
const NODES = ['node-a', 'node-b'] as const
const APP_PORT = 8080

/** Users are mapped in a user namespace, where a container's user and rights cannot be had. */
function isRealRoot(): boolean {
  const isReal = /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  if (!isReal && process.env.MESH_E2E === 'require') throw new Error('MESH_E2E=require, but this is a user namespace')
  if (!isReal) console.warn('SKIPPED: containers with users and capabilities need root of the machine itself')
  return isReal
}

describe.runIf(requirePrivileges() && isRealRoot() && hasKubectl(27))('the mesh as daemonset/ installs it', () => {
  let dir: string
  let api: TestApi
  let kube: KubeClient
  let network: PodNetwork
  let client: App
  let plain: App
  let web: App
  const containers: ManifestContainer[] = []
  const children: ChildProcess[] = []
  /** What the mesh's accounts asked the API for, and what they were refused. */
  const used = new Set<string>()
  const refused: string[] = []

  interface App {
    readonly name: string
    readonly pod: TestPod
  }

  beforeAll(async () => {
    watchRights()
    dir = mkdtempSync(join(tmpdir(), 'ambit-cluster-'))
    for (const node of NODES) mkdirSync(join(dir, node))
    api = await startTestApi()
    kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    network = new PodNetwork({ v4: '10.193', v6: 'fd93' })
    const installed = await kubectl(api, ['apply', '--server-side', '-k', DAEMONSET_FOLDER])
    expect(installed.code, installed.stderr).toBe(0)
    await create('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'istio.io/dataplane-mode': 'ambient' } } })
    await create('/api/v1/namespaces', { metadata: { name: 'bare' } })
    client = await startApp('shop', 'client', 'node-a')
    plain = await startApp('bare', 'plain', 'node-a')
    web = await startApp('shop', 'web', 'node-b')

    const istiod = await startProgram('istiod', 'istiod-0', 'node-a')
    await istiod.untilReady()
    await vi.waitFor(async () => expect(await statusOf('configmaps/istio-ca-root-cert')).toBe(200), { timeout: 10_000 })
    const started = NODES.flatMap((node) => [
      startProgram('node-agent', `node-agent-${node}`, node),
      startProgram('ztunnel', `ztunnel-${node}`, node),
    ])
    await Promise.all((await Promise.all(started)).map((container) => container.untilReady()))
    await vi.waitFor(async () => expect([await markOf(client), await markOf(web)]).toEqual(['enabled', 'enabled']), {
      timeout: 20_000,
      interval: 50,
    })
  })

  afterAll(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await Promise.all(containers.splice(0).map((container) => container.stop('SIGKILL')))
    network?.close()
    kube?.close()
    await api?.close()
    vi.restoreAllMocks()
    rmSync(dir, { recursive: true, force: true })
  })

  function watchRights(): void {
    const authorize = RbacAuthorizer.prototype.authorize
    vi.spyOn(RbacAuthorizer.prototype, 'authorize').mockImplementation(function (this: RbacAuthorizer, attributes) {
      const outcome = authorize.call(this, attributes)
      const account = /^system:serviceaccount:istio-system:(.+)$/.exec(attributes.user.username)?.[1]
      if (account === undefined || attributes.kind !== 'resource') return outcome
      const { verb, group, resource, subresource, name } = attributes
      const whole = subresource === '' ? resource : `${resource}/${subresource}`
      const asked: Grant = { verb, group, resource: whole, name }
      if (outcome.kind === 'allowed') {
        // Whatever the name is, and for this one.
        used.add(`${account}: ${grantText({ ...asked, name: undefined })}`)
        used.add(`${account}: ${grantText(asked)}`)
      } else refused.push(`${account}: ${grantText(asked)}`)
      return outcome
    })
  }

  async function create(path: string, body: Json): Promise<Json> {
    const { code, text, json } = await kube.post(path, body)
    if (code !== 201) throw new Error(`POST ${path}: ${code} ${text}`)
    return json
  }

  const statusOf = async (path: string): Promise<number> =>
    (await kube.get(`/api/v1/namespaces/istio-system/${path}`)).code

  async function markOf({ name }: App): Promise<string | undefined> {
    const { json } = await kube.get(`/api/v1/namespaces/shop/pods/${name}`)
    return json.metadata.annotations?.[REDIRECTION]
  }

  /** A pod of an application, with a process in it, as a runtime would have started it. */
  async function startApp(namespace: string, name: string, node: string): Promise<App> {
    const pod = network.pod(name)
    runIn(pod, ['node', join(programs, 'echo.ts'), String(APP_PORT)])
    const pods = `/api/v1/namespaces/${namespace}/pods`
    await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } })
    const spec = { nodeName: node, serviceAccountName: name, containers: [{ name: 'c', image: 'i' }] }
    await create(pods, { metadata: { name }, spec })
    const podIPs = [{ ip: pod.ip }, { ip: pod.ip6 }]
    const status = { phase: 'Running', podIP: pod.ip, podIPs, conditions: [{ type: 'Ready', status: 'True' }] }
    const type = 'application/merge-patch+json'
    expect((await kube.send('PATCH', `${pods}/${name}/status`, { body: { status }, type })).code).toBe(200)
    return { name, pod }
  }

  function runIn(pod: TestPod, [command = '', ...args]: readonly string[]): ChildProcess {
    const file = command === 'node' ? process.execPath : command
    const child = pod.netns.run(() => spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] }))
    children.push(child)
    return child
  }

  async function startProgram(
    workload: keyof typeof WORKLOADS,
    name: string,
    node: (typeof NODES)[number],
  ): Promise<ManifestContainer> {
    const folder = join(dir, name)
    mkdirSync(folder)
    const container = await ManifestContainer.start({
      manifest: manifestPod(workload),
      name,
      node,
      pod: network.pod(name),
      dir: folder,
      hostFolders: new Map([
        ['/proc', '/proc'],
        ['/var/run/ztunnel', join(dir, node)],
      ]),
      hosts: containers.slice(0, 1).map(({ settings }) => `${settings.pod.ip} istiod.istio-system.svc`),
      api,
      kube,
    })
    containers.push(container)
    return container
  }

  const container = (name: string): ManifestContainer => {
    const found = containers.find(({ settings }) => settings.name === name)
    if (found === undefined) throw new Error(`${name} does not run`)
    return found
  }

  async function get(from: App, to: App, path = '/', count = 1): Promise<readonly Json[]> {
    const child = runIn(from.pod, [
      'node',
      join(programs, 'get.ts'),
      `http://${to.pod.ip}:${APP_PORT}${path}`,
      String(count),
    ])
    let printed = ''
    child.stdout?.on('data', (bytes) => {
      printed += bytes
    })
    await once(child, 'close')
    return printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  it('captures the pods that belong to it, found by their addresses alone, and no others', () => {
    expect([client, plain, web].map(({ pod }) => isRedirected(pod.netns))).toEqual([true, false, true])
    for (const { settings } of containers)
      expect([settings.name, isRedirected(settings.pod.netns)]).toEqual([settings.name, false])
    expect(existsSync(join(dir, 'node-a', 'ztunnel.sock'))).toBe(true)
  })

  it('listens for others on exactly the ports that are written', () => {
    for (const { settings } of containers) {
      const { manifest, name, pod } = settings
      const written = manifest.container.ports.map(({ containerPort }) => containerPort).sort()
      const open = openPorts(pod).filter((port) => port !== API_RELAY_PORT)
      expect({ name, open }).toEqual({ name, open: written })
    }
  })

  it('carries what they say from node to node with mTLS', async () => {
    const tap = network.fabric.run(() => spawn('sleep', ['60'], { stdio: 'ignore' }))
    children.push(tap)
    const seen = async (from: App, to: App): Promise<boolean> =>
      (
        await tapWire(tap.pid ?? 0, async () =>
          expect(await get(from, to, '/marker-7c1e')).toMatchObject([{ status: 200 }]),
        )
      ).includes('marker-7c1e')
    expect({ meshed: await seen(client, web), plain: await seen(plain, client) }).toEqual({
      meshed: false,
      plain: true,
    })
    await vi.waitFor(() => {
      const line = container('ztunnel-node-b').lines.find((each) => each.includes('direction="inbound"'))
      expect(line).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/client"')
      expect(line).toContain('dst.identity="spiffe://cluster.local/ns/shop/sa/web"')
    })
  })

  it('shows the application the address of its client', async () => {
    expect(await get(client, web)).toMatchObject([{ status: 200, body: { source: client.pod.ip } }])
  })

  it('loses no request while one tunnel takes the place of the other', async () => {
    let isAsking = true
    const requests = get(client, web, '/', 4000).finally(() => {
      isAsking = false
    })
    const next = await startProgram('ztunnel', 'ztunnel-node-b-next', 'node-b')
    await next.untilReady()
    await container('ztunnel-node-b').stop()
    expect(isAsking, 'the old tunnel has ended under load').toBe(true)
    const answers = await requests
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    await get(client, web)
    await vi.waitFor(() => expect(next.lines.some((line) => line.includes('direction="inbound"'))).toBe(true))
  })

  it('goes on with captured pods while the node agent is exchanged', async () => {
    await container('node-agent-node-a').stop()
    expect(await get(client, web)).toMatchObject([{ status: 200 }])
    const next = await startProgram('node-agent', 'node-agent-node-a-next', 'node-a')
    await next.untilReady()
    expect(await get(client, web)).toMatchObject([{ status: 200 }])
    expect(isRedirected(client.pod.netns)).toBe(true)
  })

  it('makes what a Gateway needs and takes it away again, and tells objects what became of them', async () => {
    const shop = '/api/v1/namespaces/shop'
    const gateway = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways'
    const made = [
      `${shop}/serviceaccounts/waypoint`,
      `${shop}/services/waypoint`,
      '/apis/apps/v1/namespaces/shop/deployments/waypoint',
      '/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/waypoint',
      '/apis/policy/v1/namespaces/shop/poddisruptionbudgets/waypoint',
    ]
    const codes = async (): Promise<readonly number[]> =>
      Promise.all(made.map(async (path) => (await kube.get(path)).code))
    await create(`${shop}/configmaps`, { metadata: { name: 'sizes' }, data: SIZES })
    await create(gateway, { metadata: { name: 'waypoint' }, spec: GATEWAY_SPEC })
    await expect.poll(codes, { timeout: 10_000 }).toEqual(made.map(() => 200))

    for (const { path, body } of TOLD) await create(path, body)
    for (const { path, body } of TOLD) {
      const status = async (): Promise<unknown> => (await kube.get(`${path}/${body.metadata.name}`)).json.status
      await expect.poll(status, { message: path, timeout: 10_000 }).toBeDefined()
    }
    const events = async (): Promise<number> => (await kube.get(`${shop}/events`)).json.items.length
    await expect.poll(events, { timeout: 10_000 }).toBeGreaterThan(0)

    await kube.send('DELETE', `${gateway}/waypoint`)
    await expect.poll(codes, { timeout: 10_000 }).toEqual(made.map(() => 404))
  })

  it('asks the API for nothing that its accounts may not, and leaves only what it has no occasion for', () => {
    const roles = readManifests().filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role')
    const granted = roles.flatMap(({ metadata, rules }) =>
      grantsOf(rules).map((grant) => `${metadata.name.replace('ambit:', '')}: ${grantText(grant)}`),
    )
    expect(refused).toEqual([])
    expect(granted.filter((right) => !used.has(right)).sort()).toEqual(NO_OCCASION)
  })
})

const GATEWAY_SPEC = {
  gatewayClassName: 'ambit-waypoint',
  listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }],
  infrastructure: { parametersRef: { group: '', kind: 'ConfigMap', name: 'sizes' } },
}
const SIZES = {
  podDisruptionBudget: 'spec: {minAvailable: 1}',
  horizontalPodAutoscaler: 'spec: {maxReplicas: 5}',
}

/** Objects that are told something. */
const TOLD: readonly { readonly path: string; readonly body: Json }[] = [
  {
    path: '/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies',
    body: {
      metadata: { name: 'post' },
      spec: { selector: { matchLabels: { app: 'x' } }, rules: [{ to: [{ operation: { methods: ['POST'] } }] }] },
    },
  },
  {
    path: '/api/v1/namespaces/shop/services',
    body: {
      metadata: { name: 'web', labels: { 'istio.io/use-waypoint': 'waypoint' } },
      spec: { ports: [{ name: 'http', port: 80 }] },
    },
  },
  {
    path: '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes',
    body: { metadata: { name: 'web' }, spec: { parentRefs: [{ group: '', kind: 'Service', name: 'web' }] } },
  },
  {
    path: '/apis/networking.istio.io/v1/namespaces/shop/serviceentries',
    body: {
      metadata: { name: 'far' },
      spec: { hosts: ['far.example'], ports: [{ number: 443, name: 'tls', protocol: 'TLS' }], resolution: 'DNS' },
    },
  },
]

const UNTOLD = [
  ['networking.istio.io', ['destinationrules', 'virtualservices', 'workloadentries']],
  ['security.istio.io', ['peerauthentications', 'requestauthentications']],
  ['gateway.networking.k8s.io', ['grpcroutes', 'tcproutes', 'tlsroutes']],
  ['telemetry.istio.io', ['telemetries']],
  ['ambit.dev', ['ratelimits']],
] as const

/** Of other kinds nothing is told here, no event happens twice, nobody is revoked, and policies are always looked at. */
const NO_OCCASION = [
  ...UNTOLD.flatMap(([group, resources]) =>
    resources.flatMap((resource) => [`get ${resource}.${group}`, `patch ${resource}/status.${group}`]),
  ),
  'get events',
  'patch events',
  'patch configmaps istio-ca-crl',
  'delete configmaps istio-ca-crl',
  'delete validatingwebhookconfigurations.admissionregistration.k8s.io ambit-validator',
]
  .map((right) => `istiod-lite: ${right}`)
  .sort()

/** Ports of a namespace that are open on any address but loopback's (proc_net_tcp(5)), each once, sorted. */
function openPorts(pod: TestPod): readonly number[] {
  const tables = pod.netns.run(() =>
    ['tcp', 'tcp6'].map((table) => readFileSync(`/proc/thread-self/net/${table}`, 'utf8')),
  )
  const lines = tables.flatMap((table) => table.split('\n').slice(1)).map((line) => line.trim().split(/\s+/))
  const open = lines.flatMap(([, address = '', , state]) => {
    const [ip = '', port = ''] = address.split(':')
    return state === LISTENING && /^0+$/.test(ip) ? Number.parseInt(port, 16) : []
  })
  return [...new Set(open)].sort()
}

const LISTENING = '0A'
