import fc from 'fast-check'
import { RE2JS } from 're2js'
import { describe, expect, it } from 'vitest'
import { literalsOf } from '../../../../src/waypoint/route/literals.ts'

describe('the literal parts of an expression', () => {
  it.each([
    ['/shop/.*', '/shop/', '/shop/'],
    ['^/shop', '/shop', '/shop'],
    ['/shop\\.html', '/shop.html', '/shop.html'],
    ['/shops?', '/shop', '/shop'],
    ['/shops*', '/shop', '/shop'],
    ['/shops{0,2}', '/shop', '/shop'],
    ['/shops+/x', '/shop', '/shop'],
    ['/shop|/cart', '', ''],
    ['/shop(/a|/b)', '/shop', '/shop'],
    ['/shop(/a|/b)?/index', '/shop', '/index'],
    ['/shop[|]', '/shop', '/shop'],
    ['/shop(\\Q(\\E)|/x', '', ''],
    ['/shop[(]|/x', '', ''],
    ['/shop[[:alpha:](]x|/y', '', ''],
    ['/shop[]]/longer', '/shop', '/longer'],
    ['/shop\\d', '/shop', '/shop'],
    ['/shop\\(|/x', '', ''],
    ['.*/area/', '', '/area/'],
    ['/a(?:x)b', '/a', '/a'],
    ['(?i)/shop', '', ''],
    ['/\\p{Greek}/x', '', ''],
    ['/\\x41BC', '', ''],
    ['/\\101/', '', ''],
    ['/\\pName', '', ''],
    ['/a\\tb/cd', '/a', 'b/cd'],
    ['/a\u{1f600}?', '/a', '/a'],
    ['', '', ''],
  ])('of %s are %j and %j', (source, beginning, inside) => {
    expect(literalsOf(source)).toEqual({ beginning, inside })
  })

  it('are in every text that matches', () => {
    const atoms = fc.constantFrom(
      'a',
      'b',
      '/',
      '\\.',
      '\\d',
      '\\x61',
      '\\141',
      '\\pL',
      '\\p{Nd}',
      '\\b',
      '.',
      '[ab]',
      '[^|]',
      '(a|b)',
      '(ab)',
      '(',
      ')',
      '|',
      '^',
      '$',
    )
    const quantifiers = fc.constantFrom('', '', '*', '?', '+', '{0,1}', '{2}', '*?')
    const sources = fc
      .array(fc.tuple(atoms, quantifiers), { maxLength: 6 })
      .map((parts) => parts.flat().join(''))
      .filter((source) => compiles(source))
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.', '0', '|'), maxLength: 6 })
    fc.assert(
      fc.property(sources, fc.array(texts, { minLength: 20, maxLength: 60 }), (source, given) => {
        const compiled = RE2JS.compile(source)
        const { beginning, inside } = literalsOf(source)
        for (const text of given)
          if (compiled.matches(text)) expect([text.startsWith(beginning), text.includes(inside)]).toEqual([true, true])
      }),
      { numRuns: 1_000 },
    )
  })
})

const compiles = (source: string): boolean => {
  try {
    RE2JS.compile(source)
    return true
  } catch {
    return false
  }
}
