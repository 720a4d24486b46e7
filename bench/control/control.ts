import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { writeKubeconfig } from '../../src/local/apiserver/index.ts'
import { type Served, withServer } from '../api/api.ts'
import { ApiClient, sideBySide } from '../api/client.ts'
import { describeMachine, isBusy, type Machine } from '../report/machine.ts'
import { cpuUs, memoryOf } from '../topology/processes.ts'

export interface ControlSettings {
  readonly seconds: number
  /** Folder for a CPU profile of the control plane. */
  readonly profileDir: string | undefined
  readonly say: (line: string) => void
}

export interface ControlRow {
  readonly case: string
  readonly unit: 'ms' | 'MiB' | 'KiB' | 'bytes' | '% of a core'
  readonly value: number
  /** What it must stay below. */
  readonly aim?: number
}

export interface ControlResult {
  readonly bench: 'control'
  readonly machine: Machine
  readonly busy: boolean
  readonly settings: {
    readonly workloads: number
    readonly services: number
    readonly proxies: number
    readonly changesPerSecond: number
    readonly seconds: number
  }
  readonly rows: readonly ControlRow[]
  /** Changes that not every proxy had when the bench ended; must be 0. */
  readonly lost: number
}

/** What the clients say: of the first state of all of them, */
export interface FullSync {
  readonly ms: number
  readonly bytes: number
}

/** and of what came since they were asked last. `atMs`: on the machine's monotonic clock, of the last client. */
export interface Arrivals {
  readonly bytes: number
  readonly responses: number
  readonly last: readonly { readonly name: string; readonly clients: number; readonly atMs: number }[]
}

const WORKLOADS = 2_000
const SERVICES = 200
const PROXIES = 100
const CHANGES_PER_SECOND = 50
const PARALLEL = 16
/** Nothing else is changed before it has been pushed: a pod is changed again after so many others. */
const SETTLE_MS = 2_000
const PODS = '/api/v1/namespaces/shop/pods'

/** A control plane between an API and 100 proxies: the first state, then pods whose readiness changes. */
export async function benchControl({ seconds, profileDir, say }: ControlSettings): Promise<ControlResult> {
  const machine = describeMachine()
  const dir = mkdtempSync(join(tmpdir(), 'ambit-bench-control-'))
  const rows: ControlRow[] = []
  const add = (row: ControlRow): void => {
    rows.push(row)
    say(rowText(row))
  }
  let lost = 0
  try {
    await withServer(dir, async (served) => {
      const api = new ApiClient(served)
      await fill(api)
      const istiod = await startIstiod(dir, served, profileDir)
      try {
        add({ case: `memory, ${WORKLOADS} workloads, no proxies`, unit: 'MiB', value: memoryOf(istiod.pid).rssMiB })
        const beforeUs = cpuUs(istiod.pid)
        const clients = await Clients.start(istiod.port, join(dir, 'state', 'root-cert.pem'))
        add({ case: `first state to ${PROXIES} proxies at once`, unit: 'ms', value: clients.fullSync.ms })
        add({ case: 'CPU of it', unit: 'ms', value: (cpuUs(istiod.pid) - beforeUs) / 1_000 })
        add({ case: 'bytes of it, each proxy', unit: 'KiB', value: clients.fullSync.bytes / PROXIES / 1_024 })
        add({ case: 'memory, all proxies connected', unit: 'MiB', value: memoryOf(istiod.pid).rssMiB })
        lost = await churn(api, clients, istiod.pid, seconds, add)
        await clients.close()
      } finally {
        await istiod.close()
        api.close()
      }
    })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  const settings = {
    workloads: WORKLOADS,
    services: SERVICES,
    proxies: PROXIES,
    changesPerSecond: CHANGES_PER_SECOND,
    seconds,
  }
  return { bench: 'control', machine, busy: isBusy(machine), settings, rows, lost }
}

export function controlMarkdown({ machine, busy, rows, lost }: ControlResult): string {
  const head = `${machine.cpu}, ${machine.cores} cores, load ${machine.loadBefore} before${busy ? ' (busy)' : ''}, Node ${machine.node}, ${machine.takenAt.slice(0, 10)}`
  return `${head}\n\n| case | value | aim |\n| --- | --- | --- |\n${rows.map(rowText).join('\n')}\n\n${lost} changes lost`
}

function rowText({ case: name, unit, value, aim }: ControlRow): string {
  return `| ${name} | ${value.toFixed(1)} ${unit} | ${aim === undefined ? '' : `< ${aim} ${unit}`} |`
}

/** Flips the readiness of one pod after the other at a fixed rate. @returns changes that did not get everywhere */
async function churn(
  api: ApiClient,
  clients: Clients,
  pid: number,
  seconds: number,
  add: (row: ControlRow) => void,
): Promise<number> {
  // A second that is not counted: a control plane lives for weeks.
  await changes(api, 1, 1)
  await pause(SETTLE_MS)
  await clients.arrivals()
  const beganMs = performance.now()
  const beforeUs = cpuUs(pid)
  let peakMiB = 0
  const sampler = setInterval(() => {
    peakMiB = Math.max(peakMiB, memoryOf(pid).rssMiB)
  }, 1_000)
  const writtenMs = new Map<string, number>()
  const latencies: number[] = []
  const total = { bytes: 0, responses: 0, changes: 0 }
  let lost = 0
  // In slices in which no pod is changed twice, so that a name stands for one change.
  const slice = Math.floor(WORKLOADS / CHANGES_PER_SECOND)
  for (let done = 0; done < seconds; done += slice) {
    writtenMs.clear()
    for (const [name, atMs] of await changes(api, Math.min(slice, seconds - done), 2 + done)) writtenMs.set(name, atMs)
    await pause(SETTLE_MS)
    const { bytes, responses, last } = await clients.arrivals()
    total.bytes += bytes
    total.responses += responses
    total.changes += writtenMs.size
    const byName = new Map(last.map((each) => [each.name, each]))
    for (const [name, atMs] of writtenMs) {
      const seen = byName.get(`Kubernetes//Pod/shop/${name}`)
      if (seen?.clients === PROXIES) latencies.push(seen.atMs - atMs)
      else lost++
    }
  }
  clearInterval(sampler)
  const pauses = Math.ceil(seconds / slice) * SETTLE_MS
  const spentMs = performance.now() - beganMs - pauses
  const usedMs = (cpuUs(pid) - beforeUs) / 1_000
  latencies.sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
  const what = `${CHANGES_PER_SECOND} changes/s`
  add({ case: `${what}, write to last ACK, p50`, unit: 'ms', value: at(0.5) })
  add({ case: `${what}, write to last ACK, p99`, unit: 'ms', value: at(0.99), aim: 250 })
  add({ case: `${what}, write to last ACK, longest`, unit: 'ms', value: latencies.at(-1) ?? Number.NaN })
  add({ case: `${what}, CPU`, unit: '% of a core', value: (100 * usedMs) / spentMs })
  add({ case: 'CPU of one change', unit: 'ms', value: usedMs / total.changes })
  add({ case: 'bytes of one change, each proxy', unit: 'bytes', value: total.bytes / total.changes / PROXIES })
  add({ case: `memory, highest, ${what}`, unit: 'MiB', value: peakMiB, aim: 300 })
  return lost
}

/** @returns pod → when its change was sent, on the machine's monotonic clock */
async function changes(api: ApiClient, seconds: number, firstSecond: number): Promise<ReadonlyMap<string, number>> {
  const writtenMs = new Map<string, number>()
  const writes: Promise<void>[] = []
  const beganMs = performance.now()
  for (let i = 0; i < seconds * CHANGES_PER_SECOND; i++) {
    const dueMs = beganMs + (i * 1_000) / CHANGES_PER_SECOND
    if (performance.now() < dueMs) await pause(dueMs - performance.now())
    const name = podName((firstSecond * CHANGES_PER_SECOND + i) % WORKLOADS)
    writtenMs.set(name, Number(process.hrtime.bigint()) / 1e6)
    writes.push(api.patch(`${PODS}/${name}/status`, { status: { conditions: [readyCondition(flip(name))] } }))
  }
  await Promise.all(writes)
  return writtenMs
}

const flipped = new Set<string>()

/** @returns whether the pod is to be ready now */
function flip(name: string): boolean {
  if (flipped.delete(name)) return true
  flipped.add(name)
  return false
}

async function fill(api: ApiClient): Promise<void> {
  for (const name of ['shop', 'istio-system'])
    await api.post('/api/v1/namespaces', { metadata: { name, labels: { 'istio.io/dataplane-mode': 'ambient' } } })
  await sideBySide(SERVICES, PARALLEL, async (i) => {
    await api.post('/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: `app${i}` } })
    await api.post('/api/v1/namespaces/shop/services', {
      metadata: { name: `s${i}` },
      spec: { selector: { app: `app${i}` }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    })
  })
  await sideBySide(WORKLOADS, PARALLEL, async (i) => {
    await api.post(PODS, {
      metadata: { name: podName(i), labels: { app: `app${i % SERVICES}`, version: 'v1' } },
      spec: {
        nodeName: `node-${i % PROXIES}`,
        serviceAccountName: `app${i % SERVICES}`,
        containers: [{ name: 'main', image: 'shop/web:1', ports: [{ containerPort: 8080 }] }],
      },
    })
    const podIP = `10.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`
    const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: [readyCondition(true)] }
    await api.patch(`${PODS}/${podName(i)}/status`, { status })
  })
}

function podName(i: number): string {
  return `p${i}`
}

function readyCondition(isReady: boolean): unknown {
  return { type: 'Ready', status: isReady ? 'True' : 'False' }
}

interface RunningIstiod {
  readonly pid: number
  readonly port: number
  close(): Promise<void>
}

/** As `ambit up` starts it. */
const ISTIOD_FLAGS = ['--max-semi-space-size=1']

/** The program as it is built. */
async function startIstiod(dir: string, served: Served, profileDir: string | undefined): Promise<RunningIstiod> {
  const kubeconfig = join(dir, 'kubeconfig')
  writeKubeconfig(kubeconfig, {
    server: served.url,
    caPem: served.caPem,
    user: 'bench',
    credential: { kind: 'certificate', pair: served.client },
  })
  const file = resolve(import.meta.dirname, '../../dist/istiod-lite/main.js')
  const profile = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profileDir)}`]
  const child = spawn(process.execPath, [...ISTIOD_FLAGS, ...profile, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      MALLOC_ARENA_MAX: '1',
      KUBECONFIG: kubeconfig,
      AMBIT_STATE_DIR: join(dir, 'state'),
      AMBIT_GRPC_PORT: '0',
      AMBIT_HTTP_PORT: '0',
      AMBIT_MONITORING_PORT: '0',
      XDS_AUTH: 'false',
    },
  })
  const port = await servingPort(createInterface({ input: child.stdout }), child)
  return {
    pid: child.pid ?? 0,
    port,
    close: async () => {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

/** The line that says so stays the only one that is looked at. */
function servingPort(lines: Interface, child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const [, port] = /serving.*\bgrpc=(\d+)/.exec(line) ?? []
      if (port !== undefined) resolve(Number(port))
    })
    child.once('exit', (code) => reject(new Error(`the control plane ended with status ${code}`)))
  })
}

class Clients {
  readonly fullSync: FullSync
  readonly #child: ChildProcess
  readonly #lines: Interface

  static async start(port: number, root: string): Promise<Clients> {
    const file = resolve(import.meta.dirname, 'clients.ts')
    const args = ['--conditions=source', file, String(port), root, String(PROXIES)]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout })
    return new Clients(child, lines, await nextLine<FullSync>(lines, child))
  }

  private constructor(child: ChildProcess, lines: Interface, fullSync: FullSync) {
    this.#child = child
    this.#lines = lines
    this.fullSync = fullSync
  }

  /** What came since the last call. */
  arrivals(): Promise<Arrivals> {
    const answer = nextLine<Arrivals>(this.#lines, this.#child)
    this.#child.stdin?.write('\n')
    return answer
  }

  async close(): Promise<void> {
    this.#child.stdin?.end()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
  }
}

function nextLine<T>(lines: Interface, child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null): void => reject(new Error(`the clients ended with status ${code}`))
    child.once('exit', gone)
    lines.once('line', (line) => {
      child.removeListener('exit', gone)
      resolve(JSON.parse(line) as T)
    })
  })
}
