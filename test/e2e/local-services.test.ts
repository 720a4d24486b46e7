import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MeshStatus } from '#shared/control'
import { Ambit, pidNamespaceOf, portOpenersOf, tracesOf } from '../support/ambit.ts'
import { hasKubectl, kubectl } from '../support/kube-api.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { mayUnshare, rootlessAmbit } from '../support/rootless.ts'

const SERVER = "http.createServer((q, r) => r.end(os.hostname() + ' ' + q.socket.remoteAddress)).listen(8080, '::')"
/** The machine may be busy with other tests. */
const PATIENCE_MS = 10_000
const META_POD = 'apiVersion: v1\nkind: Pod\nmetadata'
const META_SERVICE = 'apiVersion: v1\nkind: Service\nmetadata'
const PROBE = 'readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }'

interface Ports {
  readonly node: number
  readonly own: number
  readonly local: number
  readonly taken: number
}

function manifests({ node, own, local, taken }: Ports): string {
  const client = (namespace: string): string =>
    `${META_POD}: { name: client, namespace: ${namespace} }\nspec: { containers: [{ name: c, command: [sleep, infinity] }] }`
  const peer = (
    name: string,
    on: string,
  ): string => `${META_POD}: { name: ${name}, namespace: legacy, labels: { app: peer } }
spec:
  nodeName: ${on}
  hostname: ${name}
  subdomain: peers
  hostAliases: [{ ip: 192.0.2.1, hostnames: [alias.test] }]
  dnsConfig: { searches: [legacy.example] }
  containers:
    - { name: c, command: [node, -e, "${SERVER}"], ports: [{ name: web, containerPort: 8080 }], ${PROBE} }`
  const service = (name: string, spec: string): string =>
    `${META_SERVICE}: { name: ${name}, namespace: legacy }\nspec: { ${spec} }`
  return [
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }',
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: legacy }',
    client('shop'),
    client('legacy'),
    peer('peer-a', 'node-a'),
    peer('peer-b', 'node-b'),
    service('peers', 'clusterIP: None, selector: { app: peer }, ports: [{ name: http, port: 80, targetPort: web }]'),
    service(
      'front',
      `type: LoadBalancer, selector: { app: peer }, ports: [{ name: http, port: ${own}, targetPort: web, nodePort: ${node} }]`,
    ),
    service(
      'local',
      `type: NodePort, externalTrafficPolicy: Local, selector: { app: none }, ports: [{ port: 80, nodePort: ${local} }]`,
    ),
    service('taken', `type: LoadBalancer, selector: { app: peer }, ports: [{ port: ${taken}, targetPort: web }]`),
    service('front-alias', 'type: ExternalName, externalName: front.legacy.svc.cluster.local'),
    service('by-hand', 'ports: [{ name: dns, port: 53 }]'),
    `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: by-hand-1, namespace: legacy, labels: { kubernetes.io/service-name: by-hand } }
addressType: IPv4
ports: [{ name: dns, port: 53 }]
endpoints: [{ addresses: [10.243.0.1] }]`,
  ].join('\n---\n')
}

/** A port of 127.0.0.1 that nobody has, from `first` on. */
async function freePort(first: number): Promise<number> {
  for (let port = first; ; port++) {
    const server = createServer()
    const isFree = await new Promise<boolean>((told) => {
      server.once('error', () => told(false))
      server.listen(port, '127.0.0.1', () => told(true))
    })
    if (!isFree) continue
    await new Promise((closed) => server.close(closed))
    return port
  }
}

/** What a script in a pod says of names, by Node's two ways to ask. */
const NAMES = `
const dns = require('dns/promises')
const got = async (what) => { try { return await what } catch (error) { return error.code } }
const svc = (name) => name + '.svc.cluster.local'
const six = new dns.Resolver()
six.setServers(['fd00:10:96::a'])
const told = async () => ({
  short: (await dns.lookup('front.legacy')).family > 0,
  alias: (await dns.lookup('front-alias.legacy', { family: 4 })).address,
  front: (await dns.resolve4(svc('front.legacy')))[0],
  bySix: (await six.resolve4(svc('front.legacy')))[0],
  both: (await dns.lookup(svc('peers.legacy'), { all: true })).map(({ family }) => family).sort(),
  peers: (await dns.resolve4(svc('peers.legacy'))).sort(),
  named: await dns.resolve4(svc('peer-a.peers.legacy')),
  ports: (await dns.resolveSrv('_http._tcp.' + svc('peers.legacy'))).map(({ name, port }) => name + ':' + port).sort(),
  reverse: await dns.reverse('10.96.0.10'),
  cname: await dns.resolveCname(svc('front-alias.legacy')),
  outside: [await got(dns.lookup('example.org')), await got(dns.resolve4('example.org'))],
  missing: [await got(dns.resolve4(svc('nobody.legacy'))), await got(dns.resolveMx(svc('front.legacy')))],
})
told().then((all) => console.log(JSON.stringify(all)))`

/** Asks over TCP at a service address. */
const OVER_TCP = `
const query = Buffer.from('002b0001010000010000000000000b646e732d76657273696f6e07636c7573746572056c6f63616c0000100001', 'hex')
const socket = require('net').connect(53, process.argv[1], () => socket.write(query))
socket.on('data', (bytes) => { console.log(bytes.toString('latin1').includes('1.1.0')); socket.destroy() })
socket.on('error', (error) => console.log(error.code))`

describe.runIf(requirePrivileges()).each([
  { who: 'root', isMeant: () => true },
  { who: 'an ordinary user', isMeant: mayUnshare },
])('services of a mesh of $who', ({ who, isMeant }) => {
  const isRun = isMeant()
  let dir = ''
  let stateDir = ''
  let ambit: Ambit
  let ports: Ports
  const other = createServer((socket) => socket.end('other'))
  const exec = async (pod: string, command: readonly string[]): Promise<string> => {
    const [namespace = '', name = ''] = pod.split('/')
    const { stdout, stderr } = await ambit.run(['exec', '-n', namespace, name, '--', ...command])
    return stdout === '' ? stderr : stdout
  }
  const addressOf = (status: MeshStatus, pod: string): string =>
    status.pods.find(({ namespace, name }) => `${namespace}/${name}` === pod)?.addresses[0] ?? ''
  const fetched = async (url: string): Promise<string> =>
    fetch(url, { headers: { connection: 'close' } }).then(
      (response) => response.text(),
      (error: Error) => (error.cause as NodeJS.ErrnoException).code ?? 'failed',
    )
  const fetchedIn = (pod: string, url: string): Promise<string> =>
    exec(pod, [
      'node',
      '-e',
      'fetch(process.argv[1]).then((r) => r.text(), (e) => e.cause.code).then(console.log)',
      url,
    ])

  beforeAll(async () => {
    if (!isRun) return
    dir = mkdtempSync(join(tmpdir(), 'ambit-services-'))
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    if (typeof address !== 'object' || address === null) throw new TypeError('no port')
    ports = {
      node: await freePort(31_080),
      own: await freePort(28_080),
      local: await freePort(31_180),
      taken: address.port,
    }
    const isRoot = who === 'root'
    ambit = isRoot ? new Ambit({ stateDir: join(dir, 'state') }) : rootlessAmbit(dir)
    stateDir = join(dir, ...(isRoot ? ['state'] : ['home', 'state']))
    const folder = join(dir, 'yaml')
    mkdirSync(folder, { mode: 0o755 })
    writeFileSync(join(folder, 'all.yaml'), manifests(ports), { mode: 0o644 })
    expect(await ambit.run(['up', '--detach', '-f', folder])).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    if (!isRun) return
    other.close()
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  it.runIf(isRun).each(['shop/client', 'legacy/client'])('are known by their names in %s', async (pod) => {
    const status = await ambit.status()
    const peers = ['legacy/peer-a', 'legacy/peer-b'].map((each) => addressOf(status, each))
    const front = status.services.find(({ name }) => name === 'front')?.addresses[0]
    expect(JSON.parse(await exec(pod, ['node', '-e', NAMES]))).toEqual({
      short: true,
      alias: front,
      front,
      bySix: front,
      both: [4, 4, 6, 6],
      peers: [...peers].sort(),
      named: peers.slice(0, 1),
      ports: ['peer-a.peers.legacy.svc.cluster.local:8080', 'peer-b.peers.legacy.svc.cluster.local:8080'],
      reverse: ['kube-dns.kube-system.svc.cluster.local'],
      cname: ['front.legacy.svc.cluster.local'],
      outside: ['ENOTFOUND', 'ENOTFOUND'],
      missing: ['ENOTFOUND', 'ENODATA'],
    })
  })

  it.runIf(isRun)('find each other by short names, and what a pod adds for itself', async () => {
    const [full] = (await exec('legacy/peer-a', ['hostname', '-f'])).split('\n')
    expect(full).toBe('peer-a.peers.legacy.svc.cluster.local')
    expect(await exec('legacy/peer-a', ['getent', 'hosts', 'alias.test'])).toContain('192.0.2.1')
    expect(await exec('legacy/peer-a', ['getent', 'ahostsv4', 'front'])).toContain('10.96.')
    expect(await exec('legacy/peer-a', ['cat', '/etc/resolv.conf'])).toBe(
      'search legacy.svc.cluster.local svc.cluster.local cluster.local legacy.example\nnameserver 10.96.0.10\noptions ndots:5\n',
    )
  })

  it.runIf(isRun).each(['shop/client', 'legacy/client'])('answer names over TCP too, in %s', async (pod) => {
    expect(await exec(pod, ['node', '-e', OVER_TCP, '10.96.0.10'])).toBe('true\n')
    const byHand = (await ambit.status()).services.find(({ name }) => name === 'by-hand')?.addresses[0] ?? ''
    expect(await exec(pod, ['node', '-e', OVER_TCP, byHand])).toBe('true\n')
  })

  it.runIf(isRun && hasKubectl())('have a name as soon as they are written', async () => {
    const run = { dir, kubeconfig: join(stateDir, 'kubeconfig') }
    const made = await kubectl(run, 'create service clusterip fresh --tcp=80 -n shop'.split(' '))
    expect(made).toMatchObject({ code: 0 })
    expect(await exec('shop/client', ['getent', 'ahostsv4', 'fresh'])).toContain('10.96.')
    const refused = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x', namespace: 'shop' } }
    const spec = { ports: [{ port: 80 }], externalIPs: ['192.0.2.9'] }
    const { code, stderr } = await kubectl(run, ['apply', '-f', '-'], JSON.stringify({ ...refused, spec }))
    expect([code, stderr]).toEqual([1, expect.stringContaining('spec.externalIPs: Forbidden: is not supported')])
  })

  it.runIf(isRun)('are reached from the machine on their node port and their own, by the node', async () => {
    const nodes = (await ambit.status()).nodes.map(({ addresses }) => addresses[0] ?? '')
    for (const port of [ports.node, ports.own]) {
      const seen = new Set<string>()
      await expect
        .poll(
          async () => {
            seen.add(await fetched(`http://127.0.0.1:${port}/`))
            return seen
          },
          { timeout: PATIENCE_MS },
        )
        .toEqual(new Set([`peer-a ::ffff:${nodes[0]}`, `peer-b ::ffff:${nodes[1]}`]))
    }
  })

  it.runIf(isRun)(
    'are reached in the mesh at the address of any node, and not past externalTrafficPolicy',
    async () => {
      const nodes = (await ambit.status()).nodes.map(({ addresses }) => addresses[0] ?? '')
      for (const pod of ['shop/client', 'legacy/client'])
        for (const node of nodes)
          expect(await fetchedIn(pod, `http://${node}:${ports.node}/`)).toMatch(/^peer-[ab] ::ffff:10\.243\.0\.[23]\n$/)
      expect(await fetchedIn('legacy/client', `http://${nodes[0]}:${ports.local}/`)).toBe('ECONNREFUSED\n')
      expect(await fetched(`http://127.0.0.1:${ports.local}/`)).toBe('ECONNRESET')
    },
  )

  it.runIf(isRun)('tell of a port that somebody has, and leave it to him', async () => {
    const { ready, problems } = await ambit.until((status) => status.problems.length > 0)
    expect({ ready, problems }).toEqual({
      ready: true,
      problems: [
        {
          where: 'Service legacy/taken',
          path: 'spec.ports[0].port',
          problem: expect.stringContaining(`127.0.0.1:${ports.taken} cannot be opened on this machine (EADDRINUSE)`),
        },
      ],
    })
    expect((await ambit.run(['status'])).stdout).toContain('Service legacy/taken: spec.ports[0].port: 127.0.0.1')
  })

  it.runIf(isRun && hasKubectl())('show in kubectl where they are reached', async () => {
    const run = { dir, kubeconfig: join(stateDir, 'kubeconfig') }
    const { stdout } = await kubectl(run, 'get services -n legacy'.split(' '))
    expect(stdout).toMatch(
      new RegExp(`^front +LoadBalancer +10\\.96\\.\\S+ +127\\.0\\.0\\.1 +${ports.own}:${ports.node}/TCP`, 'm'),
    )
    expect(stdout).toMatch(/^taken +LoadBalancer +10\.96\.\S+ +<pending>/m)
    const described = await kubectl(run, 'describe service taken -n legacy'.split(' '))
    expect(described.stdout).toMatch(/Warning +HostPortTaken .*EADDRINUSE/)
    const dns = await kubectl(run, 'get service kube-dns -n kube-system -o jsonpath={.spec.clusterIP}'.split(' '))
    expect(dns.stdout).toBe('10.96.0.10')
    expect(await kubectl(run, 'delete service kube-dns -n kube-system'.split(' '))).toMatchObject({ code: 0 })
    await expect
      .poll(() => exec('legacy/client', ['getent', 'hosts', 'front']), { timeout: PATIENCE_MS })
      .toContain('front.legacy')
  })

  it.runIf(isRun)('leave no process and no port, however the mesh ends', async () => {
    const openers = portOpenersOf(stateDir)
    const { pid } = await ambit.status()
    const namespace = pidNamespaceOf(pid)
    const before = tracesOf('none yet')
    expect(openers).toHaveLength(1)
    expect(readFileSync(join(stateDir, 'run.json'), 'utf8')).toContain(`"portOpener":{"pid":${openers[0]},`)
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => portOpenersOf(stateDir), { timeout: PATIENCE_MS }).toEqual([])
    expect(await fetched(`http://127.0.0.1:${ports.node}/`)).toBe('ECONNREFUSED')
    await ambit.run(['down'])
    expect(await ambit.run(['up', '--detach', '--no-demo', '-f', join(dir, 'yaml')])).toMatchObject({ code: 0 })
    expect(portOpenersOf(stateDir)).toHaveLength(1)
    expect(await ambit.run(['down'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the mesh is down\n'),
    })
    expect([portOpenersOf(stateDir), tracesOf(namespace)]).toEqual([[], before])
  })
})
