import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { Restarts } from '../support/restarts.ts'

describe.runIf(requirePrivileges())('a tunnel that is exchanged for its successor', () => {
  let restarts: Restarts

  beforeEach(() => {
    restarts = new Restarts()
  })
  afterEach(() => restarts.close())

  it('refuses not one of 200 new connections a second', async () => {
    await restarts.start({ CONNECTION_TERMINATION_DEADLINE: '5s' })
    const stop = new AbortController()
    const load = restarts.load(200, stop.signal)
    for (let i = 0; i < 5; i++) await restarts.restart()
    stop.abort()
    await load
    expect(restarts.failures).toEqual([])
    expect(restarts.answered).toBeGreaterThan(500)
  })

  it('cuts none of 1,000 connections that go on', async () => {
    await restarts.start({ CONNECTION_TERMINATION_DEADLINE: '20s' })
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
