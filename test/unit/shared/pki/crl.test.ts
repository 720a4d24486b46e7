import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import forge from 'node-forge'
import { describe, expect, it } from 'vitest'
import { readRevocationLists } from '#shared/pki'
import { readFields } from '../../../../src/shared/pki/certificate.ts'
import { sequence } from '../../../../src/shared/pki/der.ts'
import { toPem } from '../../../../src/shared/pki/pem.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'

const ca = new MemoryCa()
const other = new MemoryCa()
const rootOf = (authority: MemoryCa): ReturnType<typeof readFields> =>
  readFields(new X509Certificate(authority.rootPem).raw)
const DELTA_INDICATOR = '2.5.29.27'
const DISTRIBUTION_POINT = '2.5.29.28'
const CERTIFICATE_ISSUER = '2.5.29.29'
const AUTHORITY_KEY = '2.5.29.35'

describe('a revocation list', () => {
  it.each<[string, (der: Buffer) => Buffer]>([
    ['DER', (der) => der],
    ['PEM', (der) => Buffer.from(toPem('X509 CRL', der))],
    ['PEM with text around it', (der) => Buffer.from(`# of today\n${toPem('X509 CRL', der)}\nthe end\n`)],
  ])('is read from %s', (_form, encoded) => {
    const [list, ...more] = readRevocationLists(encoded(ca.revoke(['255', '1', '128'])))
    expect(more).toEqual([])
    expect(list?.issuer).toBe(rootOf(ca).subject)
    expect([...(list?.serials ?? [])]).toEqual(['00ff', '01', '0080'])
  })

  it.each<[string, (a: Buffer, b: Buffer) => Buffer]>([
    ['PEM blocks', (a, b) => Buffer.from(toPem('X509 CRL', a) + toPem('X509 CRL', b))],
    ['DER values', (a, b) => Buffer.concat([a, b])],
  ])('may be one of several %s', (_form, together) => {
    const lists = readRevocationLists(together(ca.revoke(['1']), other.revoke(['2'])))
    expect(lists.map(({ serials }) => [...serials])).toEqual([['01'], ['02']])
  })

  it('says when it was made and when the next is due, if ever', () => {
    const made = Date.UTC(2026, 1, 3, 4, 5, 6)
    const due = Date.UTC(2051, 1, 3)
    const read = (nextUpdateMs: number | null): unknown => {
      const [list] = readRevocationLists(ca.revoke([], 'signer', { thisUpdateMs: made, nextUpdateMs }))
      return [list?.thisUpdateMs, list?.nextUpdateMs, list?.serials.size]
    }
    expect(read(due)).toEqual([made, due, 0])
    expect(read(null)).toEqual([made, undefined, 0])
  })

  it('is signed by the key that signed it and by no other', () => {
    const [list] = readRevocationLists(ca.revoke(['1']))
    expect(list?.isSignedBy(rootOf(ca).publicKeyDer)).toBe(true)
    expect(list?.isSignedBy(rootOf(other).publicKeyDer)).toBe(false)
    expect(list?.isSignedBy(Buffer.from('no key'))).toBe(false)
  })

  it('takes extensions that are not critical', () => {
    const extension = { oid: AUTHORITY_KEY, isCritical: false, value: sequence() }
    const der = ca.revoke(['1'], 'signer', { extensions: [extension], entryExtensions: [extension] })
    expect(readRevocationLists(der)).toHaveLength(1)
  })

  it.each<[string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), 'no list in it'],
    ['a certificate', Buffer.from(ca.rootPem), 'no list in it'],
    ['text', Buffer.from('hello'), 'not DER'],
    ['a broken end', ca.revoke(['1']).subarray(0, -1), 'not DER'],
    ['bytes behind the end', Buffer.concat([ca.revoke(['1']), Buffer.of(0)]), 'not DER'],
    [
      'a list of changes only',
      ca.revoke(['1'], 'signer', { extensions: [{ oid: DELTA_INDICATOR, isCritical: true, value: sequence() }] }),
      `critical extension ${DELTA_INDICATOR} is not known`,
    ],
    [
      'a list of some certificates only',
      ca.revoke(['1'], 'signer', { extensions: [{ oid: DISTRIBUTION_POINT, isCritical: true, value: sequence() }] }),
      `critical extension ${DISTRIBUTION_POINT} is not known`,
    ],
    [
      'entries of other authorities',
      ca.revoke(['1'], 'signer', {
        entryExtensions: [{ oid: CERTIFICATE_ISSUER, isCritical: true, value: sequence() }],
      }),
      `critical extension ${CERTIFICATE_ISSUER} is not known`,
    ],
    ['more than 16 MiB', Buffer.alloc(2 ** 24), 'larger than'],
  ])('is refused when it is %s', (_what, bytes, reason) => {
    expect(() => readRevocationLists(bytes)).toThrow(expect.objectContaining({ code: 'CRL_INVALID' }))
    expect(() => readRevocationLists(bytes)).toThrow(reason)
  })

  it('is read by node-forge as the same values', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.bigInt({ min: 1n, max: 2n ** 152n }), { maxLength: 20 }), (serials) => {
        const der = ca.revoke(serials.map(String))
        const read = forge.asn1.fromDer(der.toString('binary')).value as forge.asn1.Asn1[]
        const fields = read[0]?.value as forge.asn1.Asn1[]
        const entries = serials.length === 0 ? [] : (fields[5]?.value as forge.asn1.Asn1[])
        const told = entries.map((entry) =>
          Buffer.from((entry.value as forge.asn1.Asn1[])[0]?.value as string, 'binary').toString('hex'),
        )
        const [list] = readRevocationLists(der)
        expect([...(list?.serials ?? [])]).toEqual(told)
        expect(told.map((hex) => BigInt(`0x${hex}`))).toEqual(serials)
      }),
    )
  })
})
