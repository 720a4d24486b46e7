import { describe, expect, it } from 'vitest'
import { mayFetchFrom } from '../../../../src/waypoint/authn/index.ts'
import { ip } from '../../../support/mesh-builder.ts'

describe('where keys may be fetched from', () => {
  it.each([
    ['93.184.216.34', true],
    ['10.96.0.1', true],
    ['172.16.0.1', true],
    ['192.168.0.1', true],
    ['2606:2800:220:1::1', true],
    ['fd00::1', true],
    ['64:ff9b::5db8:d822', true],
    ['127.0.0.1', false],
    ['127.255.0.1', false],
    ['0.0.0.0', false],
    ['169.254.169.254', false],
    ['100.100.100.200', false],
    ['168.63.129.16', false],
    ['192.0.0.192', false],
    ['224.0.0.1', false],
    ['255.255.255.255', false],
    ['::', false],
    ['::1', false],
    ['::ffff:127.0.0.1', false],
    ['64:ff9b::7f00:1', false],
    ['64:ff9b::a9fe:a9fe', false],
    ['fe80::1', false],
    ['ff02::1', false],
    ['fd00:ec2::254', false],
    ['2002:7f00:1::', false],
  ])('%s: %s', (address, isAllowed) => {
    expect(mayFetchFrom(ip(address))).toBe(isAllowed)
  })
})
