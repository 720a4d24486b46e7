import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeMachine, isBusy, type Machine } from '../report/machine.ts'
import { type Spread, spreadOf } from '../report/statistics.ts'
import { cpuUs, type Memory, memoryOf } from '../topology/processes.ts'
import { runH2load } from './h2load.ts'
import { type Hop, startAmbit, startBackend, startHaproxyL7, startNginx } from './hops.ts'

/** What one proxy costs between `h2load` and a server that says 1 KiB, plain TCP on both sides, on loopback. */
export interface L7Result {
  readonly bench: 'l7'
  readonly machine: Machine
  readonly busy: boolean
  readonly settings: { readonly rounds: number; readonly seconds: number }
  readonly rows: readonly L7Row[]
  /** After all load. */
  readonly memory: Readonly<Record<string, Memory>>
}

export interface L7Row {
  readonly case: string
  readonly hop: string
  readonly requestsPerSecond: Spread
  readonly cpuUsPerRequest: Spread
  /** Of nginx's in the same round. */
  readonly ofNginx: Spread | undefined
  readonly meanUs: Spread
  readonly errors: number
}

export interface L7Case {
  readonly name: string
  readonly protocol: 'h1' | 'h2'
  readonly connections: number
  /** Streams of each connection at a time. */
  readonly streams: number
  /** Field lines besides those that `h2load` sends. */
  readonly fields: number
}

export const CASES: readonly L7Case[] = [
  { name: 'HTTP/1.1, 1 connection', protocol: 'h1', connections: 1, streams: 1, fields: 0 },
  { name: 'HTTP/1.1, 16 connections', protocol: 'h1', connections: 16, streams: 1, fields: 0 },
  { name: 'HTTP/1.1, 64 connections', protocol: 'h1', connections: 64, streams: 1, fields: 0 },
  { name: 'HTTP/1.1, 16 connections, 16 more fields', protocol: 'h1', connections: 16, streams: 1, fields: 16 },
  { name: 'HTTP/2, 4 connections of 16 streams', protocol: 'h2', connections: 4, streams: 16, fields: 0 },
  {
    name: 'HTTP/2, 4 connections of 16 streams, 16 more fields',
    protocol: 'h2',
    connections: 4,
    streams: 16,
    fields: 16,
  },
]

export interface L7Settings {
  readonly rounds: number
  readonly seconds: number
  readonly cases: readonly string[]
  readonly say: (line: string) => void
}

/** Names of programs of the machine that this bench cannot do without. */
export function missingForL7(): readonly string[] {
  return ['nginx', 'h2load'].filter((program) => !isThere(program))
}

/** Every hop in turn, every case, `rounds` times; a first round warms up and is thrown away. */
export async function benchL7({ rounds, seconds, cases, say }: L7Settings): Promise<L7Result> {
  const machine = describeMachine()
  const dir = mkdtempSync(join(tmpdir(), 'ambit-bench-l7-'))
  const stops: (() => Promise<void>)[] = []
  try {
    const backend = await startBackend(dir)
    stops.push(backend.stop)
    const hops: Hop[] = []
    for (const start of [startNginx, ...(isThere('haproxy') ? [startHaproxyL7] : [])]) {
      const hop = await start(dir, backend)
      stops.push(hop.stop)
      hops.push(hop)
    }
    for (const features of ['bare', 'full'] as const) {
      const hop = await startAmbit(dir, features, backend)
      stops.push(hop.stop)
      hops.push(hop)
    }
    const rows: L7Row[] = []
    for (const each of CASES.filter(
      ({ name }) => cases.length === 0 || cases.some((begin) => name.startsWith(begin)),
    )) {
      rows.push(...(await measure(each, hops, { rounds, seconds, say })))
    }
    const memory = Object.fromEntries(hops.map(({ name, pid }) => [name, memoryOf(pid)]))
    return { bench: 'l7', machine, busy: isBusy(machine), settings: { rounds, seconds }, rows, memory }
  } finally {
    for (const stop of stops.reverse()) await stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

interface Sample {
  readonly requestsPerSecond: number
  readonly cpuUsPerRequest: number
  readonly ofNginx: number | undefined
  readonly meanUs: number
  readonly errors: number
}

async function measure(
  { name, protocol, connections, streams, fields }: L7Case,
  all: readonly Hop[],
  { rounds, seconds, say }: Pick<L7Settings, 'rounds' | 'seconds' | 'say'>,
): Promise<readonly L7Row[]> {
  const hops = all.filter(({ speaks }) => speaks.includes(protocol))
  const samples = new Map<string, Sample[]>(hops.map((hop) => [hop.name, []]))
  for (let round = 0; round <= rounds; round++) {
    let nginxUs: number | undefined
    // nginx is always first, so that each round's ratios have their divisor; the others swap.
    const [first, ...others] = hops
    for (const hop of [first, ...(round % 2 === 0 ? others : others.reverse())]) {
      if (hop === undefined) continue
      const beforeUs = cpuUs(hop.pid)
      const load = await runH2load({ port: hop.ports[protocol], protocol, connections, streams, fields, seconds })
      const cpuUsPerRequest = (cpuUs(hop.pid) - beforeUs) / load.requests
      if (hop.name === 'nginx') nginxUs = cpuUsPerRequest
      if (round === 0) continue
      const ofNginx = nginxUs === undefined ? undefined : cpuUsPerRequest / nginxUs
      samples.get(hop.name)?.push({ ...load, cpuUsPerRequest, ofNginx })
      say(
        `${name}: ${hop.name} ${cpuUsPerRequest.toFixed(1)} µs${ofNginx === undefined ? '' : ` (${ofNginx.toFixed(2)})`}`,
      )
    }
  }
  return [...samples].map(([hop, taken]) => {
    const spread = (of: (sample: Sample) => number): Spread => spreadOf(taken.map(of))
    const ratios = taken.flatMap(({ ofNginx }) => (ofNginx === undefined ? [] : [ofNginx]))
    return {
      case: name,
      hop,
      requestsPerSecond: spread((sample) => sample.requestsPerSecond),
      cpuUsPerRequest: spread((sample) => sample.cpuUsPerRequest),
      ofNginx: ratios.length === 0 ? undefined : spreadOf(ratios),
      meanUs: spread((sample) => sample.meanUs),
      errors: taken.reduce((sum, { errors }) => sum + errors, 0),
    }
  })
}

function isThere(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export function l7Markdown({ rows, memory, machine, settings, busy }: L7Result): string {
  const cases = [...new Set(rows.map((row) => row.case))]
  const hops = [...new Set(rows.map((row) => row.hop))]
  const cell = (name: string, hop: string): string => {
    const row = rows.find((each) => each.case === name && each.hop === hop)
    if (row === undefined) return ''
    const ratio = row.ofNginx === undefined || hop === 'nginx' ? '' : ` (${row.ofNginx.median.toFixed(2)}x)`
    return `${row.cpuUsPerRequest.median.toFixed(1)}${ratio}`
  }
  return [
    `| CPU of one hop, µs a request (of nginx's) | ${hops.join(' | ')} |`,
    `| --- | ${hops.map(() => '---:').join(' | ')} |`,
    ...cases.map((name) => `| ${name} | ${hops.map((hop) => cell(name, hop)).join(' | ')} |`),
    `| MiB RSS after all load | ${hops.map((hop) => memory[hop]?.rssMiB ?? '').join(' | ')} |`,
    '',
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; medians of ${settings.rounds} rounds of ${settings.seconds} s in turns; ` +
      `load before ${machine.loadBefore}${busy ? ' — **the machine was busy: trust ratios, not figures**' : ''}.`,
  ].join('\n')
}
