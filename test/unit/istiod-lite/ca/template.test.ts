import { createPublicKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { spiffeId } from '#shared/model'
import { createCsr, generateKey, type ParsedCsr, parseCsr } from '#shared/pki'
import { signChecked } from '../../../../src/istiod-lite/authority/sign.ts'
import { leafTemplate } from '../../../../src/istiod-lite/ca/template.ts'

const NOW_MS = 1_700_000_000_000
const HOUR_MS = 3_600_000
const id = spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' })
const csr = parseCsr(createCsr(id).csrPem)
const settings = { defaultLifeMs: 24 * HOUR_MS, maxLifeMs: 48 * HOUR_MS }
const times = (validitySeconds: number, issuerNotAfterMs = NOW_MS + 1000 * HOUR_MS): readonly [number, number] => {
  const { notBeforeMs, notAfterMs } = leafTemplate(id, csr, validitySeconds, settings, issuerNotAfterMs, NOW_MS)
  return [NOW_MS - notBeforeMs, notAfterMs - NOW_MS]
}

describe('the life of a leaf', () => {
  it('is the default when none is asked for, and starts two minutes ago', () => {
    expect(times(0)).toEqual([120_000, 24 * HOUR_MS])
    expect(times(-5)).toEqual([120_000, 24 * HOUR_MS])
  })

  it('is what is asked for, and a short one starts later', () => {
    expect(times(48 * 3600)).toEqual([120_000, 48 * HOUR_MS])
    expect(times(20)).toEqual([2_000, 20_000])
  })

  it('never goes past who signs it, and never past the longest', () => {
    expect(times(0, NOW_MS + HOUR_MS)).toEqual([120_000, HOUR_MS])
    expect(() => times(48 * 3600 + 1)).toThrow('longer than')
    expect(() => times(0, NOW_MS)).toThrow('has expired')
  })
})

describe('the key of a leaf', () => {
  const rows: readonly [strength: ParsedCsr['strength'], isTaken: boolean][] = [
    [{ kind: 'ec', curve: 'prime256v1' }, true],
    [{ kind: 'ec', curve: 'secp384r1' }, true],
    [{ kind: 'ec', curve: 'secp224r1' }, false],
    [{ kind: 'rsa', bits: 2048 }, true],
    [{ kind: 'rsa', bits: 1024 }, false],
    [{ kind: 'other', name: 'dsa' }, false],
  ]
  it.each(rows)('%j: %s', (strength, isTaken) => {
    const make = (): unknown => leafTemplate(id, { ...csr, strength }, 0, settings, NOW_MS + HOUR_MS, NOW_MS)
    if (isTaken) expect(make).not.toThrow()
    else expect(make).toThrow('the key must be')
  })
})

describe('a signature', () => {
  const key = generateKey('P-256')
  const root = signChecked(
    {
      publicKey: createPublicKey(key),
      subject: { commonName: 'r' },
      subjectAltNames: [],
      notBeforeMs: NOW_MS,
      notAfterMs: NOW_MS + HOUR_MS,
      use: { kind: 'authority', maxPathLength: undefined },
    },
    { privateKey: key, certificatePem: undefined },
  )
  const template = leafTemplate(id, csr, 60, settings, NOW_MS + HOUR_MS, NOW_MS)

  it('leaves when it says what its template says', () => {
    expect(signChecked(template, { privateKey: key, certificatePem: root })).toContain('BEGIN CERTIFICATE')
  })

  it('does not leave when its names cannot be written as they are meant', () => {
    const signer = { privateKey: key, certificatePem: root }
    expect(() => signChecked({ ...template, subjectAltNames: [{ kind: 'uri', value: 'a\nb' }] }, signer)).toThrow()
  })
})
