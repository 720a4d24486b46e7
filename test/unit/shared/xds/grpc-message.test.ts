import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { frameMessage, MessageReader } from '../../../../src/shared/xds/grpc-message.ts'
import { problemWith, statusIn, statusOfReset } from '../../../../src/shared/xds/grpc-status.ts'

describe('messages of a stream', () => {
  it('are the same however the bytes are cut', () => {
    const bytes = fc.uint8Array({ maxLength: 60 })
    fc.assert(
      fc.property(
        fc.array(bytes, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
        (sent, sizes) => {
          const wire = Buffer.concat(sent.map(frameMessage))
          const read: Buffer[] = []
          const reader = new MessageReader(1000, (message) => void read.push(message))
          for (let at = 0, i = 0; at < wire.length; i++) {
            const size = sizes[i % sizes.length] ?? 1
            expect(reader.push(wire.subarray(at, at + size))).toBeUndefined()
            at += size
          }
          expect(read.map((one) => [...one])).toEqual(sent.map((one) => [...one]))
          expect(reader.isBetweenMessages).toBe(true)
        },
      ),
    )
  })

  it('are copies: what was given may be used again', () => {
    const read: Buffer[] = []
    const wire = frameMessage(Buffer.from('abc'))
    new MessageReader(10, (message) => void read.push(message)).push(wire)
    wire.fill(0)
    expect(read[0]?.toString()).toBe('abc')
  })

  it.each([
    ['larger than is taken', '000000000b', 'a message of 11 bytes, more than 10'],
    ['of 4 GiB', '00ffffffff', 'a message of 4294967295 bytes, more than 10'],
    ['compressed', '0100000001', 'a compressed message, which was not offered'],
  ])('that are %s are refused by their head', (_what, head, problem) => {
    expect(new MessageReader(10, () => {}).push(Buffer.from(head, 'hex'))).toBe(problem)
  })

  it('that are not finished are noticed', () => {
    const reader = new MessageReader(10, () => {})
    reader.push(Buffer.from('0000000003aa', 'hex'))
    expect(reader.isBetweenMessages).toBe(false)
  })
})

describe('the status of a call', () => {
  it.each([
    [
      'is in its last header',
      [
        ['grpc-status', '16'],
        ['grpc-message', 'no%20token%C3%BC'],
      ],
      { code: 16, message: 'no tokenü' },
    ],
    [
      'may have text that is not encoded',
      [
        ['grpc-status', '2'],
        ['grpc-message', '100% wrong'],
      ],
      { code: 2, message: '100% wrong' },
    ],
    ['may have no text', [['grpc-status', '0']], { code: 0, message: '' }],
    ['is missing', [['date', 'today']], undefined],
    ['is no number', [['grpc-status', '1e3']], undefined],
  ] as const)('%s', (_what, headers, status) => {
    expect(statusIn(headers)).toEqual(status)
  })

  it.each([
    ['200', 'application/grpc', undefined],
    ['200', 'application/grpc+proto', undefined],
    ['200', 'text/html', 2],
    ['503', 'text/plain', 14],
    ['401', 'text/plain', 16],
    ['404', 'text/plain', 12],
    ['500', 'text/plain', 2],
  ])('of an answer %s of type %s is that of a proxy between', (status, type, code) => {
    expect(
      problemWith([
        [':status', status],
        ['content-type', type],
      ])?.code,
    ).toBe(code)
  })

  it.each([
    ['a refused stream', 7, false, 14],
    ['a cancelled stream', 8, false, 1],
    ['a server that wants calm', 11, false, 8],
    ['a protocol error', 1, false, 13],
    ['a lost connection', 2, true, 14],
  ])('tells of %s', (_what, code, isLost, status) => {
    expect(statusOfReset(code, 'why', isLost)).toEqual({ code: status, message: `why (HTTP/2 error ${code})` })
  })
})
