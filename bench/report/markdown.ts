import type { PathsResult, Row } from '../paths/paths.ts'
import type { Spread } from './statistics.ts'

/** The table of README and terminal; ratios are of medians within the run. */
export function pathsMarkdown(result: PathsResult): string {
  const { machine, settings } = result
  const lines = [
    '| case | direct | two-hop tunnel | of direct | CPU of both hops |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...result.rows.filter((row) => row.path === 'tunnel').map((row) => line(row, direct(result, row))),
    '',
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

function direct(result: PathsResult, row: Row): Row {
  const found = result.rows.find((other) => other.case === row.case && other.path === 'direct')
  if (found === undefined) throw new Error(`no direct row for ${row.case}`)
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
