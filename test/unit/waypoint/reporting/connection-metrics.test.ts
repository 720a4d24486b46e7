import { describe, expect, it } from 'vitest'
import { Metrics } from '#shared/telemetry'
import { ConnectionMetrics } from '../../../../src/waypoint/reporting/connection-metrics.ts'
import { connectionFacts } from './fakes.ts'

describe('connections that are not HTTP', () => {
  it('are counted when they open and close, and their bytes whenever somebody asks', () => {
    const metrics = new Metrics()
    const connections = new ConnectionMetrics(metrics, 'lean')
    const meter = { sentBytes: 10, receivedBytes: 20 }
    const seen = (): string[] =>
      metrics
        .print()
        .split('\n')
        .filter((line) => line.startsWith('istio_tcp'))
        .map((line) =>
          line.replace(/^istio_tcp_(\w+)_total\{.*reporter="waypoint".*response_flags="([^"]+)".*\}/, '$1 $2'),
        )
        .map((line) => line.replace(/^istio_tcp_(\w+)_total\{.*response_flags="([^"]+)".*\}/, '$1 $2'))
    const counted = connections.opened(connectionFacts(), meter)
    expect(seen()).toEqual(['connections_opened - 1', 'received_bytes - 10', 'sent_bytes - 20'])
    meter.sentBytes = 15
    counted.closed('UF')
    counted.closed('-')
    expect(seen()).toEqual([
      'connections_opened - 1',
      'connections_closed UF 1',
      'received_bytes - 15',
      'sent_bytes - 20',
    ])
  })
})
