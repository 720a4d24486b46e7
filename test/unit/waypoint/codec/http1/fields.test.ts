import { describe, expect, it } from 'vitest'
import { OctetFields } from '../../../../../src/waypoint/codec/http1/fields.ts'
import { HeadScan, scanTrailers } from '../../../../../src/waypoint/codec/http1/scan-head.ts'
import { fieldsSuite } from '../../../../support/fields-suite.ts'

const BEFORE = 'bytes of another message'

/** Fields as they come off a connection: somewhere within a buffer that is used again. */
function parse(lines: readonly string[]): OctetFields {
  const bytes = Buffer.from(`${BEFORE}${lines.map((line) => `${line}\r\n`).join('')}\r\nmore`, 'latin1')
  const scan = new HeadScan(100)
  scanTrailers(scan, bytes, BEFORE.length, bytes.length)
  const fields = new OctetFields(scan, bytes, 'head')
  bytes.fill(0)
  return fields
}

function written(fields: OctetFields): string {
  const out = Buffer.alloc(fields.mostBytes)
  return out.toString('latin1', 0, fields.writeTo(out, 0))
}

describe('fields over the octets of a head', () => {
  it('go out as they came, and odd lines in our own form', () => {
    expect(written(parse(['Accept: a', 'X-Odd:b', 'Via:   c  ', 'Origin: d']))).toBe(
      'Accept: a\r\nX-Odd: b\r\nVia: c\r\nOrigin: d\r\n',
    )
  })

  it('go out without those that were removed, and with those that were added behind', () => {
    const fields = parse(['Accept: a', 'X-Gone: b', 'Via: c'])
    fields.remove('x-gone')
    fields.set('accept', 'e')
    fields.add('x-new', 'f')
    expect(written(fields)).toBe('accept: e\r\nVia: c\r\nx-new: f\r\n')
  })

  it('have room for text that is longer in octets', () => {
    const fields = parse(['Accept: a'])
    fields.set('accept', '\u4e2d'.repeat(2_000))
    expect(written(fields)).toHaveLength('accept: \r\n'.length + 6_000)
  })

  it.each(['connection', 'transfer-encoding', 'content-length', 'host', 'upgrade', 'te'])(
    'do not bring %s in by the way of a filter',
    (name) => {
      const fields = parse([])
      fields.add(name, 'chunked')
      expect(written(fields)).toBe('')
    },
  )
})

/** Lines as far as HTTP/1 could have brought them so, and the rest added. */
fieldsSuite('HTTP/1', (pairs) => {
  const isLine = (value: string): boolean => value.trim() === value
  const first = pairs.findIndex(([, value]) => !isLine(value))
  const lines = first < 0 ? pairs : pairs.slice(0, first)
  const fields = parse(lines.map(([name, value]) => `${name.toUpperCase()}: ${value}`))
  for (const [name, value] of pairs.slice(lines.length)) fields.add(name, value)
  return fields
})
