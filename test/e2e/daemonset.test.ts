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
import { DAEMONSET_FOLDER, manifestPod, readManifests, type WORKLOADS } from '../support/manifests.ts'
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
      const { verb, group, resource, subresource } = attributes
      const asked = rightText(account, verb, group, subresource === '' ? resource : `${resource}/${subresource}`)
      if (outcome.kind === 'allowed') used.add(asked)
      else refused.push(asked)
      return outcome
    })
  }

  const rightText = (account: string, verb: string, group: string, resource: string): string =>
    `${account}: ${verb} ${resource}${group === '' ? '' : `.${group}`}`

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

  it('asks the API for nothing that its accounts may not, and leaves only what it has no occasion for', () => {
    const roles = readManifests().filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role')
    const granted = roles.flatMap(({ metadata, rules }) =>
      rules.flatMap(({ apiGroups, resources, verbs }: Json) =>
        resources.flatMap((resource: string) =>
          verbs.map((verb: string) => rightText(metadata.name.replace('ambit:', ''), verb, apiGroups[0], resource)),
        ),
      ),
    )
    expect({ refused, more: [...used].filter((right) => !granted.includes(right)) }).toEqual({ refused: [], more: [] })
    expect(granted.filter((right) => !used.has(right) && !OCCASIONAL.test(right))).toEqual([])
  })
})

/** Nothing is told of an object here, there is no waypoint, and nothing is taken back. */
const OCCASIONAL =
  /^istiod-lite: (?:get \S+|patch \S+\/status\S*|(?:create|patch) events|delete (?:configmaps|validatingwebhook\S+)|(?:create|patch|delete) (?:deployments|horizontalpodautoscalers|poddisruptionbudgets|serviceaccounts|services|gateways)\b\S*)$/

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
