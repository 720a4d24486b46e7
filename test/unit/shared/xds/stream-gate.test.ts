import { describe, expect, it } from 'vitest'
import { StreamGate } from '../../../../src/shared/xds/stream-gate.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const always = (): boolean => true

function start() {
  const clock = new FakeClock()
  const gate = new StreamGate({ perSecond: 10, burst: 2, longestWaitMs: 1_000 }, clock)
  const entered: string[] = []
  const enter = (name: string, isThere = always): Promise<void> =>
    gate.enter(isThere).then(
      () => void entered.push(name),
      (error) => void entered.push(`${name}: ${error.message}`),
    )
  const settled = async (): Promise<readonly string[]> => {
    for (let i = 0; i < 5; i++) await Promise.resolve()
    return [...entered]
  }
  return { clock, gate, enter, settled }
}

describe('new streams', () => {
  it('are let in at once up to the burst, then one after the other, in order', async () => {
    const { clock, enter, settled } = start()
    for (const name of ['a', 'b', 'c', 'd']) void enter(name)
    expect(await settled()).toEqual(['a', 'b'])
    clock.advance(100)
    expect(await settled()).toEqual(['a', 'b', 'c'])
    clock.advance(100)
    expect(await settled()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('are sent away when they would have to wait too long', async () => {
    const { gate, enter, settled } = start()
    for (let i = 0; i < 13; i++) void enter(`${i}`)
    expect(await settled()).toEqual(['0', '1', '12: too many clients come at once: try again later'])
    expect(gate.waiting).toBe(10)
  })

  it('that are gone when their turn comes cost the next ones nothing', async () => {
    const { clock, enter, settled } = start()
    for (const name of ['a', 'b']) void enter(name)
    void enter('gone', () => false)
    void enter('c')
    clock.advance(100)
    expect(await settled()).toContain('c')
  })

  it('find the burst again after a quiet time', async () => {
    const { clock, enter, settled } = start()
    for (const name of ['a', 'b']) void enter(name)
    clock.advance(10_000)
    for (const name of ['c', 'd', 'e']) void enter(name)
    expect(await settled()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('that wait are let go when the gate closes', async () => {
    const { gate, enter, settled } = start()
    for (const name of ['a', 'b', 'c']) void enter(name)
    gate.close()
    expect(await settled()).toEqual(['a', 'b', 'c'])
  })
})
