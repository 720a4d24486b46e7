import { expect, it } from 'vitest'
import { Canceller } from '#shared/lifecycle'

it('a cancellation tells once who waits when it comes', () => {
  const canceller = new Canceller()
  let told = 0
  canceller.onCancelled = () => told++
  canceller.cancel()
  canceller.cancel()
  expect([told, canceller.isCancelled]).toEqual([1, true])
})

it('a cancellation that comes while nobody waits is there to be asked for', () => {
  const canceller = new Canceller()
  expect(canceller.isCancelled).toBe(false)
  canceller.cancel()
  expect(canceller.isCancelled).toBe(true)
})
