import { connect } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AdminServer,
  indexRoute,
  jsonRoute,
  loggingRoute,
  metricsRoutes,
  Profiles,
  quitRoute,
  readinessRoutes,
} from '#shared/admin'
import { systemClock } from '#shared/clock'
import { Readiness } from '#shared/lifecycle'
import { Log, Metrics } from '#shared/telemetry'
import { FakeClock } from '../../../support/fake-clock.ts'

describe('AdminServer', () => {
  const log = new Log({ format: 'plain', filter: 'info', clock: new FakeClock(), output: { line: () => {} } })
  const readiness = new Readiness()
  const metrics = new Metrics()
  let quits = 0
  const profiles = new Profiles(systemClock)
  let server: AdminServer
  let base = ''

  beforeAll(async () => {
    server = await AdminServer.listen({
      name: 'admin',
      port: 0,
      bind: 'localhost',
      isIpv6Enabled: true,
      log: log.logger('admin'),
      routes: {
        '/': indexRoute('test', { '/config_dump': 'everything' }),
        '/config_dump': jsonRoute(() => ({ b: 1, a: [{ d: 1, c: new Map([['z', 1]]) }] })),
        '/logging': loggingRoute(log.filter),
        '/quitquitquit': quitRoute(() => quits++),
        '/broken': () => {
          throw new Error('a bug')
        },
        ...metricsRoutes(metrics),
        ...profiles.routes(),
        ...readinessRoutes(readiness),
      },
    })
    base = `http://127.0.0.1:${server.port}`
  })
  afterAll(async () => {
    await profiles.close()
    await server.close()
  })

  const ask = async (path: string, init?: RequestInit): Promise<string> => {
    const answer = await fetch(base + path, init)
    return `${answer.status} ${await answer.text()}`
  }

  it('tells readiness with 200 or 500 and what is missing, sorted', async () => {
    readiness.add('state manager')
    readiness.add('proxy')
    expect(await ask('/healthz/ready')).toBe('500 not ready, pending: proxy, state manager\n')
    readiness.done('proxy')
    readiness.done('state manager')
    expect(await ask('/healthz/ready')).toBe('200 ready\n')
  })

  it('gives metrics under both names; only the content type depends on Accept', async () => {
    const plain = await fetch(`${base}/metrics`)
    const open = await fetch(`${base}/stats/prometheus`, { headers: { accept: 'application/openmetrics-text' } })
    expect(plain.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(open.headers.get('content-type')).toBe('application/openmetrics-text;charset=utf-8;version=1.0.0')
    expect(await plain.text()).toBe(await open.text())
  })

  it.each([
    ['application/openmetrics-text', 'application/openmetrics-text;charset=utf-8;version=1.0.0'],
    [
      'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2',
      'application/openmetrics-text;charset=utf-8;version=1.0.0',
    ],
    ['application/openmetrics-text;q=0', 'text/plain; charset=utf-8'],
    ['application/openmetrics-textual', 'text/plain; charset=utf-8'],
    ['*/*', 'text/plain; charset=utf-8'],
  ])('answers Accept: %s with %s', async (accept, contentType) => {
    const answer = await fetch(`${base}/metrics`, { headers: { accept } })
    expect(answer.headers.get('content-type')).toBe(contentType)
  })

  it.each([
    ['gzip', true],
    ['deflate, gzip;q=0.8', true],
    ['identity', false],
    ['gzip;q=0', false],
  ])('zips metrics for Accept-Encoding: %s: %s', async (encoding, isZipped) => {
    const { headers, body } = await raw(server.port, `GET /metrics HTTP/1.1\r\naccept-encoding: ${encoding}\r\n`)
    expect(/^content-encoding: gzip$/im.test(headers)).toBe(isZipped)
    expect(headers).toMatch(/^vary: accept-encoding$/im)
    expect((isZipped ? gunzipSync(body) : body).toString()).toBe(metrics.print())
  })

  it('answers HEAD with the headers of the page and no body', async () => {
    const { headers, body } = await raw(server.port, 'HEAD /metrics HTTP/1.1\r\n')
    expect(headers).toMatch(new RegExp(`^content-length: ${metrics.print().length}$`, 'im'))
    expect(body.length).toBe(0)
  })

  it('gives a CPU profile in V8’s form', async () => {
    const answer = await fetch(`${base}/debug/pprof/profile?seconds=1&frequency=1000`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json'])
    const profile = (await answer.json()) as {
      nodes: unknown[]
      samples: unknown[]
      startTime: number
      endTime: number
    }
    expect(profile.nodes.length).toBeGreaterThan(0)
    expect(profile.samples.length).toBeGreaterThan(0)
    expect(profile.endTime).toBeGreaterThan(profile.startTime)
  })

  it.each(['seconds=0', 'seconds=301', 'seconds=1.5', 'seconds=x', 'frequency=0', 'frequency=1001'])(
    'refuses a CPU profile of %s with how to ask',
    async (query) => {
      expect(await ask(`/debug/pprof/profile?${query}`)).toMatch(/^400 usage: GET \/debug\/pprof\/profile/)
    },
  )

  it('takes one CPU profile at a time, and ends it early when the program ends', async () => {
    const first = ask('/debug/pprof/profile?seconds=300')
    await expect.poll(() => ask('/debug/pprof/profile?seconds=0')).toBe('409 another profile is being taken\n')
    await profiles.close()
    expect(await first).toMatch(/^200 \{/)
  })

  it('gives a heap profile while heap profiling is on', async () => {
    expect(await ask('/debug/pprof/heap')).toMatch(/^409 heap profiling is off\nusage: /)
    expect(await ask('/debug/pprof/heap/profiling?activate=true')).toBe('200 heap profiling is on\n')
    expect(await ask('/debug/pprof/heap')).toMatch(/^200 \{"head":/)
    expect(await ask('/debug/pprof/heap/profiling?activate=false')).toBe('200 heap profiling is off\n')
    expect(await ask('/debug/pprof/heap')).toMatch(/^409 /)
    expect(await ask('/debug/pprof/heap/profiling?activate=maybe')).toMatch(/^400 usage: /)
  })

  it('prints dumps with sorted keys', async () => {
    const text = '{\n  "a": [\n    {\n      "c": {\n        "z": 1\n      },\n      "d": 1\n    }\n  ],\n  "b": 1\n}'
    expect(await ask('/config_dump')).toBe(`200 ${text}`)
  })

  it.each([
    ['POST', '/logging', '200 current log level is info\n'],
    ['POST', '/logging?level=access=debug', '200 current log level is info,access=debug\n'],
    ['POST', '/logging?reset&level=warn', '200 current log level is warn\n'],
    ['POST', '/logging?reset', '200 current log level is info\n'],
    ['POST', '/logging?level=loud', '400 log filter: "loud" is no level'],
    ['POST', '/logging?lvel=info', '400 usage: POST /logging'],
    ['GET', '/logging', '405 usage: POST /logging'],
    ['GET', '/quitquitquit', '405 method not allowed'],
    ['GET', '/nowhere', '404 '],
    ['GET', '/toString', '404 '],
    ['GET', '/broken', '500 this page failed'],
  ])('%s %s gives %j', async (method, path, start) => {
    const answer = await ask(path, { method })
    expect(answer.slice(0, start.length)).toBe(start)
  })

  it('asks the program to end on POST /quitquitquit', async () => {
    expect(await ask('/quitquitquit', { method: 'POST' })).toBe('200 shutdown now\n')
    expect(quits).toBe(1)
  })

  it('listens on ::1 too', async () => {
    expect((await fetch(`http://[::1]:${server.port}/healthz/ready`)).status).toBe(200)
  })

  it('gives a request header about 2 s', async () => {
    const startedMs = performance.now()
    const answer = await new Promise<string>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: server.port }, () => socket.write('GET / HTTP/1.1\r\nHost: '))
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes
      })
      socket.on('close', () => resolve(text))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(performance.now() - startedMs).toBeLessThan(4000)
  })
})

/** One request as written, its answer as bytes. */
function raw(port: number, request: string): Promise<{ readonly headers: string; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.write(`${request}host: x\r\nconnection: close\r\n\r\n`)
    })
    socket.on('data', (bytes) => parts.push(bytes))
    socket.on('error', reject)
    socket.on('close', () => {
      const all = Buffer.concat(parts)
      const end = all.indexOf('\r\n\r\n')
      resolve({ headers: all.subarray(0, end).toString().replaceAll('\r', ''), body: all.subarray(end + 4) })
    })
  })
}
