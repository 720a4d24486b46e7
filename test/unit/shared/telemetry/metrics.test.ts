import { describe, expect, it } from 'vitest'
import { labelText, Metrics } from '#shared/telemetry'

describe('Metrics', () => {
  it('prints OpenMetrics text: names without _total in HELP and TYPE, and an end mark', () => {
    const metrics = new Metrics()
    const opened = metrics.counters('istio_tcp_connections_opened', 'The total number of TCP connections opened', [
      'reporter',
      'x',
    ])
    metrics.gauge('process_open_fds', 'Open descriptors').value = 7
    const waits = metrics.histograms('wait_seconds', 'Waits', ['kind'], [0.0005, 1])
    opened.with('source', 'a"\\\n').value += 2
    opened.with('source', 'a"\\\n').value += 1
    for (const seconds of [0.0001, 0.5, 5]) waits.with('a').observe(seconds)
    expect(metrics.print()).toBe(
      `# HELP ambit_metrics_series_overflows Label sets that found their family full.
# TYPE ambit_metrics_series_overflows counter
ambit_metrics_series_overflows_total 0
# HELP istio_tcp_connections_opened The total number of TCP connections opened.
# TYPE istio_tcp_connections_opened counter
istio_tcp_connections_opened_total{reporter="source",x="a\\"\\\\\\n"} 3
# HELP process_open_fds Open descriptors.
# TYPE process_open_fds gauge
process_open_fds 7
# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
wait_seconds_sum{kind="a"} 5.5001
wait_seconds_count{kind="a"} 3
wait_seconds_bucket{kind="a",le="0.0005"} 1
wait_seconds_bucket{kind="a",le="1.0"} 2
wait_seconds_bucket{kind="a",le="+Inf"} 3
# EOF
`,
    )
  })

  it('takes labels that are not the family’s own, within the same bound', () => {
    const metrics = new Metrics()
    const counted = metrics.counters('a', 'A', ['x'])
    for (let i = 0; i < 20_005; i++) counted.labelled(labelText(['y'], [`${i}"`])).value++
    counted.labelled(labelText(['y'], ['0"'])).value++
    const page = metrics.print()
    expect(page).toContain('\na_total{y="0\\""} 2\n')
    expect(page).toContain('\na_total{reporter="overflow"} 5\n')
    expect(page).toContain('\nambit_metrics_series_overflows_total 5\n')
  })

  it('shows a labelled series only after its first use', () => {
    const metrics = new Metrics()
    metrics.counters('a', 'A', ['x'])
    expect(metrics.print()).toContain('# HELP a A.\n# TYPE a counter\n# EOF')
  })

  it('bounds the series of a family and counts those that found it full', () => {
    const metrics = new Metrics()
    const family = metrics.counters('a', 'A', ['x'])
    for (let i = 0; i < 20_010; i++) family.with(`v${i}`).value++
    expect(family.size).toBe(20_001)
    expect(metrics.print()).toContain('a_total{x="overflow"} 10\n')
    expect(metrics.print()).toContain('ambit_metrics_series_overflows_total 10\n')
  })

  it('asks collectors before each print', () => {
    const metrics = new Metrics()
    const gauge = metrics.gauge('g', 'G')
    metrics.onCollect(() => gauge.value++)
    expect(metrics.print()).toContain('g 1\n')
    expect(metrics.print()).toContain('g 2\n')
  })

  it('refuses the same family twice and a wrong number of labels', () => {
    const metrics = new Metrics()
    const family = metrics.counters('a', 'A', ['x'])
    expect(() => metrics.gauge('a', 'A')).toThrow('registered twice')
    expect(() => family.with('1', '2')).toThrow('2 label values')
  })
})
