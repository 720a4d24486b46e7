import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { formatConnectTarget, parseConnectTarget } from '../../../../src/shared/hbone/connect-target.ts'

describe('read', () => {
  it.each([
    ['10.0.0.7:8080', { kind: 'address', ip: '10.0.0.7', port: 8080 }],
    ['[fd00::7]:80', { kind: 'address', ip: 'fd00::7', port: 80 }],
    ['[FD00:0:0::7]:65535', { kind: 'address', ip: 'fd00::7', port: 65_535 }],
    ['[::1]:1', { kind: 'address', ip: '::1', port: 1 }],
    ['web.shop.svc.cluster.local:80', { kind: 'hostname', hostname: 'web.shop.svc.cluster.local', port: 80 }],
    ['WEB.Shop.Svc:80', { kind: 'hostname', hostname: 'web.shop.svc', port: 80 }],
    ['web.shop.svc.:80', { kind: 'hostname', hostname: 'web.shop.svc', port: 80 }],
    ['my_db:5432', { kind: 'hostname', hostname: 'my_db', port: 5432 }],
    [`${'a'.repeat(63)}.b:80`, { kind: 'hostname', hostname: `${'a'.repeat(63)}.b`, port: 80 }],
  ])('%s', (authority, target) => {
    expect(parseConnectTarget(authority)).toEqual(target)
  })
})

describe('refused', () => {
  it.each([
    ['nothing', ''],
    ['no port', '10.0.0.7'],
    ['an empty port', '10.0.0.7:'],
    ['port 0', '10.0.0.7:0'],
    ['a port above 65535', '10.0.0.7:65536'],
    ['a port with a leading zero', '10.0.0.7:080'],
    ['a signed port', '10.0.0.7:+80'],
    ['a named port', 'web:http'],
    ['an empty host', ':80'],
    ['empty brackets', '[]:80'],
    ['IPv6 without brackets', 'fd00::7:80'],
    ['an IPv6 zone', '[fe80::1%eth0]:80'],
    ['IPv4 in brackets', '[10.0.0.7]:80'],
    ['IPv4 mapped into IPv6', '[::ffff:10.0.0.7]:80'],
    ['IPv4 mapped into IPv6, in hex', '[::ffff:a00:7]:80'],
    ['a name in brackets', '[web]:80'],
    ['an open bracket', '[fd00::7:80'],
    ['text behind the brackets', '[fd00::7]x:80'],
    ['user information', 'user@web:80'],
    ['a path', 'web:80/admin'],
    ['a scheme', 'http://web:80'],
    ['a space', 'web :80'],
    ['a line end', 'web:80\n'],
    ['NUL', 'web\u0000:80'],
    ['letters beyond ASCII', 'w\u00e9b:80'],
    ['percent-encoding', 'we%62:80'],
    ['an address with three parts', '10.0.7:80'],
    ['an address with a leading zero', '010.0.0.7:80'],
    ['a number for an address', '167772167:80'],
    ['an address with a final dot', '10.0.0.7.:80'],
    ['an empty label', 'web..shop:80'],
    ['a leading dot', '.web:80'],
    ['a label that begins with a hyphen', '-web:80'],
    ['a label above 63 characters', `${'a'.repeat(64)}:80`],
    ['a name above 253 characters', `${'a.'.repeat(127)}aa:80`],
    ['a very long text', `${'a'.repeat(100_000)}:80`],
  ])('%s', (_title, authority) => {
    expect(() => parseConnectTarget(authority)).toThrow(MeshError)
    expect(() => parseConnectTarget(authority)).toThrow(expect.objectContaining({ code: 'HBONE_TARGET_INVALID' }))
  })

  it('with a message that quotes and cuts what the peer sent', () => {
    expect(() => parseConnectTarget(`\r\n${'x'.repeat(500)}`)).toThrow(`"\\r\\n${'x'.repeat(62)}"`)
  })
})

it.each(['10.0.0.7:8080', '[fd00::7]:80', 'web.shop.svc.cluster.local:80'])('%s is written as it is read', (text) => {
  expect(formatConnectTarget(parseConnectTarget(text))).toBe(text)
})
