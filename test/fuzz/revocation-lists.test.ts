import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { readRevocationLists } from '#shared/pki'
import { readFields } from '../../src/shared/pki/certificate.ts'
import { toPem } from '../../src/shared/pki/pem.ts'
import { MemoryCa } from '../support/memory-ca.ts'

const ca = new MemoryCa()
const key = readFields(new X509Certificate(ca.rootPem).raw).publicKeyDer
const whole = ca.revoke(['1', '77777', String(2n ** 150n)])

/** Lists that somebody got wrong, or made to be read wrongly. */
const corpus: readonly (readonly [string, string])[] = [
  ['an indefinite length', '3080a0000000'],
  ['a length of four bytes', '3084ffffffff'],
  ['a length that is not in its shortest form', '308105020101'],
  ['a length beyond the end', '30820fff0201'],
  ['an empty sequence', '3000'],
  ['a list of nothing', '300630003000030100'],
  ['a tag of several bytes', '3f8101020101'],
  ['a hundred sequences in one another', `${'30820100'.repeat(100)}`],
  ['a set in place of a sequence', `31${whole.toString('hex').slice(2)}`],
]

function read(bytes: Buffer): boolean {
  try {
    return readRevocationLists(bytes).some((list) => list.isSignedBy(key))
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError)
    expect((error as MeshError).code).toBe('CRL_INVALID')
    return false
  }
}

describe('revocation lists', () => {
  it.each(corpus)('%s is refused by name', (_, hex) => {
    expect(read(Buffer.from(hex, 'hex'))).toBe(false)
  })

  it('with bytes changed, cut out or put in are refused, or are no longer signed', () => {
    const edit = fc.record({ at: fc.nat(whole.length - 1), cut: fc.nat(8), put: fc.uint8Array({ maxLength: 8 }) })
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let bytes: Buffer = whole
        for (const { at, cut, put } of edits) {
          bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)])
        }
        if (!bytes.equals(whole)) expect(read(bytes)).toBe(false)
      }),
      { numRuns: 3000 },
    )
  })

  it('as PEM that is cut anywhere are refused, or whole', () => {
    const pem = toPem('X509 CRL', whole)
    fc.assert(
      fc.property(fc.nat(pem.length), (at) => {
        const rest = pem.slice(at)
        expect(read(Buffer.from(pem.slice(0, at)))).toBe(rest.trim() === '')
      }),
      { numRuns: 1000 },
    )
  })

  it('from arbitrary bytes are refused', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ maxLength: 300 })), (input) => {
        expect(read(Buffer.from(input as Uint8Array))).toBe(false)
      }),
      { numRuns: 3000 },
    )
  })
})
