import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expand } from '../../../../src/local/pod-plan/expand.ts'

const values = new Map([
  ['A', '1'],
  ['my.var-x', '2'],
  ['LOOP', '$(A)'],
  ['EMPTY', ''],
])
const valueFor = (name: string): string | undefined => values.get(name)

describe('references to variables', () => {
  it.each([
    ['$(A)/x', '1/x'],
    ['$(A)$(A)', '11'],
    ['$(my.var-x)', '2'],
    ['$(EMPTY)', ''],
    ['$(LOOP)', '$(A)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$$', '$'],
    ['$(UNKNOWN)', '$(UNKNOWN)'],
    ['$(toString)', '$(toString)'],
    ['$()', '$()'],
    ['$(A', '$(A'],
    ['$A $ (A) $', '$A $ (A) $'],
    ['$(A)$', '1$'],
  ])('%s becomes %s, as in Kubernetes', (text, expanded) => {
    expect(expand(text, valueFor)).toBe(expanded)
  })

  it('leave a text without a dollar as it is, and any text once its dollars are doubled', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(expand(text.replaceAll('$', ''), valueFor)).toBe(text.replaceAll('$', ''))
        expect(expand(text.replaceAll('$', '$$$$'), valueFor)).toBe(text)
      }),
    )
  })

  it('show a value whole, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(expand('<$(X)>', () => value)).toBe(`<${value}>`)
      }),
    )
  })
})
