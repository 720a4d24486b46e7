import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readResolvConf } from '../../../../src/ztunnel/dns/resolv-conf.ts'

const defaults = { servers: [], timeoutMs: 5000, attempts: 2, isRotating: false }

describe('readResolvConf', () => {
  it.each([
    ['nothing', '', {}],
    ['servers of both families', 'nameserver 10.0.0.1\nnameserver fd00::1\n', { servers: ['10.0.0.1', 'fd00::1'] }],
    ['blanks and comments', '# a\n; b\n  nameserver\t10.0.0.1  # c\n', { servers: ['10.0.0.1'] }],
    ['what it has no use for', 'search a b\ndomain c\nsortlist 10.0.0.0\noptions ndots:5 edns0\n', {}],
    ['options', 'options timeout:1 attempts:3 rotate', { timeoutMs: 1000, attempts: 3, isRotating: true }],
    ['options on several lines', 'options timeout:1\noptions attempts:1', { timeoutMs: 1000, attempts: 1 }],
    ['options beyond the limits', 'options timeout:99 attempts:0', { timeoutMs: 30_000, attempts: 1 }],
    ['options that are no numbers', 'options timeout:soon attempts:-1', {}],
  ])('reads %s', (_, text, expected) => {
    expect(readResolvConf(text)).toEqual({ config: { ...defaults, ...expected }, problems: [] })
  })

  it.each([
    ['no address', 'nameserver one', 'nameserver one is no address'],
    ['an address with a zone', 'nameserver fe80::1%eth0', 'nameserver fe80::1%eth0 is no address'],
    [
      'loopback, where a pod would ask itself',
      'nameserver 127.0.0.53',
      'nameserver 127.0.0.53 is left out: in a pod it would be the pod itself',
    ],
  ])('leaves out %s, and says so', (_, text, problem) => {
    expect(readResolvConf(text)).toEqual({ config: defaults, problems: [problem] })
  })

  it('takes three servers, as the C library does', () => {
    const text = ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4'].map((ip) => `nameserver ${ip}`).join('\n')
    const { config, problems } = readResolvConf(text)
    expect(config.servers).toHaveLength(3)
    expect(problems).toEqual(['nameserver 4.4.4.4 is left out: only 3 count'])
  })

  it('takes any text without throwing, and stays within its limits', () => {
    const words = fc.constantFrom('nameserver', 'options', 'timeout:', 'attempts:', '10.0.0.1', '9', ' ', '\n', ':', '')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((each) => each.join('')),
        ),
        (text) => {
          const { servers, timeoutMs, attempts } = readResolvConf(text).config
          expect(servers.length).toBeLessThanOrEqual(3)
          expect(timeoutMs).toBeGreaterThanOrEqual(1000)
          expect(timeoutMs).toBeLessThanOrEqual(30_000)
          expect(attempts).toBeGreaterThanOrEqual(1)
          expect(attempts).toBeLessThanOrEqual(5)
        },
      ),
    )
  })
})
