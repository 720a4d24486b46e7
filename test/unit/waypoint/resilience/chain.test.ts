import { describe, expect, it } from 'vitest'
import type { RetryPolicy } from '#shared/l7'
import { Attempts } from '../../../../src/waypoint/resilience/index.ts'
import { FakeBalancer, Rig, retryPolicy, SentRequest } from './fakes.ts'

type Lines = readonly (readonly [string, string])[]

/**
 * A chain of services with a waypoint before each: a waypoint sends to a service, which calls the next one through the next
 * waypoint, and passes on what it gets. The last one always fails.
 */
class Chain {
  callsAtTheEnd = 0
  readonly #rig = new Rig()
  readonly #hops: readonly Attempts[]
  readonly #policies: readonly RetryPolicy[]
  readonly #carries: (name: string) => boolean

  /** @param carries which fields of a request services put on the requests that they make for it */
  constructor(policies: readonly RetryPolicy[], carries: (name: string) => boolean) {
    this.#policies = policies
    this.#carries = carries
    this.#hops = policies.map((_, hop) => {
      return new Attempts({
        clock: this.#rig.clock,
        balancer: new FakeBalancer(),
        maxKeptBytes: 65_536,
        sendOnce: (_to, head) => {
          const sent = new SentRequest(head)
          const lines: [string, string][] = []
          sent.head.fields.forEach((name, value) => {
            if (this.#carries(name)) lines.push([name, value])
          })
          this.#call(hop + 1, lines).then((status) => sent.answer(status))
          return sent
        },
      })
    })
  }

  async call(lines: Lines): Promise<number> {
    let status: number | undefined
    this.#call(0, lines).then((known) => {
      status = known
    })
    while (status === undefined) await this.#rig.advance(10)
    return status
  }

  async #call(hop: number, lines: Lines): Promise<number> {
    const attempts = this.#hops[hop]
    if (attempts === undefined) {
      this.callsAtTheEnd++
      return 503
    }
    const answer = await attempts.run(this.#rig.ask({ lines, retry: this.#policies[hop] }))
    if (answer.kind === 'reply') return answer.status
    answer.response.body.discard()
    return answer.response.head.status
  }
}

const TRACE: Lines = [['traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`]]
const THREE_TRIES = [2, 2, 2].map((attempts) => retryPolicy({ attempts, on: ['5xx', 'reset'] }))

describe('three hops with three tries each', () => {
  it.each([
    ['carry our field', (name: string) => name === 'x-ambit-attempt', 4],
    ['carry W3C trace context', (name: string) => name === 'traceparent' || name === 'tracestate', 4],
    ['carry nothing', () => false, 27],
  ])('make of one request, where services %s', async (_what, carries, calls) => {
    const chain = new Chain(THREE_TRIES, carries)
    expect(await chain.call(TRACE)).toBe(503)
    expect(chain.callsAtTheEnd).toBe(calls)
  })

  it('as the guides write them (`attempts: 3`) make 4 calls', async () => {
    const policies = THREE_TRIES.map((policy) => ({ ...policy, attempts: 3 }))
    const chain = new Chain(policies, (name) => name === 'x-ambit-attempt')
    await chain.call([])
    expect(chain.callsAtTheEnd).toBe(4)
  })

  it('leave the retries to the last hop where the first ones repeat nothing', async () => {
    const quiet = retryPolicy({ on: ['connect-failure'] })
    const chain = new Chain([quiet, quiet, retryPolicy({ attempts: 3 })], (name) => name === 'x-ambit-attempt')
    await chain.call([])
    expect(chain.callsAtTheEnd).toBe(4)
  })
})
