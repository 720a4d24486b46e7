import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PathMatch, PathRewrite } from '#shared/l7'
import { rewriteTarget } from '../../../../src/waypoint/filters/rewrite.ts'

const segments = (value: string): PathMatch => ({ kind: 'segments', value })
const prefix = (value: string): PathMatch => ({ kind: 'prefix', value })
const to = (value: string): PathRewrite => ({ kind: 'matched', value })
const full = (value: string): PathRewrite => ({ kind: 'full', value })
const regex = (pattern: string, substitution: string): PathRewrite => ({ kind: 'regex', pattern, substitution })

describe('a rewritten path', () => {
  it.each<[target: string, matched: PathMatch | undefined, rewrite: PathRewrite, expected: string]>([
    ['/foo/bar', segments('/foo'), to('/xyz'), '/xyz/bar'],
    ['/foo/bar', segments('/foo'), to('/xyz/'), '/xyz/bar'],
    ['/foo/bar', segments('/foo/'), to('/xyz'), '/xyz/bar'],
    ['/foo/bar', segments('/foo/'), to('/xyz/'), '/xyz/bar'],
    ['/foo', segments('/foo'), to('/xyz'), '/xyz'],
    ['/foo/', segments('/foo'), to('/xyz'), '/xyz/'],
    ['/foo/bar', segments('/foo'), to(''), '/bar'],
    ['/foo/', segments('/foo'), to(''), '/'],
    ['/foo', segments('/foo'), to(''), '/'],
    ['/foo/', segments('/foo'), to('/'), '/'],
    ['/foo', segments('/foo'), to('/'), '/'],
    ['/bar', segments('/'), to('/xyz'), '/xyz/bar'],
    ['/', segments('/'), to('/xyz'), '/xyz/'],
    ['/foo?a=/foo', segments('/foo'), to('/xyz'), '/xyz?a=/foo'],

    ['/foo/bar', prefix('/foo/'), to('/'), '/bar'],
    ['/foobar', prefix('/foo'), to('/x'), '/xbar'],
    ['/foo/bar', prefix('/foo'), to('/'), '//bar'],
    ['/foo/bar', { kind: 'exact', value: '/foo/bar' }, to('/x'), '/x'],
    ['/foo/bar', { kind: 'regex', value: '/foo.*' }, to('/x'), '/x'],
    ['/bar', undefined, to('/x/'), '/x/bar'],
    ['/Ã©/a', prefix('/é'), to('/x'), '/x/a'],

    ['/foo?q', segments('/foo'), full('/x'), '/x?q'],
    ['/foo?q', segments('/foo'), full('/x?r'), '/x?r'],
    ['/foo', undefined, full('x'), '/x'],
    ['/foo', undefined, full('/a b\r\nc#d'), '/a%20b%0D%0Ac%23d'],
    ['/foo', undefined, full('/é'), '/%C3%A9'],
    ['*', undefined, full('/x'), '*'],

    ['/img../keys', prefix('/img'), to('/files/'), '/keys'],
    ['/img./a', prefix('/img'), to('/'), '/a'],
    ['/img..', prefix('/img'), to('/files/'), '/'],
    ['/img.../a', prefix('/img'), to('/files/'), '/files/.../a'],
    ['/img..?../', prefix('/img'), to('/a/b/'), '/a/?../'],

    ['/service/foo/v1/api', undefined, regex('^/service/([^/]+)(/.*)$', '\\2/instance/\\1'), '/v1/api/instance/foo'],
    ['/xxx/one/yyy/one/zzz', undefined, regex('one', 'two'), '/xxx/two/yyy/two/zzz'],
    ['/xxx/one?one', undefined, regex('one', 'two'), '/xxx/two?one'],
    ['/aaa/X', undefined, regex('(?i)/x', '/y'), '/aaa/y'],
    ['/a', undefined, regex('/(a)', '/$1\\\\\\0\\3\\x'), '/$1\\/a\\x'],
    ['/a', undefined, regex('/(b)?a', '/[\\1]'), '/[]'],
    ['/Ã©', undefined, regex('/(.)', '/\\1\\1'), '/%C3%A9%C3%A9'],
  ])('of %s, held against %j, by %j is %s', (target, matched, rewrite, expected) => {
    expect(rewriteTarget(target, matched, rewrite)).toBe(expected)
  })

  it('is none when an expression would read or write too much', () => {
    expect(rewriteTarget(`/${'x'.repeat(8_192)}`, undefined, regex('x', 'y'))).toBeUndefined()
    expect(rewriteTarget(`/${'x'.repeat(8_000)}`, undefined, regex('x', 'yy'))).toBeUndefined()
  })

  it('is a target without dot segments, whatever the rule says and the path is', () => {
    const texts = fc.string({ unit: fc.constantFrom('/', '.', 'a', ' ', '\n', 'é', '#', '%'), maxLength: 8 })
    const rewrites = fc.oneof(
      texts.map(full),
      texts.map(to),
      texts.map((text) => regex('/?(\\.?)a', `${text}\\1`)),
    )
    const matches = fc.oneof(fc.constant(undefined), texts.map(segments), texts.map(prefix))
    fc.assert(
      fc.property(texts, matches, rewrites, (path, matched, rewrite) => {
        const rest = path.replace(/[^/.a]/g, '')
        const written = rewriteTarget(`${matched?.value ?? '/'}${rest}`.replace(/^(?!\/)/, '/'), matched, rewrite) ?? ''
        expect(written).toMatch(/^\/[^?#]*/)
        expect(written.split('/').some((segment) => segment === '.' || segment === '..')).toBe(false)
      }),
    )
  })
})
