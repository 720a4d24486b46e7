import { describe, expect, it } from 'vitest'
import { HpackDecoder, type HpackDecoderLimits, HpackError } from '../../../../../src/shared/http2/hpack/index.ts'
import type { HeaderField } from '../../../../../src/shared/http2/types.ts'

const limits: HpackDecoderLimits = { maxTableBytes: 4096, maxListBytes: 16_384, maxFields: 100 }

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
}

function decode(decoder: HpackDecoder, hex: string): HeaderField[] {
  const block = bytes(hex)
  return decoder.decode(block, 0, block.length)
}

/** A literal with indexing whose value has 127 to 16,510 bytes; neither string Huffman-coded. */
function indexedLiteral(name: string, value: string): Buffer {
  const rest = value.length - 0x7f
  const length = [0x7f, (rest & 0x7f) | 0x80, rest >> 7]
  return Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name), Buffer.from(length), Buffer.from(value)])
}

/** The kind of error a block gives; 'none' when it is read. */
function outcome(decoder: HpackDecoder, hex: string): string {
  try {
    decode(decoder, hex)
    return 'none'
  } catch (error) {
    if (!(error instanceof HpackError)) throw error
    return error.kind
  }
}

const request1: HeaderField[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
]
const request2: HeaderField[] = [...request1, ['cache-control', 'no-cache']]
const request3: HeaderField[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
]
const response1: HeaderField[] = [
  [':status', '302'],
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['location', 'https://www.example.com'],
]
const response2: HeaderField[] = [[':status', '307'], ...response1.slice(1)]
const response3: HeaderField[] = [
  [':status', '200'],
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
  ['location', 'https://www.example.com'],
  ['content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
]
/** Shrinks the table to the 256 bytes that the response examples assume. */
const tableOf256 = '3fe101'

interface Example {
  readonly title: string
  readonly blocks: readonly { readonly hex: string; readonly fields: HeaderField[]; readonly tableBytes: number }[]
}

const examples: readonly Example[] = [
  {
    title: 'C.2.1 literal with indexing',
    blocks: [
      {
        hex: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        fields: [['custom-key', 'custom-header']],
        tableBytes: 55,
      },
    ],
  },
  {
    title: 'C.2.2 literal without indexing',
    blocks: [{ hex: '040c 2f73 616d 706c 652f 7061 7468', fields: [[':path', '/sample/path']], tableBytes: 0 }],
  },
  {
    title: 'C.2.3 literal never indexed',
    blocks: [
      { hex: '1008 7061 7373 776f 7264 0673 6563 7265 74', fields: [['password', 'secret', true]], tableBytes: 0 },
    ],
  },
  { title: 'C.2.4 indexed field', blocks: [{ hex: '82', fields: [[':method', 'GET']], tableBytes: 0 }] },
  {
    title: 'C.3 requests without Huffman coding',
    blocks: [
      { hex: '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', fields: request1, tableBytes: 57 },
      { hex: '8286 84be 5808 6e6f 2d63 6163 6865', fields: request2, tableBytes: 110 },
      {
        hex: '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
        fields: request3,
        tableBytes: 164,
      },
    ],
  },
  {
    title: 'C.4 requests with Huffman coding',
    blocks: [
      { hex: '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', fields: request1, tableBytes: 57 },
      { hex: '8286 84be 5886 a8eb 1064 9cbf', fields: request2, tableBytes: 110 },
      { hex: '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', fields: request3, tableBytes: 164 },
    ],
  },
  {
    title: 'C.5 responses without Huffman coding, with eviction',
    blocks: [
      {
        hex: `${tableOf256} 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a
          3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        fields: response1,
        tableBytes: 222,
      },
      { hex: '4803 3330 37c1 c0bf', fields: response2, tableBytes: 222 },
      {
        hex: `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
          666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630
          303b 2076 6572 7369 6f6e 3d31`,
        fields: response3,
        tableBytes: 215,
      },
    ],
  },
  {
    title: 'C.6 responses with Huffman coding, with eviction',
    blocks: [
      {
        hex: `${tableOf256} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
          919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
        fields: response1,
        tableBytes: 222,
      },
      { hex: '4883 640e ffc1 c0bf', fields: response2, tableBytes: 222 },
      {
        hex: `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
          b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
        fields: response3,
        tableBytes: 215,
      },
    ],
  },
]

describe('the examples of RFC 7541 Appendix C', () => {
  it.each(examples)('$title', ({ blocks }) => {
    const decoder = new HpackDecoder(limits)
    for (const { hex, fields, tableBytes } of blocks) {
      expect(decode(decoder, hex)).toEqual(fields)
      expect(decoder.tableBytes).toBe(tableBytes)
    }
  })
})

describe('a block that cannot be read is a compression error', () => {
  it.each([
    ['index 0', '80'],
    ['an index behind the static table while the dynamic one is empty', 'be'],
    ['a name index behind both tables', '7f00 0161'],
    ['an integer that is cut off', 'ff'],
    ['an integer that is cut off inside', 'ffff'],
    ['an integer above 31 bits', 'ffff ffff ff7f'],
    ['an integer with more octets than any needs', 'ff80 8080 8080 8000'],
    ['a literal without its value', '0001 61'],
    ['a literal that ends after its first octet', '40'],
    ['a string longer than the block', '0001 6105 6162'],
    ['a table size above the announced one', '3fe2 1f82'],
    ['a table size update behind a field', '8220'],
    ['three table size updates', '2020 2082'],
    ['a Huffman string with EOS inside', '0001 6184 ffff ffff'],
    ['Huffman padding that is not all ones', '0001 6181 18'],
    ['Huffman padding longer than seven bits', '0001 6182 1fff'],
  ])('%s', (_title, hex) => {
    expect(outcome(new HpackDecoder(limits), hex)).toBe('compression')
  })
})

describe('table size updates', () => {
  it('may shrink and grow the table up to what was announced', () => {
    const decoder = new HpackDecoder(limits)
    decode(decoder, '4001 6101 62')
    expect(decoder.tableEntries).toBe(1)
    expect(decode(decoder, '20 3fe11f 82')).toEqual([[':method', 'GET']])
    expect(decoder.tableEntries).toBe(0)
  })

  it('may choose the default size until our smaller size is acknowledged', () => {
    const decoder = new HpackDecoder({ ...limits, maxTableBytes: 100 })
    expect(outcome(decoder, '3fe11f 82')).toBe('none')
    decoder.settingsAcknowledged()
    expect(outcome(decoder, '82')).toBe('compression')
  })

  it('must confirm a lowered size in the first block after the acknowledgement', () => {
    const decoder = new HpackDecoder({ ...limits, maxTableBytes: 100 })
    decoder.settingsAcknowledged()
    expect(outcome(decoder, '3f45 82')).toBe('none')
  })
})

describe('limits', () => {
  it('stop a block with too many fields and keep the table in step', () => {
    const decoder = new HpackDecoder({ ...limits, maxFields: 3 })
    expect(outcome(decoder, '8282 82 82 4001 6101 62')).toBe('limit')
    expect(decode(decoder, 'be')).toEqual([['a', 'b']])
  })

  it('count 32 bytes beside the octets of each field', () => {
    const decoder = new HpackDecoder({ ...limits, maxListBytes: 84 })
    expect(outcome(decoder, '8282')).toBe('none')
    expect(outcome(new HpackDecoder({ ...limits, maxListBytes: 83 }), '8282')).toBe('limit')
  })

  it('stop one-octet references to a large entry', () => {
    const decoder = new HpackDecoder(limits)
    const bomb = Buffer.concat([indexedLiteral('a', 'v'.repeat(3900)), Buffer.alloc(100_000, 0xbe)])
    expect(() => decoder.decode(bomb, 0, bomb.length)).toThrow('header list above 16384 bytes')
    expect(decode(decoder, 'be')).toEqual([['a', 'v'.repeat(3900)]])
  })

  it('step over a literal larger than list and table, which empties the table', () => {
    const decoder = new HpackDecoder({ ...limits, maxListBytes: 200 })
    decode(decoder, '4001 6101 62')
    const block = indexedLiteral('c', 'x'.repeat(4100))
    expect(() => decoder.decode(block, 0, block.length)).toThrow('header list above 200 bytes')
    expect(decoder.tableEntries).toBe(0)
  })

  it('still insert a literal that is larger than the list but fits the table', () => {
    const decoder = new HpackDecoder({ ...limits, maxListBytes: 40 })
    expect(outcome(decoder, '4001 610a 30313233343536373839 82')).toBe('limit')
    expect(decoder.tableBytes).toBe(43)
  })
})

it('reads a block in the middle of a larger buffer that is a plain Uint8Array', () => {
  const block = new Uint8Array([0xff, 0x82, 0x86, 0xff])
  expect(new HpackDecoder(limits).decode(block, 1, 3)).toEqual([
    [':method', 'GET'],
    [':scheme', 'http'],
  ])
})

it('keeps octets above 0x7f as code units', () => {
  expect(decode(new HpackDecoder(limits), '0001 6102 c3a9')).toEqual([['a', '\u00c3\u00a9']])
})
