import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { parseIp } from '#shared/net'
import { type SubjectAltName, spiffeIdsOf } from '#shared/pki'
import { encode, primitiveTag, sequence } from '../../../../src/shared/pki/der.ts'
import { encodeSubjectAltNames, parseSubjectAltNames } from '../../../../src/shared/pki/subject-alt-names.ts'

const uri = (text: string): Buffer => encode(primitiveTag(6), Buffer.from(text, 'latin1'))
const dns = (text: string): Buffer => encode(primitiveTag(2), Buffer.from(text, 'latin1'))

describe('reading subject alternative names', () => {
  it.each<[string, Buffer[], SubjectAltName[]]>([
    [
      'URI, DNS name and addresses, in order',
      [
        uri('spiffe://td/ns/a/sa/b'),
        dns('x.y'),
        encode(primitiveTag(7), Buffer.of(10, 0, 0, 1)),
        encode(primitiveTag(7), Buffer.alloc(16)),
      ],
      [
        { kind: 'uri', value: 'spiffe://td/ns/a/sa/b' },
        { kind: 'dns', value: 'x.y' },
        { kind: 'ip', value: parseIp('10.0.0.1')! },
        { kind: 'ip', value: parseIp('::')! },
      ],
    ],
    [
      'a DNS name that looks like two names as one',
      [dns('a,URI:spiffe://td/ns/a/sa/b')],
      [{ kind: 'dns', value: 'a,URI:spiffe://td/ns/a/sa/b' }],
    ],
    [
      'a quoted name with its quotes',
      [uri('"spiffe://td/ns/a/sa/b"')],
      [{ kind: 'uri', value: '"spiffe://td/ns/a/sa/b"' }],
    ],
    ['a name with a line end as no name', [uri('x\nURI:spiffe://td/ns/a/sa/b')], [{ kind: 'other', tag: 0x86 }]],
    ['a name with a zero byte as no name', [uri('spiffe://td/ns/a/sa/b\0.evil')], [{ kind: 'other', tag: 0x86 }]],
    [
      'an address of a wrong length as no name',
      [encode(primitiveTag(7), Buffer.alloc(5))],
      [{ kind: 'other', tag: 0x87 }],
    ],
    [
      'kinds that are not read by their tag',
      [encode(0xa0), encode(0xa4)],
      [
        { kind: 'other', tag: 0xa0 },
        { kind: 'other', tag: 0xa4 },
      ],
    ],
  ])('gives %s', (_what, names, expected) => {
    expect(parseSubjectAltNames(sequence(...names))).toEqual(expected)
  })

  it('refuses more than 1024 names', () => {
    const many = sequence(...Array.from({ length: 1025 }, () => uri('spiffe://a/ns/b/sa/c')))
    expect(() => parseSubjectAltNames(many)).toThrowError(MeshError)
  })

  it('gives back what was written', () => {
    const visible = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
    })
    const name = fc.oneof(
      visible.map((value): SubjectAltName => ({ kind: 'uri', value })),
      visible.map((value): SubjectAltName => ({ kind: 'dns', value })),
      fc.ipV4().map((value): SubjectAltName => ({ kind: 'ip', value: parseIp(value)! })),
    )
    fc.assert(
      fc.property(fc.array(name), (names) => {
        expect(parseSubjectAltNames(encodeSubjectAltNames(names))).toEqual(names)
      }),
    )
  })

  it.each(['spiffe://td/ns/a/sa/ü', 'two words', ''])('refuses to write %j', (value) => {
    expect(() => encodeSubjectAltNames([{ kind: 'uri', value }])).toThrowError(MeshError)
  })

  it('throws only MeshError on hostile certificates', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          spiffeIdsOf(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
        }
      }),
    )
  })
})
