import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { httpOf, protocolOf } from '../../../../src/waypoint/listen/first-bytes.ts'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

describe('the first bytes on a port of HTTP', () => {
  it.each([
    [PREFACE, 'http2'],
    ['GET / HTTP/1.1\r\n', 'http1'],
    ['PRI * HTTP/1.1\r\n', 'http1'],
    ['PRIMARY / HTTP/1.1\r\n', 'http1'],
    ['\x16\x03\x01', 'http1'],
    ['', 'more'],
    ['PRI * HTTP/2.0\r', 'more'],
  ])('%j are %s', (text, expected) => {
    expect(httpOf(Buffer.from(text, 'latin1'))).toBe(expected)
  })

  it('say the same however they are cut, and more until they can tell', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constant(PREFACE), fc.string(), fc.constant('PRI * HTTP/1.1\r\n\r\n')), (text) => {
        const bytes = Buffer.from(text, 'latin1')
        const whole = httpOf(bytes)
        for (let end = 0; end <= bytes.length; end++) expect([whole, 'more']).toContain(httpOf(bytes.subarray(0, end)))
      }),
    )
  })
})

describe('the first bytes on a port that nobody declared', () => {
  it.each([
    [PREFACE, 'http2'],
    ['GET /', 'http1'],
    ['OPTIONS *', 'http1'],
    ['M-SEARCH * HTTP/1.1', 'http1'],
    ['GET http://a/', 'http1'],
    ['CONNECT a:443 HTTP/1.1', 'http1'],
    ['\x16\x03\x01\x02\x00', 'tls'],
    ['\x16\x02', 'other'],
    ['GET key\r\n', 'other'],
    ['get key\r\n', 'other'],
    ['PING\r\n', 'other'],
    ['*1\r\n$4\r\nPING\r\n', 'other'],
    ['SSH-2.0-OpenSSH', 'other'],
    ['\x00\x00\x00\x08\x04\xd2\x16\x2f', 'other'],
    ['\x10\x0e\x00\x04MQTT', 'other'],
    [' GET /', 'other'],
    ['-GET /', 'other'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZ /', 'other'],
    ['', 'more'],
    ['\x16', 'more'],
    ['GET', 'more'],
    ['GET ', 'more'],
    ['GET ht', 'more'],
    ['PRI * HTTP/', 'more'],
  ])('%j are %s', (text, expected) => {
    expect(protocolOf(Buffer.from(text, 'latin1'))).toBe(expected)
  })

  it('never say one thing first and another with more of them', () => {
    const texts = fc.oneof(
      fc.constantFrom(PREFACE, 'GET / HTTP/1.1\r\n', 'CONNECT a:1 HTTP/1.1\r\n', 'PRIX * HTTP/1.1', 'CONNECTED x'),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.stringMatching(/^[A-Z-]{1,30} [ -~]{0,10}$/),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = Buffer.from(text, 'latin1')
        let said = 'more'
        for (let end = 0; end <= bytes.length; end++) {
          const now = protocolOf(bytes.subarray(0, end))
          if (said !== 'more') expect(now).toBe(said)
          said = now
        }
      }),
      { numRuns: 500 },
    )
  })

  it('tell within 32 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 64 }), (bytes) => {
        expect(protocolOf(bytes)).not.toBe('more')
      }),
    )
  })
})
