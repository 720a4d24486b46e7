import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it } from 'vitest'

const program = resolve(import.meta.dirname, '../../../samples/echo/echo.mjs')
let child: ChildProcess | undefined
afterEach(() => child?.kill('SIGKILL'))

/** @returns its two ports, which the system chose */
async function start(
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly http: number; readonly tcp: number }> {
  const started = spawn(process.execPath, [program], {
    env: { PORT: '0', TCP_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child = started
  const ports = new Map<string, number>()
  for await (const line of createInterface(started.stdout)) {
    const [, kind = '', port] = /^(HTTP|TCP) on (\d+)$/.exec(line) ?? []
    ports.set(kind, Number(port))
    if (ports.size === 2) break
  }
  return { http: ports.get('HTTP') ?? 0, tcp: ports.get('TCP') ?? 0 }
}

describe('the echo server', () => {
  it('answers with what it was asked, and who it is', async () => {
    const { http } = await start({ POD_NAME: 'echo-1', VERSION: 'v2' })
    const response = await fetch(`http://127.0.0.1:${http}/a/b?c=d`, {
      method: 'POST',
      headers: { 'x-mine': '1' },
      body: 'hello',
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      method: 'POST',
      path: '/a/b?c=d',
      headers: { 'x-mine': '1' },
      body: 'hello',
      bytes: 5,
      from: '127.0.0.1',
      host: hostname(),
      pod: 'echo-1',
      version: 'v2',
    })
  })

  it.each([
    ['/status/503', 503],
    ['/x?status=418', 418],
    ['/status/99', 200],
    ['/status/204', 204],
    ['//', 200],
  ])('asked for %s has the status %i', async (path, status) => {
    const { http } = await start()
    expect((await fetch(`http://127.0.0.1:${http}${path}`)).status).toBe(status)
  })

  it('can have another status and be late for all requests', async () => {
    const { http } = await start({ STATUS: '500', DELAY_MS: '50' })
    const startedMs = performance.now()
    expect((await fetch(`http://127.0.0.1:${http}/`)).status).toBe(500)
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(49)
  })

  it('sends plain bytes back', async () => {
    const { tcp } = await start()
    const socket = connect(tcp, '127.0.0.1')
    socket.end('any bytes')
    const [bytes] = await once(socket, 'data')
    expect(String(bytes)).toBe('any bytes')
  })

  it('survives a caller that goes away, and ends when it is told to', async () => {
    const { http } = await start()
    const socket = connect(http, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf')
    await once(socket, 'connect')
    socket.destroy()
    await fetch(`http://127.0.0.1:${http}/`)
    child?.kill('SIGTERM')
    expect(await once(child as ChildProcess, 'exit')).toEqual([0, null])
  })
})
