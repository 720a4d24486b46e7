import { createPublicKey, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseIp } from '#shared/net'
import { type CertificateTemplate, generateKey, type KeyKind, signCertificate, subjectAltNamesOf } from '#shared/pki'
import { readFields } from '../../../../src/shared/pki/certificate.ts'
import { oids } from '../../../../src/shared/pki/oids.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'

const from = Date.UTC(2026, 0, 1)
const until = Date.UTC(2026, 0, 2)

const template = (over: Partial<CertificateTemplate> = {}): CertificateTemplate => ({
  publicKey: createPublicKey(generateKey('P-256')),
  subject: {},
  subjectAltNames: [{ kind: 'dns', value: 'a.b' }],
  notBeforeMs: from,
  notAfterMs: until,
  use: { kind: 'leaf' },
  ...over,
})

describe('signCertificate', () => {
  it.each<KeyKind>(['P-256', 'P-384', 'RSA-2048', 'RSA-4096'])('signs with a key of %s', (kind) => {
    const rootKey = generateKey(kind)
    const rootPem = signCertificate(
      template({
        publicKey: createPublicKey(rootKey),
        subject: { organization: 'o', commonName: 'root' },
        subjectAltNames: [],
        use: { kind: 'authority', maxPathLength: 1 },
      }),
      { privateKey: rootKey, certificatePem: undefined },
    )
    const root = new X509Certificate(rootPem)
    const leaf = new X509Certificate(signCertificate(template(), { privateKey: rootKey, certificatePem: rootPem }))
    expect([root.ca, root.subject, root.issuer]).toEqual([true, 'O=o\nCN=root', 'O=o\nCN=root'])
    expect([leaf.ca, leaf.issuer, leaf.subject]).toEqual([false, 'O=o\nCN=root', undefined])
    expect(root.verify(root.publicKey)).toBe(true)
    expect(leaf.verify(root.publicKey)).toBe(true)
    expect(leaf.checkIssued(root)).toBe(true)
  })

  const ca = new MemoryCa()
  const key = generateKey('P-256')
  const self = { privateKey: key, certificatePem: undefined }

  it('writes the life in whole seconds, also past 2050', () => {
    const notAfterMs = Date.UTC(2061, 5, 1)
    const certificate = new X509Certificate(signCertificate(template({ notBeforeMs: from + 999, notAfterMs }), self))
    expect(certificate.validFromDate.getTime()).toBe(from)
    expect(certificate.validToDate.getTime()).toBe(notAfterMs)
  })

  it('writes every kind of name', () => {
    const names = [
      { kind: 'uri', value: ca.id('a', 'b') },
      { kind: 'dns', value: 'istiod.istio-system.svc' },
      { kind: 'ip', value: parseIp('10.1.2.3')! },
      { kind: 'ip', value: parseIp('fd00::1')! },
    ] as const
    const certificate = new X509Certificate(signCertificate(template({ subjectAltNames: names }), self))
    expect(subjectAltNamesOf(certificate.raw)).toEqual(names)
    expect(certificate.checkIP('fd00::1')).toBe('fd00::1')
    expect(certificate.checkHost('istiod.istio-system.svc')).toBe('istiod.istio-system.svc')
  })

  it('marks names as critical only when there is no subject', () => {
    const critical = '0603551d110101ff'
    const without = new X509Certificate(signCertificate(template(), self)).raw.toString('hex')
    const withSubject = template({ subject: { commonName: 'x' } })
    expect(without).toContain(critical)
    expect(new X509Certificate(signCertificate(withSubject, self)).raw.toString('hex')).not.toContain(critical)
  })

  it('allows both ends of TLS to a leaf, and signing alone to an authority', () => {
    const leaf = readFields(new X509Certificate(signCertificate(template(), self)).raw).extensions
    const use = { kind: 'authority', maxPathLength: 0 } as const
    const authority = readFields(new X509Certificate(signCertificate(template({ use }), self)).raw).extensions
    const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')
    expect(hex(leaf.get(oids.keyUsage))).toBe('030205a0')
    expect(hex(leaf.get(oids.basicConstraints))).toBe('3000')
    expect(hex(leaf.get(oids.extendedKeyUsage))).toBe('301406082b0601050507030106082b06010505070302')
    expect(hex(authority.get(oids.keyUsage))).toBe('03020106')
    expect(hex(authority.get(oids.basicConstraints))).toBe('30060101ff020100')
    expect(authority.has(oids.extendedKeyUsage)).toBe(false)
  })

  it('gives every certificate another positive serial number of 16 bytes', () => {
    const serials = Array.from(
      { length: 50 },
      () => new X509Certificate(signCertificate(template(), self)).serialNumber,
    )
    expect(new Set(serials).size).toBe(50)
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/)
  })

  it('refuses to sign with the certificate of another key', () => {
    expect(() => signCertificate(template(), { privateKey: key, certificatePem: ca.rootPem })).toThrowError(
      /for another key/,
    )
  })
})
