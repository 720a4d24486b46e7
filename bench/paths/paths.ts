import { join, resolve } from 'node:path'
import type { LoadResult } from '../load/protocol.ts'
import { describeMachine, isBusy, type Machine } from '../report/machine.ts'
import { type Spread, spreadOf } from '../report/statistics.ts'
import { addressOf, type Mesh, meshUp } from '../topology/mesh.ts'
import { cpuUs, type Memory, memoryOf } from '../topology/processes.ts'
import { PORTS, pathsYaml } from './objects.ts'

/** `direct` = pods that are not enrolled; `tunnel` = two hops of HBONE, everything on; same nodes, same programs. */
export type PathName = 'direct' | 'tunnel'

/** One figure of one path over all rounds. CPU is of the two tunnel processes together, absent for `direct`. */
export interface Row {
  readonly case: string
  readonly path: PathName
  readonly unit: string
  readonly value: Spread
  readonly p50Us?: Spread
  readonly p99Us?: Spread
  readonly cpuUsPerUnit?: Spread
  /** By node: client's tunnel, server's tunnel. */
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

interface Case {
  readonly name: string
  readonly unit: 'requests/s' | 'connections/s' | 'Gbit/s'
  readonly mode: 'requests' | 'connects' | 'up' | 'down' | 'rate'
  readonly connections: number
}

const CASES: readonly Case[] = [
  { name: 'requests, 1 connection', unit: 'requests/s', mode: 'requests', connections: 1 },
  { name: 'requests, 16 connections', unit: 'requests/s', mode: 'requests', connections: 16 },
  { name: 'requests, 64 connections', unit: 'requests/s', mode: 'requests', connections: 64 },
  { name: 'new connections, 16 at a time', unit: 'connections/s', mode: 'connects', connections: 16 },
  { name: 'bulk up, 1 stream', unit: 'Gbit/s', mode: 'up', connections: 1 },
  { name: 'bulk down, 1 stream', unit: 'Gbit/s', mode: 'down', connections: 1 },
  { name: 'bulk up, 8 streams', unit: 'Gbit/s', mode: 'up', connections: 8 },
  { name: 'bulk down, 8 streams', unit: 'Gbit/s', mode: 'down', connections: 8 },
  { name: 'latency at 400 requests/s', unit: 'requests/s', mode: 'rate', connections: 4 },
]

const PATHS: readonly PathName[] = ['direct', 'tunnel']
const namespaceOf: Readonly<Record<PathName, string>> = { direct: 'bare', tunnel: 'meshed' }
const client = join(resolve(import.meta.dirname, '../load'), 'client.ts')
const IDLE_CONNECTIONS = 1000
const WARM_UP_SECONDS = 2

interface Sample {
  readonly rate: number
  readonly p50Us: number
  readonly p99Us: number
  readonly errors: number
  readonly cpuByNode: ReadonlyMap<string, number>
}

/** The mesh that is measured, with what does not change while it runs. */
interface Bench {
  readonly mesh: Mesh
  /** Pids of the tunnels by node. */
  readonly tunnels: ReadonlyMap<string, number>
  readonly servers: Readonly<Record<PathName, string>>
  /** The server's ports in turn. */
  readonly nextPort: () => number
}

/** Runs every case on both paths, alternating, `rounds` times. */
export async function benchPaths(rounds: number, seconds: number, say: (line: string) => void): Promise<PathsResult> {
  const machine = describeMachine()
  const mesh = await meshUp({ 'paths.yaml': pathsYaml(join(resolve(import.meta.dirname, '../load'), 'server.ts')) })
  const memory: Record<string, Record<string, Memory>> = {}
  try {
    const status = await mesh.status()
    const bench: Bench = {
      mesh,
      tunnels: new Map(
        status.programs.flatMap((each) => (each.name === 'ztunnel' ? [[each.node ?? '', each.pid ?? 0] as const] : [])),
      ),
      nextPort: portsInTurn(),
      servers: { direct: addressOf(status, 'bare', 'server'), tunnel: addressOf(status, 'meshed', 'server') },
    }
    const remember = (moment: string): void => {
      memory[moment] = Object.fromEntries([...bench.tunnels].map(([node, pid]) => [node, memoryOf(pid)]))
    }
    remember('idle')
    const idle = mesh.start('meshed', 'client', [
      'node',
      client,
      'idle',
      bench.servers.tunnel,
      String(PORTS[0]),
      String(IDLE_CONNECTIONS),
    ])
    await idle.line()
    remember(`${IDLE_CONNECTIONS} idle connections`)
    await idle.end()
    // A tunnel lives for weeks: what is measured is compiled code, not its first seconds.
    for (const each of CASES) for (const path of PATHS) await measure(bench, each, path, WARM_UP_SECONDS)
    const samples = new Map<string, Sample[]>()
    for (let round = 1; round <= rounds; round++) {
      for (const each of CASES) {
        // Which path goes first changes from round to round, so that warm-up and drift favour neither.
        for (const path of round % 2 === 1 ? PATHS : PATHS.toReversed()) {
          const sample = await measure(bench, each, path, seconds)
          const key = `${each.name}\0${path}`
          samples.set(key, [...(samples.get(key) ?? []), sample])
          say(`round ${round}/${rounds}  ${each.name}  ${path}  ${sample.rate.toPrecision(4)} ${each.unit}`)
        }
        if (round === 1 && each.mode === 'requests' && each.connections === 64)
          remember('after requests, 64 connections')
        if (round === 1 && each.mode === 'down' && each.connections === 1) remember('after bulk, 1 stream')
      }
    }
    remember('after all load')
    const rows = CASES.flatMap((each) =>
      PATHS.map((path) => rowOf(each, path, samples.get(`${each.name}\0${path}`) ?? [])),
    )
    return { bench: 'paths', machine, busy: isBusy(machine), settings: { rounds, seconds }, rows, memory }
  } finally {
    await mesh.down()
  }
}

function portsInTurn(): () => number {
  let turn = 0
  return () => PORTS[turn++ % PORTS.length] ?? 0
}

async function measure(
  { mesh, tunnels, servers, nextPort }: Bench,
  each: Case,
  path: PathName,
  seconds: number,
): Promise<Sample> {
  const before = new Map([...tunnels].map(([node, pid]) => [node, cpuUs(pid)]))
  const command = [
    'node',
    client,
    each.mode,
    servers[path],
    String(nextPort()),
    String(each.connections),
    String(seconds),
  ]
  const printed = await mesh.exec(namespaceOf[path], 'client', command)
  const load = JSON.parse(printed) as LoadResult
  const units = each.unit === 'Gbit/s' ? (load.totalBytes * 8) / 1e9 : load.totalCount
  const cpuByNode = new Map([...tunnels].map(([node, pid]) => [node, (cpuUs(pid) - (before.get(node) ?? 0)) / units]))
  const rate = each.unit === 'Gbit/s' ? (load.bytes * 8) / 1e9 / load.seconds : load.count / load.seconds
  return { rate, p50Us: load.p50Us, p99Us: load.p99Us, errors: load.errors, cpuByNode }
}

function rowOf(each: Case, path: PathName, samples: readonly Sample[]): Row {
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0)
  const base = { case: each.name, path, unit: each.unit, value: spreadOf(samples.map((sample) => sample.rate)), errors }
  const latency =
    each.unit === 'Gbit/s'
      ? {}
      : {
          p50Us: spreadOf(samples.map((sample) => sample.p50Us)),
          p99Us: spreadOf(samples.map((sample) => sample.p99Us)),
        }
  if (path === 'direct') return { ...base, ...latency }
  const nodes = [...(samples[0]?.cpuByNode.keys() ?? [])]
  const byNode = nodes.map(
    (node) => [node, spreadOf(samples.map((sample) => sample.cpuByNode.get(node) ?? 0))] as const,
  )
  const sum = samples.map((sample) => [...sample.cpuByNode.values()].reduce((a, b) => a + b, 0))
  return { ...base, ...latency, cpuUsPerUnit: spreadOf(sum), cpuUsPerUnitByNode: Object.fromEntries(byNode) }
}
