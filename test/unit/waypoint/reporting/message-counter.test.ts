import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageCounter } from '../../../../src/waypoint/reporting/message-counter.ts'

describe('MessageCounter', () => {
  it('counts messages of any size, in pieces of any size', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 20 })
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (messages, pieces) => {
        const body = Buffer.concat(
          messages.map((size) => {
            const message = Buffer.alloc(5 + size, 0xff)
            message[0] = 0
            message.writeUInt32BE(size, 1)
            return message
          }),
        )
        const counter = new MessageCounter()
        for (let at = 0, i = 0; at < body.length; i++) {
          const end = Math.min(body.length, at + (pieces[i % pieces.length] ?? 1))
          counter.take(body, at, end)
          at = end
        }
        expect(counter.count).toBe(messages.length)
      }),
    )
  })
})
