import type { PathsResult, Row } from '../paths/paths.ts'
import { type PathName, WAYS } from '../paths/ways.ts'
import type { Spread } from './statistics.ts'

/** Column headings of each path that lies between a client and a server. */
const TITLES: Readonly<Partial<Record<PathName, readonly [path: string, cpu: string]>>> = {
  tunnel: ['two-hop tunnel', 'CPU of both hops'],
  rival: ['other ztunnel, two hops', 'CPU of both hops'],
  haproxy: ['haproxy, two mTLS hops', 'CPU of both hops'],
  'same-node': ['same node, handed over', 'CPU of the tunnel'],
  'same-node tunnel': ['same node, by tunnel', 'CPU of the tunnel'],
}

/** The tables of README and terminal; ratios are of medians within the run. */
export function pathsMarkdown(result: PathsResult): string {
  const { machine, settings } = result
  const lines = [
    ...WAYS.flatMap(({ path, base }) => (base === undefined ? [] : pathTable(result, path, base))),
    `| tunnel process, MiB RSS (private) | ${nodes(result).join(' | ')} |`,
    '| --- | ' +
      nodes(result)
        .map(() => '---:')
        .join(' | ') +
      ' |',
    ...Object.entries(result.memory).map(
      ([moment, byNode]) =>
        `| ${moment} | ${nodes(result)
          .map((node) => `${byNode[node]?.rssMiB} (${byNode[node]?.privateMiB})`)
          .join(' | ')} |`,
    ),
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}; medians of ` +
      `${settings.rounds} alternating rounds of ${settings.seconds} s, range in brackets; load before ${machine.loadBefore}` +
      `${result.busy ? ' — **the machine was busy: trust ratios and CPU, not rates**' : ''}.`,
  ]
  return lines.join('\n')
}

/** Nothing when the path was not measured. */
function pathTable(result: PathsResult, path: PathName, base: PathName): readonly string[] {
  const rows = result.rows.filter((row) => row.path === path)
  if (rows.length === 0) return []
  const [title, cpuTitle] = TITLES[path] ?? [path, 'CPU']
  return [
    `| case | direct | ${title} | of direct | ${cpuTitle} |`,
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows.map((row) => line(row, rowOfPath(result, row, base))),
    '',
  ]
}

function rowOfPath(result: PathsResult, row: Row, path: PathName): Row {
  const found = result.rows.find((other) => other.case === row.case && other.path === path)
  if (found === undefined) throw new Error(`no row of ${path} for ${row.case}`)
  return found
}

function nodes(result: PathsResult): readonly string[] {
  return Object.keys(Object.values(result.memory)[0] ?? {})
}

function line(row: Row, base: Row): string {
  const isLatency = row.case.startsWith('latency')
  const value = (each: Row): string =>
    isLatency ? `p50 ${each.p50Us?.median} µs, p99 ${each.p99Us?.median} µs` : `${range(each.value)} ${each.unit}`
  const ratio = isLatency
    ? `+${Math.round((row.p50Us?.median ?? 0) - (base.p50Us?.median ?? 0))} µs p50`
    : `${(row.value.median / base.value.median).toFixed(2)}x`
  return `| ${row.case} | ${value(base)} | ${value(row)} | ${ratio} | ${cpu(row)} |`
}

function cpu(row: Row): string {
  if (row.cpuUsPerUnit === undefined) return ''
  if (row.unit === 'Gbit/s') {
    const perGbit = row.cpuUsPerUnit.median / 1e6
    return `${perGbit.toFixed(3)} s/Gbit (${(perGbit * 8.59).toFixed(2)} s/GiB)`
  }
  return `${row.cpuUsPerUnit.median.toFixed(1)} µs each`
}

function range(spread: Spread): string {
  const short = (value: number): string => (value >= 1000 ? `${(value / 1000).toFixed(1)}k` : value.toFixed(2))
  return `${short(spread.median)} (${short(spread.min)}–${short(spread.max)})`
}
