import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readList, text } from '../../../../../src/shared/sys/netlink/attributes.ts'
import type { NftExpression, Register } from '../../../../../src/shared/sys/nftables/expression.ts'
import { decodeExpression, encodeExpression } from '../../../../../src/shared/sys/nftables/expression-codec.ts'

/** As it stands in a rule: one element of a list. */
function readBack(expression: NftExpression): NftExpression {
  const [element] = readList(encodeExpression(expression))
  return decodeExpression(element?.value ?? new Uint8Array())
}

const register = fc.constantFrom<Register>(1, 2, 3, 4)
const hexText = fc.uint8Array({ minLength: 1, maxLength: 16 }).map((value) => Buffer.from(value).toString('hex'))
const number = fc.nat(0xffff_ffff)

const expressions: fc.Arbitrary<NftExpression> = fc.oneof(
  fc.record({
    kind: fc.constant('meta' as const),
    key: fc.constantFrom(
      'mark' as const,
      'input interface' as const,
      'output interface' as const,
      'network protocol' as const,
      'transport protocol' as const,
    ),
    to: register,
  }),
  fc.record({ kind: fc.constant('set meta' as const), key: fc.constant('mark' as const), from: register }),
  fc.record({ kind: fc.constant('ct' as const), key: fc.constant('mark' as const), to: register }),
  fc.record({
    kind: fc.constant('set ct' as const),
    key: fc.constantFrom('mark' as const, 'zone' as const),
    from: register,
  }),
  fc.record({
    kind: fc.constant('payload' as const),
    base: fc.constantFrom('network' as const, 'transport' as const),
    offsetBytes: number,
    lengthBytes: number,
    to: register,
  }),
  hexText.chain((mask) =>
    fc.record({
      kind: fc.constant('bitwise' as const),
      from: register,
      to: register,
      mask: fc.constant(mask),
      xor: fc.constant(mask),
    }),
  ),
  fc.record({
    kind: fc.constant('cmp' as const),
    from: register,
    op: fc.constantFrom('==' as const, '!=' as const),
    value: hexText,
  }),
  fc.record({ kind: fc.constant('immediate' as const), to: register, value: hexText }),
  fc.record({
    kind: fc.constant('numgen' as const),
    mode: fc.constantFrom('incremental' as const, 'random' as const),
    modulus: number,
    to: register,
  }),
  fc.record({
    kind: fc.constant('verdict' as const),
    verdict: fc.constantFrom('accept' as const, 'drop' as const, 'return' as const),
  }),
  fc.record({
    kind: fc.constant('verdict' as const),
    verdict: fc.constantFrom('jump' as const, 'goto' as const),
    chain: fc.stringMatching(/^[a-z-]{1,20}$/),
  }),
  fc.record({ kind: fc.constant('redirect' as const), port: register }),
  fc.record({
    kind: fc.constant('nat' as const),
    change: fc.constantFrom('source' as const, 'destination' as const),
    family: fc.constantFrom('ip' as const, 'ip6' as const),
    address: register,
    port: fc.option(register, { nil: undefined }),
  }),
  fc.constantFrom<NftExpression>({ kind: 'masquerade' }, { kind: 'counter' }),
  fc.record({
    kind: fc.constant('reject' as const),
    with: fc.constantFrom('tcp reset' as const, 'port unreachable' as const),
  }),
)

describe('expressions of a rule', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(expressions, (expression) => {
        expect(readBack(expression)).toEqual(expression)
      }),
      { numRuns: 300 },
    )
  })

  it('have the bytes that the kernel was seen to take', () => {
    const wire = (expression: NftExpression): string => Buffer.from(encodeExpression(expression)).toString('hex')
    const name = (length: string, text: string): string => `${length}000100${Buffer.from(text).toString('hex')}`
    // meta load mark => reg 1
    expect(wire({ kind: 'meta', key: 'mark', to: 1 })).toBe(
      `24000180${name('09', 'meta\0')}00000014000280${'0800010000000001'}${'0800020000000003'}`,
    )
    // cmp eq reg 1 0x06
    expect(wire({ kind: 'cmp', from: 1, op: '==', value: '06' })).toBe(
      `2c000180${name('08', 'cmp\0')}20000280${'0800010000000001'}${'0800020000000000'}${'0c000380'}${'0500010006000000'}`,
    )
  })

  it('of another writer are read as unknown', () => {
    const foreign = encodeExpression({ kind: 'counter' })
    Buffer.from(foreign.buffer).write('limited', 8)
    expect(decodeExpression(readList(foreign)[0]?.value ?? new Uint8Array())).toEqual({
      kind: 'unknown',
      name: 'limited',
    })
    expect(() => encodeExpression({ kind: 'unknown', name: 'limited' })).toThrow(TypeError)
  })

  it.each(['constructor', '__proto__', ''])('named %j are read as unknown', (name) => {
    expect(decodeExpression(text(1, name))).toEqual({ kind: 'unknown', name })
  })

  it('in a form that is never written here are unknown, too', () => {
    // ct load state: the expression is known, the key is not.
    const mark = Buffer.from(encodeExpression({ kind: 'ct', key: 'mark', to: 1 }))
    mark[mark.length - 1] = 0
    expect(decodeExpression(readList(new Uint8Array(mark))[0]?.value ?? new Uint8Array())).toEqual({
      kind: 'unknown',
      name: 'ct',
    })
  })
})
