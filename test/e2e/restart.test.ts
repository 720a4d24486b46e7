import type { Socket } from 'node:net'
import { resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { Restarts } from '../support/restarts.ts'

/** Several workers are started from the bundle, as they are deployed: it starts faster than sources. */
const BUNDLE = resolve(import.meta.dirname, '../../dist/ztunnel/main.js')

const kinds: readonly [kind: string, env: Readonly<Record<string, string>>, main: string | undefined][] = [
  ['a tunnel', {}, undefined],
  ['a tunnel of two workers', { ZTUNNEL_WORKER_THREADS: '2' }, BUNDLE],
]

describe.runIf(requirePrivileges()).each(kinds)('%s that is exchanged for its successor', (_kind, env, main) => {
  let restarts: Restarts

  beforeEach(() => {
    restarts = new Restarts()
  })
  afterEach(() => restarts.close())

  it('refuses not one of 200 new connections a second', async () => {
    await restarts.start({ CONNECTION_TERMINATION_DEADLINE: '5s', ...env }, main)
    const stop = new AbortController()
    const load = restarts.load(200, stop.signal)
    for (let i = 0; i < 5; i++) await restarts.restart()
    stop.abort()
    await load
    expect(restarts.failures).toEqual([])
    expect(restarts.answered).toBeGreaterThan(500)
  })

  it('goes on with plain connections of the one before, which ends at once, and tells of them whole', async () => {
    await restarts.start({ CONNECTION_TERMINATION_DEADLINE: '60s', ...env }, main)
    const { client, server, outsider } = restarts
    const out = Array.from({ length: 50 }, () => restarts.connect(client, outsider))
    const into = Array.from({ length: 50 }, () => restarts.connect(outsider, server))
    for (const socket of [...out, ...into]) await restarts.echo(socket, 'first')
    const old = restarts.tunnel
    await restarts.restart()
    // Its deadline is a minute away: it has nothing left to wait for.
    expect(await old?.exited).toBe(0)
    for (const socket of [...out, ...into]) await restarts.echo(socket, 'second')
    expect(await restarts.dumped()).toEqual({ client: 50, server: 50 })
    for (const socket of [...out, ...into]) socket.end()
    const { tunnel } = restarts
    const lines = Array.from({ length: 100 }, () => tunnel?.nextAccessLine())
    const told = (await Promise.all(lines)).map(
      (line) => /direction=\S+ bytes_sent=\d+ bytes_recv=\d+/.exec(line ?? '')?.[0],
    )
    expect(Object.fromEntries([...Map.groupBy(told, (line) => line)].map(([line, all]) => [line, all.length]))).toEqual(
      {
        'direction="outbound" bytes_sent=11 bytes_recv=11': 50,
        'direction="inbound" bytes_sent=11 bytes_recv=11': 50,
      },
    )
    expect(old?.lines.filter((line) => line.includes('connection complete'))).toEqual([])
  })

  it('cuts none of 1,000 connections that go on', async () => {
    await restarts.start({ CONNECTION_TERMINATION_DEADLINE: '20s', ...env }, main)
    const old = restarts.tunnel
    const sockets: Socket[] = []
    for (let i = 0; i < 1_000; i++) {
      const socket = restarts.connect()
      sockets.push(socket)
      await restarts.echo(socket, 'a')
    }
    await restarts.restart()
    await old?.line('draining')
    for (const socket of sockets) await restarts.echo(socket, 'b')
    for (const socket of sockets) socket.destroy()
    expect(await old?.exited).toBe(0)
  })
})

describe.runIf(requirePrivileges()).each([
  ['one process', 'several workers', '1', '3'],
  ['several workers', 'one process', '3', '1'],
  ['two workers', 'three', '2', '3'],
])('a tunnel of %s whose successor is one of %s', (_before, _after, before, after) => {
  const workers = (count: string): Record<string, string> => ({ ZTUNNEL_WORKER_THREADS: count })
  let restarts: Restarts

  beforeEach(() => {
    restarts = new Restarts()
  })
  afterEach(() => restarts.close())

  it('hands its plain connections over, ends at once, and no new connection is refused meanwhile', async () => {
    await restarts.start({ CONNECTION_TERMINATION_DEADLINE: '60s', ...workers(before) }, BUNDLE)
    const { client, server, outsider } = restarts
    const plain = [
      ...Array.from({ length: 20 }, () => restarts.connect(client, outsider)),
      ...Array.from({ length: 20 }, () => restarts.connect(outsider, server)),
    ]
    for (const socket of plain) await restarts.echo(socket, 'first')
    const stop = new AbortController()
    const load = restarts.load(100, stop.signal)
    const old = restarts.tunnel
    await restarts.restart(workers(after))
    expect(await old?.exited).toBe(0)
    for (const socket of plain) await restarts.echo(socket, 'second')
    stop.abort()
    await load
    expect(restarts.failures).toEqual([])
    expect(restarts.answered).toBeGreaterThan(0)
    // The last of the load may be on their way out.
    await expect.poll(() => restarts.dumped()).toEqual({ client: 20, server: 20 })
    for (const socket of plain) socket.destroy()
  })
})
