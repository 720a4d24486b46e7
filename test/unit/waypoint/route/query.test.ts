import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { queryValues } from '../../../../src/waypoint/route/query.ts'

const read = (target: string, ...names: string[]): readonly (string | undefined)[] =>
  queryValues(target, new Map(names.map((name, place) => [name, place])))

describe('parameters of a target', () => {
  it.each([
    ['/', undefined],
    ['/?', undefined],
    ['/?a', ''],
    ['/?a=', ''],
    ['/?a=1', '1'],
    ['/?b&a=1', '1'],
    ['/?a=1&a=2', '1'],
    ['/?a&a=2', ''],
    ['/?a=1=2', '1=2'],
    ['/?a=1?b', '1?b'],
    ['/?&&a=1&', '1'],
    ['/?%61=1', undefined],
    ['/?a=%20+', '%20+'],
    ['/a=1', undefined],
  ])('of %s: a is %j', (target, expected) => {
    expect(read(target, 'a')).toEqual([expected])
  })

  it('are those of splitting it, whatever it is', () => {
    const queries = fc.string({ unit: fc.constantFrom('a', 'b', '=', '&', '?', '%', '1'), maxLength: 20 })
    fc.assert(
      fc.property(queries, (query) => {
        const first = new Map<string, string>()
        for (const part of query.split('&')) {
          const [name = '', ...value] = part.split('=')
          if (!first.has(name)) first.set(name, value.join('='))
        }
        expect(read(`/p?${query}`, 'a', 'b', '')).toEqual(['a', 'b', ''].map((name) => first.get(name)))
      }),
    )
  })
})
