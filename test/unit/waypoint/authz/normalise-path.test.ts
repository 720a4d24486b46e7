import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalisePath, type PathNormalization } from '../../../../src/waypoint/authz/normalise-path.ts'

const MODES: readonly PathNormalization[] = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']

/** What a target becomes in BASE, MERGE_SLASHES and DECODE_AND_MERGE_SLASHES; `=` = as before it, `-` = refused. */
type Row = readonly [target: string, base: string, merged: string, decoded: string]

const rows: readonly Row[] = [
  // canonical already
  ['/', '=', '=', '='],
  ['/a/b', '=', '=', '='],
  ['/a/b/', '=', '=', '='],
  ['*', '=', '=', '='],
  ["/~-._!$&'()*+,;=:@", '=', '=', '='],
  ['/.well-known/x', '=', '=', '='],
  ['/..a/...', '=', '=', '='],
  ['/a.b/c..d', '=', '=', '='],
  ['/a;v=1/b', '=', '=', '='],
  ['/A/b', '=', '=', '='],
  // dot segments
  ['/a/./b', '/a/b', '=', '='],
  ['/a/../b', '/b', '=', '='],
  ['/a/b/..', '/a/', '=', '='],
  ['/a/.', '/a/', '=', '='],
  ['/.', '/', '=', '='],
  ['/..', '/', '=', '='],
  ['/../../a', '/a', '=', '='],
  ['/a/b/../../../c', '/c', '=', '='],
  ['/a/..?q', '/?q', '=', '='],
  ['/./admin', '/admin', '=', '='],
  // encoded dots
  ['/%2e/a', '/a', '=', '='],
  ['/a/%2e%2e/b', '/b', '=', '='],
  ['/a/%2E./b', '/b', '=', '='],
  ['/a/.%2e/b', '/b', '=', '='],
  ['/a/%2e%2e', '/', '=', '='],
  ['/%2ewell', '/.well', '=', '='],
  // escapes
  ['/%61dmin', '/admin', '=', '='],
  ['/%7e', '/~', '=', '='],
  ['/%41%5a%30%2d', '/AZ0-', '=', '='],
  ['/%c3%a9', '/%C3%A9', '=', '='],
  ['/é'.normalize(), '/%E9', '=', '='],
  ['/a%20b', '=', '=', '='],
  ['/a%3bb', '/a%3Bb', '=', '='],
  ['/a%3fb', '/a%3Fb', '=', '='],
  ['/a%23b', '=', '=', '='],
  ['/a|b', '/a%7Cb', '=', '='],
  ['/a%7cb', '/a%7Cb', '=', '='],
  ['/<"`>', '/%3C%22%60%3E', '=', '='],
  ['/a[1]', '/a%5B1%5D', '=', '='],
  // double encoding stays one level down
  ['/%252e%252e/a', '=', '=', '='],
  ['/%252fadmin', '=', '=', '='],
  ['/%25%32%65', '/%252e', '=', '='],
  // not an escape
  ['/100%', '-', '-', '-'],
  ['/%2', '-', '-', '-'],
  ['/%zz', '-', '-', '-'],
  ['/%u002e', '-', '-', '-'],
  ['/%%32e', '-', '-', '-'],
  // what no path has
  ['/a%00', '-', '-', '-'],
  ['/a%00.html', '-', '-', '-'],
  ['/a\u0000', '-', '-', '-'],
  ['/a b', '-', '-', '-'],
  ['/a\tb', '-', '-', '-'],
  ['/a\u007f', '-', '-', '-'],
  ['/\u20ac', '-', '-', '-'],
  ['', '-', '-', '-'],
  ['a', '-', '-', '-'],
  ['http://host/a', '-', '-', '-'],
  ['*a', '-', '-', '-'],
  // overlong UTF-8
  ['/%c0%af', '-', '-', '-'],
  ['/a/%c0%ae%c0%ae/b', '-', '-', '-'],
  ['/%c1%9c', '-', '-', '-'],
  ['/%e0%80%af', '-', '-', '-'],
  ['/%f0%80%80%af', '-', '-', '-'],
  ['/%f8%80%80%80%af', '-', '-', '-'],
  ['/%fc%80%80%80%80%af', '-', '-', '-'],
  ['/\u00c0\u00af', '-', '-', '-'],
  ['/\u00c0%af', '-', '-', '-'],
  ['/%c0b', '/%C0b', '=', '='],
  ['/%e0%a4%a8', '/%E0%A4%A8', '=', '='],
  // backslashes
  ['/a\\b', '/a/b', '=', '='],
  ['/a\\..\\b', '/b', '=', '='],
  ['\\a', '-', '-', '-'],
  ['/\\a', '//a', '/a', '='],
  // slashes
  ['//a', '//a', '/a', '='],
  ['/a//b', '/a//b', '/a/b', '='],
  ['///', '///', '/', '='],
  ['/a//', '/a//', '/a/', '='],
  ['/a//../b', '/a/b', '=', '='],
  ['/a/..//b', '//b', '/b', '='],
  // encoded slashes
  ['/a%2fb', '/a%2Fb', '=', '/a/b'],
  ['/a%2Fb', '/a%2Fb', '=', '/a/b'],
  ['/a%5cb', '/a%5Cb', '=', '/a/b'],
  ['/a%2f%2fb', '/a%2F%2Fb', '=', '/a/b'],
  ['/a%2f/b', '/a%2F/b', '=', '/a/b'],
  ['/a/..%2fb', '-', '-', '/b'],
  ['/a%2f..%2fb', '-', '-', '/b'],
  ['/a%2f../b', '-', '-', '/b'],
  ['/a%2f..', '-', '-', '/'],
  ['/a%5c..%5cb', '-', '-', '/b'],
  ['/a%2f.%2fb', '-', '-', '/a/b'],
  ['/a/%2e%2e%2fb', '-', '-', '/b'],
  ['/a%2f.b', '/a%2F.b', '=', '/a/.b'],
  // parameters behind dots
  ['/a/..;/b', '-', '-', '-'],
  ['/a/..;x=1/b', '-', '-', '-'],
  ['/a/.;/b', '-', '-', '-'],
  ['/a/..%3b/b', '-', '-', '-'],
  ['/a/%2e%2e;/b', '-', '-', '-'],
  ['/a/...;x', '=', '=', '='],
  // query and fragment
  ['/a?b', '=', '=', '='],
  ['/a?/../b//c\\%2e%00', '=', '=', '='],
  ['/a?b?c', '=', '=', '='],
  ['/%61?%61', '/a?%61', '=', '='],
  ['/a#b', '/a', '=', '='],
  ['/a#', '/a', '=', '='],
  ['/a#b?c', '/a', '=', '='],
  ['/a?b#c', '/a?b', '=', '='],
  ['/a#/../../etc', '/a', '=', '='],
  ['/?#', '/?', '=', '='],
]

describe('the one form of a path', () => {
  it.each(rows)('%s is %s, with slashes merged %s, and decoded %s', (target, base, merged, decoded) => {
    const inBase = base === '=' ? target : base
    const inMerged = merged === '=' ? inBase : merged
    const wanted = [inBase, inMerged, decoded === '=' ? inMerged : decoded]
    const found = MODES.slice(1).map((mode) => normalisePath(target, mode) ?? '-')
    expect(found).toEqual(wanted)
  })

  it.each([
    ['/a/../b', '/a/../b'],
    ['/%00//\\', '/%00//\\'],
    ['/a#b', '/a'],
    ['a', undefined],
  ])('without normalisation only a fragment goes: %s', (target, wanted) => {
    expect(normalisePath(target, 'NONE')).toBe(wanted)
  })

  const piece = fc.constantFrom(
    ...[
      '/',
      '//',
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%2F',
      '%5c',
      '\\',
      '%',
      '%25',
      '%00',
      '%c0%af',
      ';',
      ';a=1',
      'a',
      'A',
    ],
    ...['%61', '%3b', '?', '#', ' ', '\u00e9', '|', '{', '*', '~', '%7e', '...', '%252e'],
  )
  const target = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)
  const anyTarget = fc.oneof(
    target,
    fc.string({ unit: 'binary' }).map((text) => `/${text}`),
  )

  it.each(MODES)('is its own form in %s', (mode) => {
    fc.assert(
      fc.property(anyTarget, (text) => {
        const once = normalisePath(text, mode)
        if (once !== undefined) expect(normalisePath(once, mode)).toBe(once)
      }),
      { numRuns: 2000 },
    )
  })

  it('has no dot segment left, however a server decodes it once more', () => {
    fc.assert(
      fc.property(anyTarget, fc.constantFrom(...MODES.slice(1)), (text, mode) => {
        const once = normalisePath(text, mode)
        if (once === undefined) return
        const path = once.split('?')[0] ?? ''
        const read = path.replace(/%2[EF]|%5C/g, (octet) => String.fromCharCode(Number.parseInt(octet.slice(1), 16)))
        const segments = read.split(/[/\\]/).map((segment) => segment.split(';')[0])
        expect(segments).not.toContain('.')
        expect(segments).not.toContain('..')
        expect(path).toMatch(/^\/[\x21-\x7e]*$/)
      }),
      { numRuns: 2000 },
    )
  })

  it('agrees with the URL standard on plain dot segments', () => {
    const segment = fc.constantFrom('a', 'b', '.', '..', '%2e', '.%2E', '')
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
        const path = `/${segments.join('/')}`
        const url = new URL(`http://host${path}`).pathname
        expect(normalisePath(path, 'BASE')).toBe(url)
      }),
    )
  })
})
