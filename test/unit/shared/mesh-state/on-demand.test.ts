import { describe, expect, it } from 'vitest'
import { OnDemand } from '#shared/mesh-state'
import { FakeClock, settle } from '../../../support/fake-clock.ts'

/** A control plane that answers when the test says so. */
class Asked {
  readonly names: string[] = []
  readonly #waiting: PromiseWithResolvers<void>[] = []

  demand = (_typeUrl: string, name: string): Promise<void> => {
    this.names.push(name)
    const waiting = Promise.withResolvers<void>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  answer(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  fail(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('stream lost'))
  }
}

function setUp(): { readonly clock: FakeClock; readonly asked: Asked; readonly onDemand: OnDemand } {
  const clock = new FakeClock()
  const asked = new Asked()
  return { clock, asked, onDemand: new OnDemand({ client: asked, typeUrl: 'address', clock }) }
}

describe('asking the control plane on demand', () => {
  it('asks once for a name, however many connections wait for it', async () => {
    const { asked, onDemand, clock } = setUp()
    const waiting = [onDemand.ask(['/10.0.0.1']), onDemand.ask(['/10.0.0.1', '/10.0.0.2'])]
    asked.answer()
    await Promise.all(waiting)
    expect(asked.names).toEqual(['/10.0.0.1', '/10.0.0.2'])
    expect(clock.pendingTimers).toBe(0)
  })

  it('believes an answer for ten seconds, then asks again', async () => {
    const { asked, onDemand, clock } = setUp()
    const first = onDemand.ask(['/10.0.0.1'])
    asked.answer()
    await first
    await clock.advance(9_999)
    await onDemand.ask(['/10.0.0.1'])
    await clock.advance(1)
    void onDemand.ask(['/10.0.0.1'])
    expect(asked.names.length).toBe(2)
  })

  it('gives up after five seconds with an error, and asks anew the next time', async () => {
    const { asked, onDemand, clock } = setUp()
    const waiting = expect(onDemand.ask(['/10.0.0.1'])).rejects.toMatchObject({
      code: 'XDS_STREAM_LOST',
      message: 'the control plane did not say within 5000 ms who /10.0.0.1 is',
    })
    await clock.advance(5_000)
    await waiting
    void onDemand.ask(['/10.0.0.1'])
    expect(asked.names.length).toBe(2)
  })

  it('fails when the control plane does, and asks anew the next time', async () => {
    const { asked, onDemand, clock } = setUp()
    const waiting = expect(onDemand.ask(['/10.0.0.1'])).rejects.toThrow('stream lost')
    asked.fail()
    await waiting
    await settle()
    expect(clock.pendingTimers).toBe(0)
    void onDemand.ask(['/10.0.0.1'])
    expect(asked.names.length).toBe(2)
  })

  it('remembers no more than 10,000 names', async () => {
    const { asked, onDemand } = setUp()
    const names = Array.from({ length: 10_001 }, (_, i) => `/${i}`)
    const waiting = onDemand.ask(names)
    asked.answer()
    await waiting
    void onDemand.ask(['/10000', '/0'])
    expect(asked.names.slice(10_001)).toEqual(['/0'])
  })
})
