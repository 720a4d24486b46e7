import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AdminServer,
  indexRoute,
  jsonRoute,
  loggingRoute,
  metricsRoutes,
  quitRoute,
  readinessRoutes,
} from '#shared/admin'
import { Readiness } from '#shared/lifecycle'
import { Log, Metrics } from '#shared/telemetry'
import { FakeClock } from '../../../support/fake-clock.ts'

describe('AdminServer', () => {
  const log = new Log({ format: 'plain', filter: 'info', clock: new FakeClock(), output: { line: () => {} } })
  const readiness = new Readiness()
  const metrics = new Metrics()
  let quits = 0
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
        ...readinessRoutes(readiness),
      },
    })
    base = `http://127.0.0.1:${server.port}`
  })
  afterAll(() => server.close())

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
