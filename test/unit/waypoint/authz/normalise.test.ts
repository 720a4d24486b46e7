import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalise } from '../../../../src/waypoint/authz/normalise.ts'
import { hostOf, normaliseHost } from '../../../../src/waypoint/authz/normalise-host.ts'
import { normaliseMethod } from '../../../../src/waypoint/authz/normalise-method.ts'
import { exchangeOf } from '../../../support/waypoint-exchange.ts'

describe('the one form of a host', () => {
  it.each<[string, string | undefined]>([
    ['example.com', 'example.com'],
    ['EXAMPLE.Com', 'example.com'],
    ['example.com.', 'example.com'],
    ['example.com.:80', 'example.com:80'],
    ['example.com:8080', 'example.com:8080'],
    ['example.com:08080', 'example.com:8080'],
    ['example.com:', 'example.com'],
    ['a_b-c.d', 'a_b-c.d'],
    ['10.0.0.1', '10.0.0.1'],
    ['10.0.0.1.:80', '10.0.0.1:80'],
    ['1password.com', '1password.com'],
    ['[::1]', '[::1]'],
    ['[::1]:80', '[::1]:80'],
    ['[0:0:0:0:0:0:0:1]', '[::1]'],
    ['[FD00::A]:1', '[fd00::a]:1'],
    ['[::ffff:10.0.0.1]', '10.0.0.1'],
    ['[::ffff:a00:1]:80', '10.0.0.1:80'],
    ['', ''],
    ['.', undefined],
    ['example.com..', undefined],
    ['a..b', undefined],
    ['.a', undefined],
    ['-a', undefined],
    ['user@example.com', undefined],
    ['example.com/path', undefined],
    ['example.com?x', undefined],
    ['example.com#x', undefined],
    ['ex ample.com', undefined],
    ['example.com,evil.com', undefined],
    ['exa%6dple.com', undefined],
    ['ex\u00e4mple.com', undefined],
    ['example.com\u0000', undefined],
    ['example.com:80:80', undefined],
    ['example.com:0', undefined],
    ['example.com:65536', undefined],
    ['example.com:+80', undefined],
    ['example.com: 80', undefined],
    ['example.com:8o', undefined],
    [':80', undefined],
    ['127.1', undefined],
    ['0x7f.0.0.1', undefined],
    ['0177.0.0.1', undefined],
    ['2130706433', undefined],
    ['10.0.0.256', undefined],
    ['1.2.3.4.5', undefined],
    ['::1', undefined],
    ['[::1', undefined],
    ['[::1]x', undefined],
    ['[fe80::1%eth0]', undefined],
    ['[10.0.0.1]', undefined],
    ['[v1.a]', undefined],
    ['[]', undefined],
    ['a'.repeat(300), undefined],
  ])('%j is %j', (given, wanted) => {
    expect(normaliseHost(given)).toBe(wanted)
  })

  it('is its own form', () => {
    const piece = fc.constantFrom('a', 'A', '1', '.', ':', '[', ']', '::', '0x', '-', '_', '%', '80', 'ffff', '@', 'é')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
        const once = normaliseHost(pieces.join(''))
        if (once !== undefined) expect(normaliseHost(once)).toBe(once)
      }),
      { numRuns: 5000 },
    )
  })

  it.each([
    ['a.b', 'a.b'],
    ['a.b:80', 'a.b'],
    ['[::1]:80', '[::1]'],
    ['[::1]', '[::1]'],
  ])('%s without its port is %s', (authority, host) => {
    expect(hostOf(authority)).toBe(host)
  })
})

describe('the one form of a method', () => {
  it.each([
    ['GET', 'GET'],
    ['PROPFIND', 'PROPFIND'],
    ['propfind', 'propfind'],
    ['M-SEARCH', 'M-SEARCH'],
    ['get', undefined],
    ['Get', undefined],
    ['connect', undefined],
    ['', undefined],
    ['GE T', undefined],
    ['GET\r\n', undefined],
    ['G/T', undefined],
    ['GÉT', undefined],
    ['A'.repeat(65), undefined],
  ])('%j is %j', (given, wanted) => {
    expect(normaliseMethod(given)).toBe(wanted)
  })
})

describe('a request in its one form', () => {
  it('is what everybody behind sees', () => {
    const { request } = exchangeOf({ authority: 'Shop.Example.', target: '/a/../%61dmin?x#y' })
    expect(normalise(request, 'BASE')).toBeUndefined()
    expect(request).toMatchObject({ authority: 'shop.example', target: '/admin?x' })
  })

  it.each([
    [{ method: 'get' }, 'method_normalization_failed'],
    [{ authority: 'a..b' }, 'host_normalization_failed'],
    [{ target: '/%00' }, 'path_normalization_failed'],
  ])('is refused when it has none: %j', (given, details) => {
    const reply = normalise(exchangeOf(given).request, 'BASE')
    expect(reply).toMatchObject({ status: 400, flag: 'DPE', details, cause: { code: 'REQUEST_MALFORMED' } })
  })

  it('stays as it came when it is refused', () => {
    const { request } = exchangeOf({ authority: 'A', target: '/%00' })
    normalise(request, 'BASE')
    expect(request).toMatchObject({ authority: 'A', target: '/%00' })
  })
})
