import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestApi } from './kube-api.ts'
import type { Json, KubeClient } from './kube-client.ts'
import { type EnvVar, imageCommands, type ManifestPod, type Volume, WORKLOADS } from './manifests.ts'
import type { TestPod } from './pod-network.ts'

const root = resolve(import.meta.dirname, '../..')
const SCRIPT = join(import.meta.dirname, 'manifest-container.sh')
const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
/** Where pods reach the API, by a relay on their own loopback. */
const API_HOST = '127.0.0.1'
export const API_RELAY_PORT = 6443
const PATH = '/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export interface ContainerSettings {
  readonly manifest: ManifestPod
  readonly name: string
  readonly node: string
  /** Its network. */
  readonly pod: TestPod
  /** For the container's own files. */
  readonly dir: string
  /** What the node's folders are on this machine. */
  readonly hostFolders: ReadonlyMap<string, string>
  /** Lines of /etc/hosts, in place of the cluster's DNS. */
  readonly hosts: readonly string[]
  readonly api: TestApi
  readonly kube: KubeClient
}

/**
 * What a controller and a kubelet make of a workload of `daemonset/`: a Pod in the API, and its container with exactly the
 * arguments, environment, volumes, user and capabilities that are written there. What this cannot do is an error.
 */
export class ManifestContainer {
  readonly settings: ContainerSettings
  readonly process: ChildProcess
  readonly lines: string[] = []
  readonly exited: Promise<unknown>

  private constructor(settings: ContainerSettings, process: ChildProcess) {
    this.settings = settings
    this.process = process
    this.exited = once(process, 'close')
    for (const stream of [process.stdout, process.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.lines.push(line))
  }

  static async start(settings: ContainerSettings): Promise<ManifestContainer> {
    const { manifest, pod, dir, api } = settings
    const created = await createPod(settings)
    mkdirSync(join(dir, 'root'), { recursive: true })
    const mounts = [...imageMounts(settings), ...(await volumeMounts(settings, created))]
    writeFileSync(join(dir, 'mounts'), mounts.map((mount) => `${mount.join(' ')}\n`).join(''))
    const apiPort = Number(new URL(api.server.url).port)
    await pod.serve(API_RELAY_PORT, (socket) => {
      const relayed = connect(apiPort, API_HOST)
      for (const [one, other] of [
        [socket, relayed],
        [relayed, socket],
      ] as const) {
        one.on('error', () => other.destroy())
        one.pipe(other)
      }
    })
    const command = [...commandOf(manifest), ...manifest.container.args]
    const netns = `/proc/${process.pid}/fd/${pod.netns.fd}`
    const child = spawn(
      'unshare',
      [
        '--mount',
        'sh',
        SCRIPT,
        join(dir, 'root'),
        join(dir, 'mounts'),
        netns,
        ...privileges(manifest),
        '--',
        ...command,
      ],
      { env: environment(settings), stdio: ['ignore', 'pipe', 'pipe'] },
    )
    return new ManifestContainer(settings, child)
  }

  /** Asks the way that its probe is written. */
  async isReady(): Promise<boolean> {
    const { container } = this.settings.manifest
    const { path, port: name } = container.readinessProbe.httpGet
    const port = container.ports.find((each) => each.name === name)?.containerPort ?? 0
    const socket = this.settings.pod.connect(this.settings.pod.ip, port)
    const answer = new Promise<boolean>((done) => {
      socket.once('data', (bytes) => done(bytes.toString('latin1').startsWith('HTTP/1.1 200')))
      socket.once('error', () => done(false))
      socket.once('close', () => done(false))
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${this.settings.pod.ip}\r\nConnection: close\r\n\r\n`)
    return answer.finally(() => socket.destroy())
  }

  async untilReady(): Promise<void> {
    const untilMs = Date.now() + 20_000
    while (!(await this.isReady())) {
      const { exitCode, signalCode } = this.process
      if (exitCode !== null || signalCode !== null || Date.now() > untilMs)
        throw new Error(`${this.settings.name} is not ready (${exitCode ?? signalCode}):\n${this.lines.join('\n')}`)
      await new Promise((later) => setTimeout(later, 50))
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal)
    await this.exited
  }
}

async function createPod({ manifest, name, node, pod, kube }: ContainerSettings): Promise<Json> {
  const { namespace = '' } = manifest.workload.metadata
  const pods = `/api/v1/namespaces/${namespace}/pods`
  const body = { metadata: { name, labels: manifest.labels }, spec: { ...manifest.spec, nodeName: node } }
  const { code, text, json } = await kube.post(pods, body)
  if (code !== 201) throw new Error(`POST ${pods}: ${code} ${text}`)
  const podIPs = [{ ip: pod.ip }, { ip: pod.ip6 }]
  const status = { phase: 'Running', podIP: pod.ip, podIPs, conditions: [{ type: 'Ready', status: 'True' }] }
  const patched = await kube.send('PATCH', `${pods}/${name}/status`, {
    body: { status },
    type: 'application/merge-patch+json',
  })
  if (patched.code !== 200) throw new Error(`PATCH ${name}/status: ${patched.code} ${patched.text}`)
  return json
}

function programOf({ workload }: ManifestPod): string {
  return WORKLOADS[workload.metadata.name as keyof typeof WORKLOADS]
}

function commandOf(manifest: ManifestPod): readonly string[] {
  const command = imageCommands().get(programOf(manifest))
  if (command === undefined) throw new Error(`the Dockerfile has no target ${programOf(manifest)}`)
  return command
}

type MountLine = readonly [source: string, target: string, mode: 'ro' | 'rw']

/** What the Dockerfile puts into the image, from this folder. */
function imageMounts({ manifest, dir, hosts }: ContainerSettings): readonly MountLine[] {
  const program = programOf(manifest)
  writeFileSync(join(dir, 'hosts'), ['127.0.0.1 localhost', ...hosts, ''].join('\n'))
  writeFileSync(join(dir, 'resolv.conf'), 'nameserver 127.0.0.1\n')
  return [
    [join(root, `node_modules/node-linux-${process.arch}/bin`), '/opt/node/bin', 'ro'],
    [join(root, 'package.json'), '/ambit/package.json', 'ro'],
    [join(root, 'dist', program), `/ambit/dist/${program}`, 'ro'],
    ...['koffi', '@koromix'].map((name): MountLine => {
      return [join(root, 'node_modules', name), `/ambit/node_modules/${name}`, 'ro']
    }),
    [join(dir, 'hosts'), '/etc/hosts', 'ro'],
    [join(dir, 'resolv.conf'), '/etc/resolv.conf', 'ro'],
  ]
}

async function volumeMounts(settings: ContainerSettings, created: Json): Promise<readonly MountLine[]> {
  const { manifest, dir } = settings
  const lines: MountLine[] = []
  for (const { name, mountPath, readOnly } of manifest.container.volumeMounts) {
    const volume = manifest.volumes.find((each) => each.name === name)
    if (volume === undefined) throw new Error(`there is no volume ${name}`)
    const folder = join(dir, 'volumes', name)
    mkdirSync(folder, { recursive: true })
    const source = await sourceOf(volume, folder, settings, created)
    lines.push([source, mountPath, readOnly === true ? 'ro' : 'rw'])
  }
  if (manifest.spec.automountServiceAccountToken === false) return lines
  const folder = join(dir, 'account')
  mkdirSync(folder)
  writeForPod(manifest, join(folder, 'token'), await tokenOf(settings, created, {}))
  writeForPod(manifest, join(folder, 'ca.crt'), settings.api.server.caPem)
  writeForPod(manifest, join(folder, 'namespace'), manifest.workload.metadata.namespace ?? '')
  return [...lines, [folder, ACCOUNT_FOLDER, 'ro']]
}

async function sourceOf(volume: Volume, folder: string, settings: ContainerSettings, created: Json): Promise<string> {
  const { manifest, kube, hostFolders } = settings
  if (volume.hostPath !== undefined) {
    const source = hostFolders.get(volume.hostPath.path)
    if (source === undefined) throw new Error(`the node has no ${volume.hostPath.path}`)
    return source
  }
  if (volume.configMap !== undefined) {
    const path = `/api/v1/namespaces/${manifest.workload.metadata.namespace}/configmaps/${volume.configMap.name}`
    const { code, json } = await kube.get(path)
    if (code !== 200) throw new Error(`GET ${path}: ${code}`)
    for (const [key, text] of Object.entries(json.data as Record<string, string>))
      writeForPod(manifest, join(folder, key), text)
    return folder
  }
  if (volume.projected !== undefined) {
    for (const { serviceAccountToken } of volume.projected.sources) {
      const { path, audience, expirationSeconds } = serviceAccountToken
      const token = await tokenOf(settings, created, { audiences: [audience], expirationSeconds })
      writeForPod(manifest, join(folder, path), token)
    }
    return folder
  }
  throw new Error(`volume ${volume.name} is of a kind that no test knows`)
}

async function tokenOf({ manifest, name, kube }: ContainerSettings, created: Json, spec: object): Promise<string> {
  const { namespace } = manifest.workload.metadata
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${manifest.serviceAccount}/token`
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid: created.metadata.uid }
  const { code, text, json } = await kube.post(path, { spec: { ...spec, boundObjectRef } })
  if (code !== 201) throw new Error(`POST ${path}: ${code} ${text}`)
  return json.status.token
}

function writeForPod({ spec }: ManifestPod, file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o640 })
  chownSync(file, 0, spec.securityContext.fsGroup ?? 0)
}

/** Exactly that, and what Kubernetes adds. */
function environment(settings: ContainerSettings): Record<string, string> {
  const own = settings.manifest.container.env.map((variable) => [variable.name, envValue(variable, settings)])
  return {
    PATH,
    KUBERNETES_SERVICE_HOST: API_HOST,
    KUBERNETES_SERVICE_PORT: String(API_RELAY_PORT),
    ...Object.fromEntries(own),
  }
}

function envValue({ value, valueFrom }: EnvVar, { manifest, name, node, pod }: ContainerSettings): string {
  if (valueFrom === undefined) return value ?? ''
  const fields: Readonly<Record<string, string | undefined>> = {
    'spec.nodeName': node,
    'metadata.name': name,
    'metadata.namespace': manifest.workload.metadata.namespace,
    'status.podIP': pod.ip,
  }
  const field = fields[valueFrom.fieldRef.fieldPath]
  if (field === undefined) throw new Error(`field ${valueFrom.fieldRef.fieldPath} is none that a test knows`)
  return field
}

/** Options of setpriv(1). */
function privileges({ spec, container }: ManifestPod): readonly string[] {
  const { runAsUser, runAsGroup, capabilities, allowPrivilegeEscalation } = {
    ...spec.securityContext,
    ...container.securityContext,
  }
  if (capabilities.drop.join() !== 'ALL' || !container.securityContext.readOnlyRootFilesystem)
    throw new Error('containers keep rights that no test takes away')
  const kept = (capabilities.add ?? []).map((name: string) => `+${name.toLowerCase()}`)
  const groups = spec.securityContext.fsGroup
  return [
    `--reuid=${runAsUser}`,
    `--regid=${runAsGroup}`,
    groups === undefined ? '--clear-groups' : `--groups=${groups}`,
    `--bounding-set=${['-all', ...kept].join()}`,
    '--inh-caps=-all',
    ...(allowPrivilegeEscalation === false ? ['--no-new-privs'] : []),
  ]
}
