import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Fields } from '../../src/waypoint/codec/index.ts'

type Pairs = readonly (readonly [name: string, value: string])[]

/** What holds for the fields of every codec. @param make fields that came as those pairs */
export function fieldsSuite(title: string, make: (pairs: Pairs) => Fields): void {
  describe(`fields of ${title}`, () => {
    const some: Pairs = [
      ['accept', 'a'],
      ['x-many', '1'],
      ['x-other', 'o'],
      ['x-many', '2'],
    ]

    it('are found by name, in the order in which they came', () => {
      const fields = make(some)
      expect(fields.get('x-many')).toBe('1')
      expect(fields.values('x-many')).toEqual(['1', '2'])
      expect([fields.has('accept'), fields.has('absent')]).toEqual([true, false])
      expect([fields.get('absent'), fields.values('absent')]).toEqual([undefined, []])
      expect(pairsOf(fields)).toEqual(some)
    })

    it('are replaced where the first stood, or come last', () => {
      const fields = make(some)
      fields.set('x-many', '3')
      fields.set('x-new', 'n')
      expect(pairsOf(fields)).toEqual([
        ['accept', 'a'],
        ['x-many', '3'],
        ['x-other', 'o'],
        ['x-new', 'n'],
      ])
    })

    it('are added behind all others, and removed all at once', () => {
      const fields = make(some)
      fields.add('accept', 'b')
      fields.remove('x-many')
      fields.remove('absent')
      expect(pairsOf(fields)).toEqual([
        ['accept', 'a'],
        ['x-other', 'o'],
        ['accept', 'b'],
      ])
    })

    it('may be empty', () => {
      const fields = make([])
      expect(pairsOf(fields)).toEqual([])
      fields.set('a', '')
      expect(fields.get('a')).toBe('')
    })

    it('behave like a list of pairs whatever is done to them and their copies', () => {
      const name = fc.constantFrom('a', 'b', 'c')
      const value = fc.string({ maxLength: 3, unit: 'grapheme-ascii' })
      const step = fc.oneof(
        fc.record({ do: fc.constantFrom('set' as const, 'add' as const), name, value }),
        fc.record({ do: fc.constant('remove' as const), name }),
        fc.record({ do: fc.constant('copy' as const) }),
      )
      fc.assert(
        fc.property(fc.array(fc.tuple(name, value)), fc.array(step), (pairs, steps) => {
          const copies: { readonly fields: Fields; model: [string, string][] }[] = [
            { fields: make(pairs), model: pairs.map(([n, v]) => [n, v]) },
          ]
          for (const [i, one] of steps.entries()) {
            const at = copies[i % copies.length] as (typeof copies)[number]
            if (one.do === 'copy') copies.push({ fields: at.fields.copy(), model: at.model.map(([n, v]) => [n, v]) })
            else if (one.do === 'remove') {
              at.fields.remove(one.name)
              at.model = at.model.filter(([n]) => n !== one.name)
            } else if (one.do === 'add') {
              at.fields.add(one.name, one.value)
              at.model.push([one.name, one.value])
            } else {
              at.fields.set(one.name, one.value)
              const first = at.model.findIndex(([n]) => n === one.name)
              if (first < 0) at.model.push([one.name, one.value])
              else
                at.model = at.model.flatMap((p, j) =>
                  p[0] !== one.name ? [p] : j === first ? [[p[0], one.value]] : [],
                )
            }
          }
          for (const { fields, model } of copies) expect(pairsOf(fields)).toEqual(model)
        }),
      )
    })
  })
}

function pairsOf(fields: Fields): [string, string][] {
  const pairs: [string, string][] = []
  fields.forEach((name, value) => void pairs.push([name, value]))
  return pairs
}
