import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { documentText } from '../../../../src/cli/print/index.ts'

describe('documents for machines', () => {
  it('say the same as JSON and as YAML', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (given) => {
        const value = JSON.parse(JSON.stringify(given))
        expect(parse(documentText('yaml', value))).toEqual(value)
        expect(JSON.parse(documentText('json', value))).toEqual(value)
      }),
    )
  })

  it('leave out what is undefined, and repeat what stands twice', () => {
    const twice = { a: 1 }
    expect(documentText('yaml', { x: twice, y: twice, z: undefined })).toBe('x:\n  a: 1\ny:\n  a: 1\n')
  })
})
