import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type ConnectRequest, createTunnelPool, type PoolKey, type TunnelPool, type TunnelStream } from '#shared/hbone'
import type { IpAddress } from '#shared/net'
import { MemoryCa } from '../../../support/memory-ca.ts'
import { keyOf, listenTunnels, type TestAcceptor, TestDialer, until } from '../../../support/tunnel-ends.ts'

const MAX_STREAMS = 3
const ca = new MemoryCa()
const certificates = [ca.issue(ca.id('shop', 'web')), ca.issue(ca.id('shop', 'web'))]
const web = ca.id('shop', 'web')
const cart = ca.issue(ca.id('shop', 'cart'))
const request: ConnectRequest = {
  authority: { kind: 'address', ip: '10.0.0.7' as IpAddress, port: 80 },
  headers: [],
}

/** What is done to the pool, in any order. */
type Step =
  | { readonly kind: 'open'; readonly key: number; readonly count: number }
  | { readonly kind: 'end'; readonly which: number }
  | { readonly kind: 'goaway'; readonly which: number }
  | { readonly kind: 'cut'; readonly which: number }
  | { readonly kind: 'renew' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('open' as const), key: fc.nat(1), count: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('goaway' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'renew' }) },
)

class Run {
  readonly #pool: TunnelPool
  readonly #server: TestAcceptor
  readonly #dialer: TestDialer
  readonly #keys: readonly PoolKey[]
  #renewals = 0
  #streams: TunnelStream[] = []

  constructor(pool: TunnelPool, server: TestAcceptor, dialer: TestDialer) {
    this.#pool = pool
    this.#server = server
    this.#dialer = dialer
    const key = keyOf(web, server.address, cart.id)
    this.#keys = [key, { ...key, sourceIp: '127.0.0.2' as IpAddress }]
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'open':
        return this.#open(this.#keys[step.key] as PoolKey, step.count)
      case 'end':
        return this.#end(step.which)
      case 'goaway': {
        const tunnel = this.#pick(this.#live(), step.which)
        void tunnel?.connection.drain({ mode: 'graceful', deadlineMs: 60_000 })
        return this.#settled()
      }
      case 'cut': {
        const tunnel = this.#pick(this.#live(), step.which)
        await tunnel?.connection.close()
        // The client has to hear of it: a request that it sends before is lost, and not tried again.
        await until(() => this.#pool.connectionCount <= this.#server.accepted.filter((one) => !one.destroyed).length)
        return this.#settled()
      }
      case 'renew':
        this.#dialer.current = certificates[++this.#renewals % certificates.length] as (typeof certificates)[0]
    }
  }

  /** What must hold after every step. */
  check(): void {
    const counts = this.#server.tunnels.map((tunnel) => tunnel.connection.streamCount)
    expect(Math.max(0, ...counts)).toBeLessThanOrEqual(MAX_STREAMS)
    expect(this.#streams.every((one) => one.peer === cart.id)).toBe(true)
  }

  async #open(key: PoolKey, count: number): Promise<void> {
    const dialled = this.#dialer.sockets.length
    const opened = await Promise.all(
      Array.from({ length: count }, () => this.#pool.connect(key, this.#dialer, request)),
    )
    expect(opened.every((one) => one.stream.isOpen)).toBe(true)
    expect(this.#dialer.sockets.length - dialled).toBeLessThanOrEqual(Math.ceil(count / MAX_STREAMS))
    this.#streams.push(...opened)
  }

  async #end(which: number): Promise<void> {
    const stream = this.#pick(this.#streams, which)
    stream?.pump.abort()
    await this.#settled()
  }

  /** Both ends count the same streams again. */
  async #settled(): Promise<void> {
    await until(() => {
      this.#streams = this.#streams.filter((one) => one.stream.isOpen)
      const served = this.#server.tunnels.reduce((sum, tunnel) => sum + tunnel.connection.streamCount, 0)
      return served === this.#streams.length
    })
  }

  #live(): TestAcceptor['tunnels'] {
    return this.#server.tunnels.filter((tunnel) => tunnel.connection.isUsable)
  }

  #pick<T>(list: readonly T[], which: number): T | undefined {
    return list[which % (list.length || 1)]
  }
}

describe('the pool, whatever is done to it', () => {
  it('answers every request on a connection that may still be used, and never overfills one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
        const server = await listenTunnels(cart, (incoming) => void incoming.accept())
        const pool = createTunnelPool({ clock: systemClock, maxStreamsPerConnection: MAX_STREAMS })
        const run = new Run(pool, server, new TestDialer(server.address, certificates[0] as (typeof certificates)[0]))
        try {
          for (const each of steps) {
            await run.take(each)
            run.check()
          }
        } finally {
          await pool.close()
          await server.close()
        }
        expect(pool.connectionCount).toBe(0)
      }),
      { numRuns: 25 },
    )
  })
})
