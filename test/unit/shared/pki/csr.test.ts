import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import forge from 'node-forge'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { spiffeId } from '#shared/model'
import { createCsr, generateKey, type KeyKind, type KeyStrength, parseCsr, readPrivateKey } from '#shared/pki'
import { oid, sequence, set, unsignedInteger, utf8String } from '../../../../src/shared/pki/der.ts'
import { pemBlocks, toPem } from '../../../../src/shared/pki/pem.ts'
import { signed } from '../../../../src/shared/pki/signature.ts'

const id = spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' })

const derOf = (csrPem: string): Buffer => pemBlocks(csrPem, 'CERTIFICATE REQUEST')[0] ?? Buffer.alloc(0)

describe('createCsr', () => {
  const { csrPem, privateKeyPem } = createCsr(id)

  it('makes a P-256 key in PKCS#8, another one each time', () => {
    expect(privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----/)
    expect(readPrivateKey(privateKeyPem).asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    expect(createCsr(id).privateKeyPem).not.toBe(privateKeyPem)
  })

  it('asks with an empty subject and one URI name, and signs with its own key', () => {
    const parsed = parseCsr(csrPem)
    expect(parsed.hasSubject).toBe(false)
    expect(parsed.subjectAltNames).toEqual([{ kind: 'uri', value: id }])
    expect(parsed.strength).toEqual({ kind: 'ec', curve: 'prime256v1' })
  })

  it('marks the names as critical, with no other extension and ecdsa-with-SHA256', () => {
    const text = derOf(csrPem).toString('hex')
    const extensions = `551d110101ff04`
    expect(text.split('551d').length - 1).toBe(1)
    expect(text).toContain(extensions)
    expect(text).toContain('06082a8648ce3d040302')
  })

  it('is a PKCS#10 request of version 0 for other readers too', () => {
    const asn1 = forge.asn1.fromDer(forge.util.createBuffer(derOf(csrPem).toString('binary')))
    const [info] = asn1.value as forge.asn1.Asn1[]
    const [version, subject] = (info?.value ?? []) as forge.asn1.Asn1[]
    expect(version?.value).toBe('\0')
    expect(subject?.value).toEqual([])
  })
})

describe('parseCsr', () => {
  const { csrPem } = createCsr(id)
  const der = derOf(csrPem)

  const otherKey = (): string => {
    const other = derOf(createCsr(id).csrPem)
    // The signature of one request below the contents of another.
    const mixed = Buffer.concat([der.subarray(0, der.length - 64), other.subarray(other.length - 64)])
    return toPem('CERTIFICATE REQUEST', mixed)
  }

  const infoOnly = (): string => {
    const key = generateKey('P-256')
    return toPem('CERTIFICATE REQUEST', signed(sequence(unsignedInteger(Buffer.of(0)), sequence(oid('1.2.3'))), key))
  }

  it.each([
    ['no PEM', 'hello'],
    ['another kind of PEM', toPem('CERTIFICATE', der)],
    ['two requests', csrPem + csrPem],
    ['a request that is too large', csrPem + ' '.repeat(16 * 1024)],
    ['a signature by another key', otherKey()],
    ['a request without a key', infoOnly()],
    ['bytes after the request', toPem('CERTIFICATE REQUEST', Buffer.concat([der, Buffer.of(0)]))],
    ['an empty block', '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n'],
  ])('refuses %s', (_what, pem) => {
    expect(() => parseCsr(pem)).toThrowError(expect.objectContaining({ code: 'CSR_INVALID' }))
  })

  it('refuses every request of which one byte was changed', () => {
    fc.assert(
      fc.property(fc.nat({ max: der.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(der)
        changed[at] = (changed[at] ?? 0) ^ flip
        expect(() => parseCsr(toPem('CERTIFICATE REQUEST', changed))).toThrowError(MeshError)
      }),
      { numRuns: 300 },
    )
  })

  it('never fails with anything but CSR_INVALID on hostile bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        expect(() => parseCsr(toPem('CERTIFICATE REQUEST', bytes))).toThrowError(
          expect.objectContaining({ code: 'CSR_INVALID' }),
        )
      }),
    )
  })

  it.each<[KeyKind, KeyStrength]>([
    ['P-384', { kind: 'ec', curve: 'secp384r1' }],
    ['RSA-2048', { kind: 'rsa', bits: 2048 }],
  ])('tells the strength of a %s key, and that a subject and no names came with it', (kind, strength) => {
    const key = generateKey(kind)
    const info = sequence(
      unsignedInteger(Buffer.of(0)),
      sequence(set(sequence(oid('2.5.4.3'), utf8String('web')))),
      createPublicKey(key).export({ format: 'der', type: 'spki' }),
    )
    const parsed = parseCsr(toPem('CERTIFICATE REQUEST', signed(info, key)))
    expect(parsed).toMatchObject({ strength, hasSubject: true, subjectAltNames: [] })
  })
})
