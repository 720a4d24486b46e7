import { describe, expect, it } from 'vitest'
import { type IpAddress, parseIp } from '#shared/net'
import { decodeSockaddr, encodeSockaddr } from '../../../../src/shared/sys/sockaddr.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('socket addresses', () => {
  it.each([
    { ip: '10.1.2.3', port: 15_001, wire: `0200 3a99 0a010203 ${'00'.repeat(8)}` },
    { ip: 'fd00::1', port: 80, wire: `0a00 0050 00000000 fd00${'00'.repeat(13)}01 00000000` },
  ])('of $ip are laid out as the kernel wants them', ({ ip, port, wire }) => {
    const bytes = encodeSockaddr(parseIp(ip) as IpAddress, port)
    expect(hex(bytes)).toBe(wire.replace(/\s/g, ''))
    expect(decodeSockaddr(bytes)).toEqual({ ip, port })
  })

  it('that are IPv4 inside IPv6 come back as IPv4', () => {
    const bytes = new Uint8Array(Buffer.from(`0a00005000000000${'00'.repeat(10)}ffff0a01020300000000`, 'hex'))
    expect(decodeSockaddr(bytes)).toEqual({ ip: '10.1.2.3', port: 80 })
  })

  it('of another family are none', () => {
    expect(decodeSockaddr(new Uint8Array(28))).toBeUndefined()
  })
})
