import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { codes, type ErrorSpec } from '#shared/errors'

const text = readFileSync(resolve(import.meta.dirname, '../../docs/errors.md'), 'utf8')
const rows = new Map(
  [...text.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, code = '', cells = '']) => [code, cells.split(' | ')]),
)

describe('docs/errors.md', () => {
  it.each(Object.entries<ErrorSpec>(codes))('says of %s what the code says', (code, { side, retry, status, flag }) => {
    const [meaning = '', ...rest] = rows.get(code)?.toReversed() ?? []
    expect(rest.toReversed()).toEqual([side, retry, String(status), flag])
    expect(meaning).toMatch(/^[^?].*\.$/)
  })

  it('has no code that is not in the table', () => {
    expect([...rows.keys()].filter((code) => !(code in codes))).toEqual([])
  })
})
