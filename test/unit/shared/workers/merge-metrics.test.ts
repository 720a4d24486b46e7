import { describe, expect, it } from 'vitest'
import { Metrics } from '#shared/telemetry'
import { countersOf, mergeMetrics } from '#shared/workers'

const never = (): boolean => false

describe('metrics of several processes', () => {
  it('are those of one process when there is one, to the letter', () => {
    const metrics = everyKind(1)
    expect(mergeMetrics([metrics.print()], never)).toBe(metrics.print())
  })

  it('are added up by series: counters, gauges and histograms', () => {
    expect(mergeMetrics([everyKind(1).print(), everyKind(2).print()], never)).toBe(everyKind(3).print())
  })

  it('keep series and families that only some have, in the order in which they are first met', () => {
    const one = new Metrics()
    one.counters('a', 'A', ['x']).with('1').value = 1
    const other = new Metrics()
    other.counters('a', 'A', ['x']).with('2 "quoted"').value = 2
    other.gauge('b', 'B').value = 7
    expect(mergeMetrics([one.print(), other.print()], never)).toContain(
      'a_total{x="1"} 1\na_total{x="2 \\"quoted\\""} 2\n# HELP b B.\n# TYPE b gauge\nb 7\n# EOF\n',
    )
  })

  it('show the largest of what is a state and no amount', () => {
    const build = (value: number): string => {
      const metrics = new Metrics()
      metrics.gauge('build', 'Build').value = value
      return metrics.print()
    }
    expect(mergeMetrics([build(1), build(1)], (family) => family === 'build')).toContain('\nbuild 1\n')
  })

  it('lose what is, and keep what was counted, when a process has ended', () => {
    const kept = countersOf(everyKind(2).print())
    expect(kept).toContain('counted_total{kind="a b"} 2\n')
    expect(kept).toContain('took_count 2\n')
    expect(kept).not.toContain('open')
  })
})

/** Everything that was observed, `times` times. */
function everyKind(times: number): Metrics {
  const metrics = new Metrics()
  const counted = metrics.counters('counted', 'Counted', ['kind'])
  const open = metrics.gauge('open', 'Open')
  const took = metrics.histograms('took', 'Took', [], [0.5, 1]).with()
  for (let i = 0; i < times; i++) {
    counted.with('a b').value++
    open.value += 2
    took.observe(0.75)
  }
  return metrics
}
