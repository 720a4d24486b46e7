import { describe, expect, it } from 'vitest'
import type { PathMatch, RedirectAction } from '#shared/l7'
import { redirectReply } from '../../../../src/waypoint/filters/redirect.ts'
import { requestHead } from '../../../support/waypoint-requests.ts'

const PLAIN: RedirectAction = {
  kind: 'redirect',
  statusCode: 302,
  scheme: '',
  authority: '',
  port: undefined,
  path: undefined,
}
const FOO: PathMatch = { kind: 'segments', value: '/foo' }

describe('where a redirect leads', () => {
  it.each<[authority: string, target: string, action: Partial<RedirectAction>, location: string]>([
    ['a.example', '/foo?q', { authority: 'b.example' }, 'http://b.example/foo?q'],
    ['a.example:8080', '/foo', { scheme: 'https' }, 'https://a.example:8080/foo'],
    ['a.example:80', '/foo', { scheme: 'https' }, 'https://a.example/foo'],
    ['a.example:80', '/foo', {}, 'http://a.example/foo'],
    ['a.example:443', '/foo', {}, 'http://a.example:443/foo'],
    ['a.example', '/foo', { port: 8080 }, 'http://a.example:8080/foo'],
    ['a.example:9000', '/foo', { port: 80 }, 'http://a.example/foo'],
    ['a.example', '/foo', { port: 80, scheme: 'https' }, 'https://a.example:80/foo'],
    ['a.example', '/foo', { port: 443, scheme: 'https' }, 'https://a.example/foo'],
    ['a.example:9000', '/foo', { authority: 'b.example' }, 'http://b.example/foo'],
    ['a.example', '/foo', { authority: 'b.example:81' }, 'http://b.example:81/foo'],
    ['a.example', '/foo', { authority: 'b.example:81', port: 82 }, 'http://b.example:82/foo'],
    ['[::1]:8080', '/foo', { port: 81 }, 'http://[::1]:81/foo'],
    ['[::1]', '/foo', {}, 'http://[::1]/foo'],
    ['a.example', '/foo/bar?q', { path: { kind: 'matched', value: '/x' } }, 'http://a.example/x/bar?q'],
    ['a.example', '/foo', { path: { kind: 'matched', value: '/' } }, 'http://a.example/'],
    ['a.example', '/foo/bar', { path: { kind: 'full', value: '/x' } }, 'http://a.example/x'],
    ['a.example', '/foo/bar?q', { path: { kind: 'full', value: '/x?r' } }, 'http://a.example/x?r'],
    ['a.example', '*', {}, 'http://a.example/'],
    ['a.example', '/foo', { authority: 'b\r\nx: y', scheme: 'ht tp' }, 'http://a.example/foo'],
    ['', '/foo', { scheme: 'https' }, '/foo'],
    ['', '//evil.example', {}, '/evil.example'],
  ])('from %s%s by %j: %s', (authority, target, action, location) => {
    const reply = redirectReply({ ...PLAIN, ...action }, requestHead({ authority, target }), FOO)
    expect(reply).toMatchObject({ status: 302, fields: [['location', location]], body: '' })
  })

  it('has the status that the rule says', () => {
    expect(redirectReply({ ...PLAIN, statusCode: 308 }, requestHead(), undefined).status).toBe(308)
  })
})
