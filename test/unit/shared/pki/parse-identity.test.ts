import { describe, expect, it } from 'vitest'
import { createCsr, parseIdentity } from '#shared/pki'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'

const clock = new FakeClock()
const ca = new MemoryCa({ clock, intermediates: 2 })
const id = ca.id('shop', 'web')
const { privateKeyPem, csrPem } = createCsr(id)
const chain = ca.certify(csrPem, id)
const [leaf = '', first = '', second = '', root = ''] = chain
const otherRoot = new MemoryCa({ clock }).rootPem

describe('parseIdentity', () => {
  it('keeps leaf, intermediates and roots apart, and renews at half of the life', () => {
    const identity = parseIdentity(id, privateKeyPem, chain, clock.nowMs())
    expect(identity.id).toBe(id)
    expect(identity.chain.map((one) => one.pem)).toEqual([leaf, first, second])
    expect(identity.leaf).toBe(identity.chain[0])
    expect(identity.trust.rootsPem).toEqual([root])
    expect(identity.renewAtMs).toBe((identity.leaf.notBeforeMs + identity.leaf.notAfterMs) / 2)
    expect(identity.leaf.notAfterMs).toBe(clock.nowMs() + 86_400_000)
    expect(identity.leaf.serialNumber).toMatch(/^[1-9]\d{30,40}$/)
  })

  it.each([
    ['several roots in the last element', [leaf, root + otherRoot], 1, 2],
    ['text around the blocks', [`subject: web\n${leaf}`, `${root}\n# end`], 1, 1],
    ['several intermediates in one element', [leaf, first + second, root], 3, 1],
    ['Windows line ends', [leaf.replaceAll('\n', '\r\n'), root], 1, 1],
  ])('takes %s', (_what, answer, chainLength, rootCount) => {
    const identity = parseIdentity(id, privateKeyPem, answer, clock.nowMs())
    expect([identity.chain.length, identity.roots.length]).toEqual([chainLength, rootCount])
  })

  const expired = ca.certify(csrPem, id, { ttlMs: -1 })
  const otherName = ca.certify(csrPem, id, { names: [{ kind: 'uri', value: ca.id('shop', 'cart') }] })
  const secondName = ca.certify(csrPem, id, {
    names: [
      { kind: 'uri', value: ca.id('shop', 'cart') },
      { kind: 'uri', value: id },
    ],
  })
  const dnsOnly = ca.certify(csrPem, id, { names: [{ kind: 'dns', value: 'web.shop' }] })

  it.each([
    ['an empty answer', [], /returned no certificate/],
    ['only a leaf', [leaf], /no root certificate present/],
    ['a last element without a certificate', [leaf, ''], /no root certificate present/],
    ['a first element without a certificate', ['', root], /no leaf certificate present/],
    ['a leaf for another key', [ca.certify(createCsr(id).csrPem, id)[0] ?? '', root], /another key/],
    ['a leaf for another identity', otherName, /it names "spiffe:\/\/cluster.local\/ns\/shop\/sa\/cart"/],
    ['a leaf that names the identity second', secondName, /it names "spiffe:.*cart"/],
    ['a leaf without a URI name', dnsOnly, /it names no URI/],
    ['a leaf that has expired', expired, /it expired at 2023-/],
    [
      'a certificate that is none',
      ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', root],
      /cannot be read/,
    ],
  ])('refuses %s', (_what, answer, message) => {
    expect(() => parseIdentity(id, privateKeyPem, answer, clock.nowMs())).toThrowError(
      expect.objectContaining({ code: 'CERTIFICATE_INVALID', message: expect.stringMatching(message) }),
    )
  })

  it('never shows a private key in an error', () => {
    const broken = privateKeyPem.replace(/.{20}\n-----END/, '\n-----END')
    const attempt = (): unknown => parseIdentity(id, broken, chain, clock.nowMs())
    expect(attempt).toThrowError(/private key cannot be read/)
    try {
      attempt()
    } catch (error) {
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(privateKeyPem.slice(40, 80))
    }
  })
})
