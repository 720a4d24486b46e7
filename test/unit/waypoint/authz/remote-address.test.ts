import { describe, expect, it } from 'vitest'
import { remoteAddress } from '../../../../src/waypoint/authz/remote-address.ts'
import { ip } from '../../../support/mesh-builder.ts'
import { exchangeOf } from '../../../support/waypoint-exchange.ts'

const PEER = '10.0.0.1'

describe('the address of the first client', () => {
  it.each<[string, readonly string[], number, string]>([
    ['nobody is believed', ['192.0.2.1'], 0, PEER],
    ['no list', [], 1, PEER],
    ['one proxy has seen it', ['192.0.2.1'], 1, '192.0.2.1'],
    ['what the client claims comes first', ['203.0.113.9, 192.0.2.1'], 1, '192.0.2.1'],
    ['two proxies', ['203.0.113.9, 192.0.2.1, 10.0.0.9'], 2, '192.0.2.1'],
    ['two proxies, one of which was gone around', ['192.0.2.1'], 2, PEER],
    ['several lines are one list', ['203.0.113.9', '192.0.2.1,10.0.0.9'], 2, '192.0.2.1'],
    ['several lines are one list', ['203.0.113.9', '192.0.2.1'], 2, '203.0.113.9'],
    ['a port', ['192.0.2.1:4711'], 1, '192.0.2.1'],
    ['IPv6', ['2001:DB8::1'], 1, '2001:db8::1'],
    ['IPv6 in brackets', ['[2001:db8::1]'], 1, '2001:db8::1'],
    ['IPv6 with a port', ['[2001:db8::1]:80'], 1, '2001:db8::1'],
    ['no address', ['unknown'], 1, PEER],
    ['nothing at the end', ['192.0.2.1,'], 1, PEER],
    ['only commas', [',,,'], 2, PEER],
    ['only commas', [',,,'], 9, PEER],
    ['an endless list', [`${'192.0.2.1,'.repeat(10_000)}192.0.2.7`], 1, '192.0.2.7'],
    ['an endless list', [`${'192.0.2.1,'.repeat(10_000)}192.0.2.7`], 10_001, PEER],
  ])('%s: %.60j with %i trusted: %s', (_, lines, trusted, wanted) => {
    const { fields } = exchangeOf({ headers: { 'x-forwarded-for': lines } }).request
    expect(remoteAddress(ip(PEER), fields, trusted)).toBe(wanted)
  })
})
