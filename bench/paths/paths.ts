import { join, resolve } from 'node:path'
import type { LoadResult } from '../load/protocol.ts'
import { describeMachine, isBusy, type Machine } from '../report/machine.ts'
import { type Spread, spreadOf } from '../report/statistics.ts'
import { type HaproxyHops, hasHaproxy, startHaproxy } from '../topology/haproxy.ts'
import { addressOf, type Mesh, meshUp } from '../topology/mesh.ts'
import { cpuUs, type Memory, memoryOf } from '../topology/processes.ts'
import { type OtherTunnel, programsWith } from '../topology/programs.ts'
import { CASES, type Case } from './cases.ts'
import { PORTS, pathsYaml } from './objects.ts'
import { type PathName, tunnelNodes, WAYS, type Way } from './ways.ts'

/** One figure of one path over all rounds. CPU is of what lies between client and server, absent where nothing does. */
export interface Row {
  readonly case: string
  readonly path: PathName
  readonly unit: string
  readonly value: Spread
  readonly p50Us?: Spread
  readonly p99Us?: Spread
  readonly cpuUsPerUnit?: Spread
  /** By node: the client's and the server's. */
  readonly cpuUsPerUnitByNode?: Readonly<Record<string, Spread>>
  readonly errors: number
}

export interface PathsResult {
  readonly bench: 'paths'
  readonly machine: Machine
  readonly busy: boolean
  readonly settings: { readonly rounds: number; readonly seconds: number }
  readonly rows: readonly Row[]
  /** RSS, PSS and anonymous MiB of each tunnel process by moment. */
  readonly memory: Readonly<Record<string, Readonly<Record<string, Memory>>>>
}

export interface PathsSettings {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Cases whose name begins so; empty = all. */
  readonly cases: readonly string[]
  /** Empty = all that can be measured here. */
  readonly paths: readonly string[]
  /** Another ztunnel to measure beside ours (`AMBIT_BENCH_ZTUNNEL`). */
  readonly rival: string | undefined
  readonly say: (line: string) => void
}

const loadDir = resolve(import.meta.dirname, '../load')
const client = join(loadDir, 'client.ts')
const IDLE_CONNECTIONS = 1000

interface Sample {
  readonly rate: number
  readonly p50Us: number
  readonly p99Us: number
  readonly errors: number
  readonly cpuByNode: ReadonlyMap<string, number>
}

/** A way with what does not change while it is measured. */
interface Lane {
  readonly way: Way
  /** Pids of what carries it, by node. */
  readonly carriers: ReadonlyMap<string, number>
  /** Where the client connects to, when the server listens on this port. */
  readonly target: (serverPort: number) => readonly [host: string, port: number]
}

/** Runs every case on every path, alternating, `rounds` times. */
export async function benchPaths(settings: PathsSettings): Promise<PathsResult> {
  const { rounds, seconds, say, rival } = settings
  const ways = measurable(settings)
  const machine = describeMachine()
  const tunnels: Record<string, OtherTunnel> = { 'node-c': { env: { AMBIT_SAME_NODE: 'tunnel' } } }
  for (const node of ['node-d', 'node-e']) if (rival !== undefined) tunnels[node] = { program: resolve(rival) }
  const programs = programsWith(tunnels)
  const objects = { 'paths.yaml': pathsYaml(ways, join(loadDir, 'server.ts')) }
  let haproxy: HaproxyHops | undefined
  const mesh = await meshUp(objects, { nodes: nodeCount(ways), cli: programs.cli }).catch((error: unknown) => {
    programs.remove()
    throw error
  })
  try {
    const status = await mesh.status()
    const pids = new Map(
      status.programs.flatMap((each) => (each.name === 'ztunnel' ? [[each.node ?? '', each.pid ?? 0] as const] : [])),
    )
    const memory: Record<string, Record<string, Memory>> = {}
    const remember = (moment: string): void => {
      memory[moment] = Object.fromEntries([...pids].map(([node, pid]) => [node, memoryOf(pid)]))
    }
    remember('idle')
    const lanes: Lane[] = []
    for (const way of ways) {
      const host = addressOf(status, way.namespace, way.server.name)
      if (way.path === 'haproxy') {
        const hops = await startHaproxy(mesh, { ...way, serverAddress: host, ports: PORTS })
        haproxy = hops
        lanes.push({ way, carriers: hops.pids, target: (port) => ['127.0.0.1', hops.portFor(port)] })
      } else {
        const carriers = new Map(tunnelNodes(way).map((node) => [node, pids.get(node) ?? 0]))
        lanes.push({ way, carriers, target: (port) => [host, port] })
      }
    }
    const tunnel = lanes.find(({ way }) => way.path === 'tunnel')
    if (tunnel !== undefined) {
      await holdIdle(mesh, tunnel, () => remember(`${IDLE_CONNECTIONS} idle connections`))
    }
    const cases = CASES.filter(
      ({ name }) => settings.cases.length === 0 || settings.cases.some((c) => name.startsWith(c)),
    )
    const nextPort = portsInTurn()
    const run = (each: Case, lane: Lane, forSeconds: number): Promise<Sample> =>
      measure(mesh, each, lane, nextPort(), forSeconds)
    // A tunnel lives for weeks: what is measured is compiled code, not its first seconds.
    for (const each of cases) {
      for (const lane of lanes) await run(each, lane, settings.warmUpSeconds)
      if (each.name === 'requests, 64 connections') remember('after requests, 64 connections')
      if (each.name === 'bulk down, 1 stream') remember('after bulk, 1 stream')
      if (each.name === 'bulk down, 8 streams') remember('after bulk, 8 streams')
    }
    const samples = new Map<string, Sample[]>()
    for (let round = 1; round <= rounds; round++) {
      for (const each of cases) {
        // Which path goes first changes from round to round, so that warm-up and drift favour none.
        for (const lane of round % 2 === 1 ? lanes : lanes.toReversed()) {
          const sample = await run(each, lane, seconds)
          const key = `${each.name}\0${lane.way.path}`
          samples.set(key, [...(samples.get(key) ?? []), sample])
          const rate = `${sample.rate.toPrecision(4)} ${each.unit}`
          const cpu = [...sample.cpuByNode.values()].reduce((a, b) => a + b, 0)
          say(`round ${round}/${rounds}  ${each.name}  ${lane.way.path}  ${rate}  ${cpu.toPrecision(4)} µs`)
        }
      }
    }
    remember('after all load')
    const rows = cases.flatMap((each) =>
      lanes.map((lane) => rowOf(each, lane, samples.get(`${each.name}\0${lane.way.path}`) ?? [])),
    )
    return { bench: 'paths', machine, busy: isBusy(machine), settings: { rounds, seconds }, rows, memory }
  } finally {
    await haproxy?.stop().catch((error: unknown) => say(`haproxy has not ended: ${error}`))
    await mesh.down()
    programs.remove()
  }
}

/** The ways that are asked for and that this machine has the programs for; what is left out is said. */
function measurable({ paths, rival, say }: PathsSettings): readonly Way[] {
  const missing: Partial<Record<PathName, string>> = {
    ...(rival === undefined ? { rival: 'AMBIT_BENCH_ZTUNNEL names no other ztunnel' } : {}),
    ...(hasHaproxy() ? {} : { haproxy: 'haproxy is not installed' }),
  }
  return WAYS.filter(({ path, base }) => {
    // What a way is compared with is measured with it.
    const isWanted = paths.length === 0 || paths.includes(path) || base === undefined
    const reason = missing[path]
    if (isWanted && reason !== undefined) say(`SKIPPED ${path}: ${reason}`)
    return isWanted && reason === undefined
  }).filter(
    ({ path, base }, _, ways) => base !== undefined || paths.includes(path) || ways.some((w) => w.base === path),
  )
}

/** Nodes are called node-a, node-b, … in this order. */
function nodeCount(ways: readonly Way[]): number {
  const last = ways.flatMap(({ client, server }) => [client.node, server.node]).reduce((a, b) => (a > b ? a : b))
  return last.charCodeAt(last.length - 1) - 'a'.charCodeAt(0) + 1
}

function portsInTurn(): () => number {
  let turn = 0
  return () => PORTS[turn++ % PORTS.length] ?? 0
}

async function holdIdle(mesh: Mesh, { way, target }: Lane, held: () => void): Promise<void> {
  const [host, port] = target(PORTS[0] ?? 0)
  const command = ['node', client, 'idle', host, String(port), String(IDLE_CONNECTIONS)]
  const idle = mesh.start(way.namespace, way.client.name, command)
  await idle.line()
  held()
  await idle.end()
}

async function measure(mesh: Mesh, each: Case, lane: Lane, serverPort: number, seconds: number): Promise<Sample> {
  const { way, carriers, target } = lane
  const before = new Map([...carriers].map(([node, pid]) => [node, cpuUs(pid)]))
  const [host, port] = target(serverPort)
  const command = ['node', client, each.mode, host, String(port), String(each.connections), String(seconds)]
  const printed = await mesh.exec(way.namespace, way.client.name, command)
  const load = JSON.parse(printed) as LoadResult
  const units = each.unit === 'Gbit/s' ? (load.totalBytes * 8) / 1e9 : load.totalCount
  const cpuByNode = new Map([...carriers].map(([node, pid]) => [node, (cpuUs(pid) - (before.get(node) ?? 0)) / units]))
  const rate = each.unit === 'Gbit/s' ? (load.bytes * 8) / 1e9 / load.seconds : load.count / load.seconds
  return { rate, p50Us: load.p50Us, p99Us: load.p99Us, errors: load.errors, cpuByNode }
}

function rowOf(each: Case, { way, carriers }: Lane, samples: readonly Sample[]): Row {
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0)
  const value = spreadOf(samples.map((sample) => sample.rate))
  const base = { case: each.name, path: way.path, unit: each.unit, value, errors }
  const latency =
    each.unit === 'Gbit/s'
      ? {}
      : {
          p50Us: spreadOf(samples.map((sample) => sample.p50Us)),
          p99Us: spreadOf(samples.map((sample) => sample.p99Us)),
        }
  if (carriers.size === 0) return { ...base, ...latency }
  const byNode = [...carriers.keys()].map(
    (node) => [node, spreadOf(samples.map((sample) => sample.cpuByNode.get(node) ?? 0))] as const,
  )
  const sum = samples.map((sample) => [...sample.cpuByNode.values()].reduce((a, b) => a + b, 0))
  return { ...base, ...latency, cpuUsPerUnit: spreadOf(sum), cpuUsPerUnitByNode: Object.fromEntries(byNode) }
}
