import { describe, expect, it } from 'vitest'
import { type IpAddress, parseIp } from '#shared/net'
import { nft } from '#shared/sys'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress

describe('the words of a rule', () => {
  it.each([
    { what: 'an address', statement: nft.addressIs('source', ip('10.1.2.3')), values: ['0a010203'] },
    { what: 'an IPv6 address', statement: nft.addressIs('destination', ip('::1')), values: [`${'00'.repeat(15)}01`] },
    {
      what: 'a network, host bits cleared',
      statement: nft.addressIs('source', ip('10.1.2.3'), 12),
      values: ['fff00000', '00000000', '0a000000'],
    },
    {
      what: 'everything',
      statement: nft.addressIs('source', ip('10.1.2.3'), 0),
      values: ['00000000', '00000000', '00000000'],
    },
    { what: 'a port, in network order', statement: nft.portIs('destination', 15_001), values: ['3a99'] },
    {
      what: 'a mark, in host order',
      statement: nft.markIs(0x539, 0xfff),
      values: ['ff0f0000', '00000000', '39050000'],
    },
    { what: 'a mark with its highest bit', statement: nft.setMark(0xffff_ffff), values: ['ffffffff'] },
    { what: 'an interface, padded', statement: nft.interfaceIs('input', 'lo'), values: [`6c6f${'00'.repeat(14)}`] },
    { what: 'bits of a mark', statement: nft.setConnectionMark(0x111, 0xfff), values: ['00f0ffff', '11010000'] },
    { what: 'a zone', statement: nft.setConnectionZone(1), values: ['0100'] },
    { what: 'a new source', statement: nft.sourceNat(ip('10.0.0.1')), values: ['0a000001'] },
    { what: 'a new destination', statement: nft.destinationNat(ip('10.0.0.1'), 80), values: ['0a000001', '0050'] },
  ])('put $what into bytes', ({ statement, values }) => {
    const found = statement.flatMap((expression) => {
      if (expression.kind === 'cmp' || expression.kind === 'immediate') return [expression.value]
      return expression.kind === 'bitwise' ? [expression.mask, expression.xor] : []
    })
    expect(found).toEqual(values)
  })

  it('refuse a name that no interface can have', () => {
    expect(() => nft.interfaceIs('input', 'sixteen-letters-')).toThrow(RangeError)
  })
})
