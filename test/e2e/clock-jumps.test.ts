import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { factsOf } from '../support/process-facts.ts'
import { Restarts } from '../support/restarts.ts'
import { isCompilerThere, WallClock } from '../support/wall-clock.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const TTL_MS = HOUR * 1000
/** Of istiod and of our own authority: clocks may differ by so much. */
const BACKDATE_MS = 2 * MINUTE * 1000

/** The clock of the tunnel's process jumps, OpenSSL's comparisons included; the authority's stays right. */
describe.runIf(requirePrivileges() && isCompilerThere)('27: a clock that jumps', () => {
  let clock: WallClock
  let mesh: Restarts
  let lasting: Socket

  beforeEach(async () => {
    clock = new WallClock()
    mesh = new Restarts()
    // Each new connection needs a tunnel of its own, and so shows a certificate.
    const env = { ...clock.env, POOL_MAX_STREAMS_PER_CONNECTION: '1' }
    await mesh.start(env, undefined, { ttlMs: TTL_MS, backdateMs: BACKDATE_MS })
    lasting = mesh.connect().setMaxListeners(0)
    await mesh.echo(lasting, 'a')
  })
  afterEach(async () => {
    await mesh.close()
    clock.close()
  })

  /** A new connection, which stays: whether it is answered. */
  const isServed = async (): Promise<boolean> => {
    await mesh.echo(lasting, 'still')
    const socket = mesh.connect()
    return mesh.echo(socket, 'a').then(
      () => true,
      () => false,
    )
  }

  it.each([
    ['a minute ahead', [MINUTE]],
    ['ten minutes ahead', [10 * MINUTE]],
    ['a minute back', [-MINUTE]],
    ['ahead and back, again and again', [20, -20, 40, -40, 10 * MINUTE, 0, -MINUTE, 5 * MINUTE]],
  ])('%s refuses and cuts nothing, and asks for no flood of certificates', async (_what, shifts) => {
    const signed = mesh.signed
    for (const seconds of shifts) {
      clock.shift(seconds)
      for (let i = 0; i < 5; i++) expect(await isServed()).toBe(true)
    }
    expect(mesh.signed - signed).toBeLessThanOrEqual(4)
  })

  it.each([
    ['past the end of every certificate', 2 * HOUR, 'it expired at'],
    ['to before they began', -2 * HOUR, 'CERT_NOT_YET_VALID'],
  ])(
    '%s refuses new connections and says why, keeps the others, and is over when it is right again',
    async (_what, seconds, reason) => {
      const pid = mesh.tunnel?.process.pid ?? 0
      const before = factsOf(pid).residentMib
      clock.shift(seconds)
      expect(await isServed()).toBe(false)
      await mesh.tunnel?.line(reason)
      const signed = mesh.signed
      for (let i = 0; i < 20; i++) expect(await isServed()).toBe(false)
      expect(mesh.signed - signed).toBeLessThan(20)
      clock.shift(0)
      await expect.poll(isServed, { timeout: 20_000 }).toBe(true)
      await mesh.echo(lasting, 'still')
      expect(factsOf(pid).residentMib - before).toBeLessThan(32)
      expect(mesh.tunnel?.lines.filter((line) => line.includes('unhandled'))).toEqual([])
    },
  )
})
