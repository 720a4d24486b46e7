import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Metrics } from '#shared/telemetry'
import { jsonPoster } from '../../../../src/waypoint/reporting/post-json.ts'
import { SpanExporter } from '../../../../src/waypoint/reporting/span-exporter.ts'
import { encodeOtlp, encodeZipkin, type Span } from '../../../../src/waypoint/reporting/spans.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const SPAN: Span = {
  context: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentId: 'c'.repeat(16), isSampled: true },
  name: 'cart:80/*',
  startedMs: 1_700_000_000_000.25,
  durationMs: 7.5,
  isError: true,
  tags: [['http.status_code', '503']],
}

describe('spans', () => {
  it('are OTLP in JSON', () => {
    expect(JSON.parse(encodeOtlp([SPAN], 'waypoint.shop'))).toEqual({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'waypoint.shop' } }] },
          scopeSpans: [
            {
              scope: { name: 'ambit' },
              spans: [
                {
                  traceId: 'a'.repeat(32),
                  spanId: 'b'.repeat(16),
                  parentSpanId: 'c'.repeat(16),
                  name: 'cart:80/*',
                  kind: 2,
                  startTimeUnixNano: '1700000000000250000',
                  endTimeUnixNano: '1700000000007750000',
                  attributes: [{ key: 'http.status_code', value: { stringValue: '503' } }],
                  status: { code: 2 },
                },
              ],
            },
          ],
        },
      ],
    })
  })

  it('are Zipkin’s v2', () => {
    expect(JSON.parse(encodeZipkin([SPAN], 'waypoint.shop'))).toEqual([
      {
        traceId: 'a'.repeat(32),
        id: 'b'.repeat(16),
        parentId: 'c'.repeat(16),
        kind: 'SERVER',
        name: 'cart:80/*',
        timestamp: 1_700_000_000_000_250,
        duration: 7500,
        localEndpoint: { serviceName: 'waypoint.shop' },
        tags: { 'http.status_code': '503', error: 'true' },
      },
    ])
  })
})

class Rig {
  readonly clock: FakeClock = new FakeClock()
  readonly metrics: Metrics = new Metrics()
  readonly posts: { readonly spans: number; readonly settle: (error?: Error) => void }[] = []
  readonly exporter: SpanExporter = new SpanExporter({
    clock: this.clock,
    logger: quietLogger,
    metrics: this.metrics,
    encode: (spans) => String(spans.length),
    post: (body) =>
      new Promise((resolve, reject) => {
        this.posts.push({
          spans: Number(body),
          settle: (error) => (error === undefined ? resolve() : reject(error)),
        })
      }),
    service: 'waypoint.shop',
  })

  add(count: number): void {
    for (let i = 0; i < count; i++) this.exporter.add(SPAN)
  }

  counters(): readonly (string | undefined)[] {
    const lines = this.metrics.print().split('\n')
    return ['exported_total', 'queue_full', 'export_failed'].map((name) =>
      lines
        .find((line) => !line.startsWith('#') && line.includes(name))
        ?.split(' ')
        .at(-1),
    )
  }
}

describe('the exporter', () => {
  it('sends what has gathered in a second, one batch at a time', async () => {
    const rig = new Rig()
    rig.add(3)
    await rig.clock.advance(999)
    expect(rig.posts).toEqual([])
    await rig.clock.advance(1)
    rig.add(600)
    expect(rig.posts.map(({ spans }) => spans)).toEqual([3])
    rig.posts[0]?.settle()
    await settle()
    expect(rig.posts.map(({ spans }) => spans)).toEqual([3, 512])
    expect(rig.counters()).toEqual(['3', '0', '0'])
  })

  it('drops and counts what comes while the queue is full', async () => {
    const rig = new Rig()
    rig.add(512) // under way
    rig.add(2048 + 5)
    expect(rig.counters()).toEqual(['0', '5', '0'])
  })

  it('drops and counts what the back end does not take, and goes on', async () => {
    const rig = new Rig()
    rig.add(512)
    rig.add(1)
    rig.posts[0]?.settle(new Error('answered 500'))
    await settle()
    await rig.clock.advance(1000)
    rig.posts[1]?.settle()
    await settle()
    expect(rig.counters()).toEqual(['1', '0', '512'])
  })

  it('sends everything before a process ends', async () => {
    const rig = new Rig()
    rig.add(2)
    const flushed = rig.exporter.flush()
    rig.posts[0]?.settle()
    await flushed
    expect(rig.posts.map(({ spans }) => spans)).toEqual([2])
  })
})

describe('jsonPoster', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections()
  })

  async function backend(status: number): Promise<{ readonly url: URL; readonly bodies: string[] }> {
    const bodies: string[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text) => {
        body += text
      })
      request.on('end', () => {
        bodies.push(`${request.method} ${request.url} ${request.headers['content-type']} ${body}`)
        response.writeHead(status).end('{}')
      })
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // of a TCP server
    return { url: new URL(`http://127.0.0.1:${port}/v1/traces`), bodies }
  }

  it('posts to the address', async () => {
    const { url, bodies } = await backend(200)
    await jsonPoster(url)('{"é":1}')
    expect(bodies).toEqual(['POST /v1/traces application/json {"é":1}'])
  })

  it('is rejected by any other answer, and without one', async () => {
    const { url } = await backend(503)
    const post = jsonPoster(url)
    await expect(post('{}')).rejects.toThrow('answered 503')
    const server = servers.pop()
    await new Promise((resolve) => server?.close(resolve).closeAllConnections())
    await expect(post('{}')).rejects.toThrow()
  })
})
