import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lines } from '../../../../src/shared/kube-client/lines.ts'

function cut(text: string, sizes: readonly number[], maxBytes = 1000): string[] {
  const bytes = Buffer.from(text)
  const lines = new Lines(maxBytes)
  const found: string[] = []
  let from = 0
  for (const size of [...sizes, bytes.length]) {
    found.push(...lines.push(bytes.subarray(from, from + size)))
    from += size
  }
  return found
}

describe('the lines of a stream', () => {
  it('come whole, however the bytes are cut, and without empty ones', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replace(/[\r\n\s]/g, ''))),
        fc.array(fc.integer({ min: 0, max: 9 })),
        (lines, sizes) => {
          const text = lines.map((line) => `${line}\n`).join('')
          expect(cut(text, sizes)).toEqual(lines.filter((line) => line !== ''))
        },
      ),
    )
  })

  it('are not given before they end', () => {
    expect(cut('{"a":1}\r\n{"b"', [3])).toEqual(['{"a":1}'])
  })

  it('are bounded, also when they never end', () => {
    expect(cut('12345678\n', [4], 8)).toEqual(['12345678'])
    expect(() => cut('123456789\n', [4], 8)).toThrow('longer than 8 bytes')
    expect(() => cut('123456789', [4, 4], 8)).toThrow('longer than 8 bytes')
  })
})
