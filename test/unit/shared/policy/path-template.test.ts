import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pathTemplate } from '../../../../src/shared/policy/path-template.ts'

describe('path templates', () => {
  it.each([
    ['/a/{*}', '/a/b', true],
    ['/a/{*}', '/a/', false],
    ['/a/{*}', '/a', false],
    ['/a/{*}', '/a/b/c', false],
    ['/a/{*}', '/a/b/', false],
    ['/{*}/b', '/a/b', true],
    ['/{*}/b', '//b', false],
    ['/{*}/{*}', '/a/b', true],
    ['/{*}', '/', false],
    ['/{*}', '/a', true],
    ['/{**}', '/', true],
    ['/{**}', '/a/b/c', true],
    ['/a/{**}', '/a/', true],
    ['/a/{**}', '/a', false],
    ['/a/{**}', '/ab', false],
    ['/a/{**}/z', '/a/b/z', true],
    ['/a/{**}/z', '/a/b/c/z', true],
    ['/a/{**}/z', '/a//z', true],
    ['/a/{**}/z', '/a/z', false],
    ['/a/{**}/z', '/a/b/z/y', false],
    ['/{*}/a/{**}', '/x/a/y', true],
    ['/{*}/a/{**}', '/x/y/a/y', false],
    ['/{*}/{**}/z', '/x/z', false],
    ['/a.b/{*}', '/axb/c', false],
  ])('%s on %s: %s', (template, path, isMatch) => {
    expect(pathTemplate(template)(path)).toBe(isMatch)
  })

  it('say what the expression says that stands for them', () => {
    const segment = fc.constantFrom('a', 'b', 'ab', '{*}')
    const template = fc
      .tuple(fc.array(segment, { maxLength: 4 }), fc.constantFrom('', '/{**}', '/{**}/a', '/{**}/a/b'))
      .map(([segments, end]) => `${segments.map((each) => `/${each}`).join('')}${end}` || '/')
    const path = fc.array(fc.constantFrom('a', 'b', 'ab', ''), { maxLength: 7 }).map((parts) => `/${parts.join('/')}`)
    fc.assert(
      fc.property(template, path, (text, given) => {
        const pattern = text.replaceAll('{**}', '[^?]*').replaceAll('{*}', '[^/]+')
        expect(pathTemplate(text)(given)).toBe(new RegExp(`^${pattern}$`).test(given))
      }),
      { numRuns: 3000 },
    )
  })
})
