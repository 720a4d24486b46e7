import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readClientHello } from '../../../../src/waypoint/listen/client-hello.ts'
import { clientHello } from '../../../support/client-hello.ts'

const hello = (serverName: string | undefined): object => ({ kind: 'hello', serverName })

describe('the name that a TLS client asks for', () => {
  it.each([
    ['is read', { names: ['cart.example'] }, hello('cart.example')],
    ['is in lower case', { names: ['CaRt.Example'] }, hello('cart.example')],
    ['may be absent', {}, hello(undefined)],
    ['is the first of several', { names: ['a.example', 'b.example'] }, hello('a.example')],
    ['is none of another type', { names: ['a.example'], nameType: 1 }, hello(undefined)],
    ['is none with a dot at its end', { names: ['a.example.'] }, hello(undefined)],
    ['is none with octets that no name has', { names: ['a\u00e9.example'] }, hello(undefined)],
    ['is none with a space', { names: ['a b'] }, hello(undefined)],
    ['is none when it is empty', { names: [''] }, hello(undefined)],
    ['is none when it is longer than any', { names: [`${'a.'.repeat(130)}b`] }, hello(undefined)],
    [
      'is found behind other extensions',
      { names: ['a'], extensions: [{ type: 16, data: Buffer.alloc(9) }] },
      hello('a'),
    ],
    ['may lie in several records', { names: ['cart.example'], recordBytes: 7 }, hello('cart.example')],
  ])('%s', (_, parts, expected) => {
    expect(readClientHello(clientHello(parts))).toEqual(expected)
  })

  it.each([
    ['plain text', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an alert', Buffer.from([21, 3, 1, 0, 2, 1, 0])],
    ['a record of another version', Buffer.from([22, 2, 0, 0, 5])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['a record that is too long', Buffer.from([22, 3, 1, 0xff, 0xff])],
    ["a server's hello", Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['a hello that is too long', Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0])],
    ['an empty hello', Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0])],
  ])('is not looked for in %s', (_, bytes) => {
    expect(readClientHello(bytes)).toEqual({ kind: 'other' })
  })

  it('is the same wherever the hello is cut: more until the last byte', () => {
    const parts = fc.record({
      names: fc.option(fc.array(fc.domain(), { minLength: 1, maxLength: 3 }), { nil: undefined }),
      session: fc.uint8Array({ maxLength: 32 }),
      recordBytes: fc.integer({ min: 1, max: 400 }),
      extensions: fc.array(
        fc.record({ type: fc.integer({ min: 1, max: 65_535 }), data: fc.uint8Array({ maxLength: 40 }) }),
        {
          maxLength: 5,
        },
      ),
    })
    fc.assert(
      fc.property(parts, (made) => {
        const bytes = clientHello(made)
        for (let end = 0; end < bytes.length; end++) expect(readClientHello(bytes.subarray(0, end)).kind).toBe('more')
        const expected = hello(made.names?.[0]?.toLowerCase())
        expect(readClientHello(bytes)).toEqual(expected)
        expect(readClientHello(Buffer.concat([bytes, Buffer.from([22, 3, 3, 0, 1, 9])]))).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  it('is read from anything without an exception, and nothing is read beyond its bounds', () => {
    const spoiled = fc
      .tuple(fc.domain(), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }))
      .map(([name, changes]) => {
        const bytes = clientHello({ names: [name] })
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(spoiled, fc.uint8Array({ maxLength: 600 })), (bytes) => {
        const found = readClientHello(bytes)
        expect(['more', 'hello', 'other']).toContain(found.kind)
        if (found.kind === 'hello' && found.serverName !== undefined) expect(found.serverName).toMatch(/^[a-z0-9._-]+$/)
      }),
      { numRuns: 2_000 },
    )
  })
})
