import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { describeMachine, isBusy, type Machine } from '../report/machine.ts'
import { type Spread, spreadOf } from '../report/statistics.ts'
import { ApiClient, sideBySide, until } from './client.ts'

/** What the server's process says when it is served. */
export interface Served {
  /** From the first line of it that runs, all code being loaded, to an open port with all CRDs. */
  readonly startMs: number
  readonly url: string
  readonly caPem: string
  readonly client: { readonly certificatePem: string; readonly privateKeyPem: string }
}

export interface ApiRow {
  readonly case: string
  readonly unit: 'ms' | 'writes/s' | 'MiB'
  readonly value: Spread
  /** What it must stay below. */
  readonly aim?: number
}

export interface ApiResult {
  readonly bench: 'api'
  readonly machine: Machine
  readonly busy: boolean
  readonly settings: { readonly rounds: number; readonly objects: number; readonly watchers: number }
  readonly rows: readonly ApiRow[]
}

const OBJECTS = 5_000
const WATCHERS = 50
const PARALLEL = 16
const CHANGES = 500
const CHANGE_EVERY_MS = 5
const EVENT_PATIENCE_MS = 30_000
const NAMESPACE = '/api/v1/namespaces/default'

/** 5,000 pods and as many services in one API: start, writes, lists, watches, memory. */
export async function benchApi(rounds: number, say: (line: string) => void): Promise<ApiResult> {
  const machine = describeMachine()
  const rows: ApiRow[] = []
  const add = (name: string, unit: ApiRow['unit'], values: readonly number[], aim?: number): void => {
    rows.push({ case: name, unit, value: spreadOf(values), ...(aim === undefined ? {} : { aim }) })
    say(rowText(rows.at(-1) as ApiRow))
  }
  add('start, empty', 'ms', await repeated(rounds, () => withServer(undefined, async ({ startMs }) => startMs)), 1_000)
  const dir = mkdtempSync(join(tmpdir(), 'ambit-bench-api-'))
  try {
    await withServer(dir, async (served, rssMiB) => {
      const client = new ApiClient(served)
      add('memory, empty', 'MiB', [await rssMiB()])
      const beganMs = performance.now()
      await sideBySide(OBJECTS, PARALLEL, (i) => client.post(`${NAMESPACE}/pods`, podOf(i)))
      await sideBySide(OBJECTS, PARALLEL, (i) => client.post(`${NAMESPACE}/services`, serviceOf(i)))
      add(`create, ${PARALLEL} at a time`, 'writes/s', [(2 * OBJECTS * 1_000) / (performance.now() - beganMs)])
      for (const [what, form] of [
        ['pods', 'objects'],
        ['pods', 'table'],
        ['services', 'objects'],
      ] as const) {
        // The first of each is not counted: a server lives for days.
        await client.list(`/api/v1/${what}`, form)
        const listed = await repeated(rounds, () => timed(() => client.list(`/api/v1/${what}`, form)))
        add(`list ${OBJECTS} ${what}, as ${form}`, 'ms', listed, 300)
      }
      add(`memory, ${2 * OBJECTS} objects`, 'MiB', [await rssMiB()])
      const delivered = await deliveries(client, rounds)
      add(`watch, write to event, ${WATCHERS} watchers, p50`, 'ms', delivered.p50)
      add(`watch, write to event, ${WATCHERS} watchers, p99`, 'ms', delivered.p99, 50)
      add(`memory, ${WATCHERS} watchers`, 'MiB', [await rssMiB()])
      client.close()
    })
    const restarts = await repeated(rounds, () => withServer(dir, async ({ startMs }) => startMs))
    add(`start, ${2 * OBJECTS} objects in its journal`, 'ms', restarts)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  const settings = { rounds, objects: OBJECTS, watchers: WATCHERS }
  return { bench: 'api', machine, busy: isBusy(machine), settings, rows }
}

export function apiMarkdown({ machine, busy, rows }: ApiResult): string {
  const head = `${machine.cpu}, ${machine.cores} cores, load ${machine.loadBefore} before${busy ? ' (busy)' : ''}, Node ${machine.node}, ${machine.takenAt.slice(0, 10)}`
  return `${head}\n\n| case | median (range) | aim |\n| --- | --- | --- |\n${rows.map(rowText).join('\n')}`
}

function rowText({ case: name, unit, value, aim }: ApiRow): string {
  const { median, min, max } = value
  const range = min === max ? '' : ` (${min.toFixed(1)}–${max.toFixed(1)})`
  return `| ${name} | ${median.toFixed(1)} ${unit}${range} | ${aim === undefined ? '' : `< ${aim} ${unit}`} |`
}

/** Each change of one pod, from just before it is sent until a watcher has its event; over all watchers. */
async function deliveries(
  client: ApiClient,
  rounds: number,
): Promise<{ readonly p50: readonly number[]; readonly p99: readonly number[] }> {
  const sentMs = new Map<string, number>()
  let latencies: number[] = []
  const revision = await client.revision('/api/v1/pods')
  for (let i = 0; i < WATCHERS; i++) {
    await client.watch(`/api/v1/pods?watch=true&resourceVersion=${revision}`, ({ metadata }) => {
      const sent = sentMs.get(metadata.labels?.change ?? '')
      if (sent !== undefined) latencies.push(performance.now() - sent)
    })
  }
  const p50: number[] = []
  const p99: number[] = []
  // One round more, uncounted: the first.
  for (let round = 0; round <= rounds; round++) {
    latencies = []
    const writes: Promise<void>[] = []
    for (let i = 0; i < CHANGES; i++) {
      const change = `${round}-${i}`
      sentMs.set(change, performance.now())
      writes.push(client.patch(`${NAMESPACE}/pods/p${i}`, { metadata: { labels: { change } } }))
      await pause(CHANGE_EVERY_MS)
    }
    await Promise.all(writes)
    await until(() => latencies.length === CHANGES * WATCHERS, EVENT_PATIENCE_MS)
    if (round === 0) continue
    latencies.sort((a, b) => a - b)
    p50.push(latencies[Math.floor(latencies.length * 0.5)] ?? Number.NaN)
    p99.push(latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN)
  }
  return { p50, p99 }
}

/** Runs `use` with an API in a process of its own; its store is kept in `dir`, if one is given. */
export async function withServer<T>(
  dir: string | undefined,
  use: (served: Served, rssMiB: () => Promise<number>) => Promise<T>,
): Promise<T> {
  const own = dir ?? mkdtempSync(join(tmpdir(), 'ambit-bench-api-'))
  const file = resolve(import.meta.dirname, 'server.ts')
  const child = spawn(process.execPath, ['--conditions=source', file, own], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  const lines = createInterface({ input: child.stdout })
  try {
    return await use(await nextLine<Served>(lines, child), async () => {
      child.stdin.write('memory\n')
      return (await nextLine<{ readonly rssBytes: number }>(lines, child)).rssBytes / 2 ** 20
    })
  } finally {
    child.stdin.end()
    await ended
    if (dir === undefined) rmSync(own, { recursive: true, force: true })
  }
}

function nextLine<T>(lines: Interface, child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line) as T))
    child.once('exit', (code) => reject(new Error(`the server ended with status ${code}`)))
  })
}

async function repeated(rounds: number, measure: () => Promise<number>): Promise<readonly number[]> {
  const values: number[] = []
  for (let i = 0; i < rounds; i++) values.push(await measure())
  return values
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now()
  await work()
  return performance.now() - beganMs
}

function podOf(i: number): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `p${i}`, labels: { app: `app${i % 100}`, version: 'v1' } },
    spec: {
      containers: [
        { name: 'main', image: 'shop/web:1', ports: [{ containerPort: 8080 }], env: [{ name: 'A', value: '1' }] },
      ],
    },
  }
}

function serviceOf(i: number): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `s${i}`, labels: { app: `app${i % 100}` } },
    spec: { selector: { app: `app${i % 100}` }, ports: [{ port: 80, targetPort: 8080 }] },
  }
}
