import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPath } from '#shared/document'
import { strategicMerge } from '../../../../src/istiod-lite/deployments/strategic-merge.ts'

type Document = Readonly<Record<string, unknown>>

const merge = (
  base: Document,
  patch: Document,
): { readonly merged: Document; readonly problems: readonly string[] } => {
  const problems: string[] = []
  const merged = strategicMerge(base, patch, (path, problem) => void problems.push(`${formatPath(path)}: ${problem}`))
  return { merged, problems }
}

const base = {
  replicas: 1,
  template: {
    containers: [{ name: 'a', image: 'one', env: [{ name: 'X', value: '1' }], args: ['p', 'q'] }, { name: 'b' }],
  },
}

describe('a strategic merge', () => {
  const rows: readonly [shows: string, base: Document, patch: Document, merged: Document][] = [
    ['sets a value', base, { replicas: 3 }, { ...base, replicas: 3 }],
    ['takes a value away', { a: 1, b: 2 }, { a: null }, { b: 2 }],
    ['goes into maps', { a: { b: 1, c: 2 } }, { a: { c: 3, d: 4 } }, { a: { b: 1, c: 3, d: 4 } }],
    ['replaces a map when told to', { a: { b: 1 } }, { a: { $patch: 'replace', c: 2 } }, { a: { c: 2 } }],
    [
      'finds an item of a list by its name, and goes into it',
      { containers: base.template.containers },
      {
        containers: [
          {
            name: 'a',
            env: [
              { name: 'X', value: '2' },
              { name: 'Y', value: '3' },
            ],
          },
        ],
      },
      {
        containers: [
          {
            name: 'a',
            image: 'one',
            env: [
              { name: 'X', value: '2' },
              { name: 'Y', value: '3' },
            ],
            args: ['p', 'q'],
          },
          { name: 'b' },
        ],
      },
    ],
    [
      'adds an item that is not there',
      { volumes: [{ name: 'a' }] },
      { volumes: [{ name: 'b' }] },
      { volumes: [{ name: 'a' }, { name: 'b' }] },
    ],
    [
      'takes an item away',
      { env: [{ name: 'a' }, { name: 'b' }] },
      { env: [{ name: 'a', $patch: 'delete' }] },
      { env: [{ name: 'b' }] },
    ],
    [
      'takes nothing away that is not there',
      { env: [{ name: 'b' }] },
      { env: [{ name: 'a', $patch: 'delete' }] },
      { env: [{ name: 'b' }] },
    ],
    [
      'replaces an item',
      { env: [{ name: 'a', value: '1' }] },
      { env: [{ name: 'a', $patch: 'replace' }] },
      { env: [{ name: 'a' }] },
    ],
    [
      'replaces a list when told to',
      { env: [{ name: 'a' }] },
      { env: [{ $patch: 'replace' }, { name: 'b' }] },
      { env: [{ name: 'b' }] },
    ],
    ['replaces a list without names', { args: ['a', 'b'] }, { args: ['c'] }, { args: ['c'] }],
    [
      'finds ports of containers',
      { ports: [{ containerPort: 1, name: 'a' }] },
      { ports: [{ containerPort: 1, name: 'b' }] },
      { ports: [{ containerPort: 1, name: 'b' }] },
    ],
    [
      'finds ports of services',
      { ports: [{ port: 1, nodePort: 2 }] },
      { ports: [{ port: 1, nodePort: 3 }] },
      { ports: [{ port: 1, nodePort: 3 }] },
    ],
  ]
  it.each(rows)('%s', (_, from, patch, merged) => {
    expect(merge(from, patch)).toEqual({ merged, problems: [] })
  })

  const refused: readonly [shows: string, patch: Document, problem: string][] = [
    [
      'a directive that is not supported',
      { '$setElementOrder/env': [] },
      '$setElementOrder/env: is no directive that is supported',
    ],
    ['an unknown word', { a: { $patch: 'merge' } }, 'a.$patch: must be replace, or delete in a list, is "merge"'],
    [
      'an item without its name',
      { env: [{ name: 'a' }, { value: '1' }] },
      'env[1]: has no name, by which it would be found',
    ],
  ]
  it.each(refused)('names %s', (_, patch, problem) => {
    expect(merge({}, patch).problems).toEqual([problem])
  })

  it('with nothing changes nothing, and with itself neither, whatever the document', () => {
    const named = fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c'), value: fc.string() }), {
      selector: ({ name }) => name,
    })
    const documents = fc.record({ a: fc.integer(), env: named, deep: fc.record({ containers: named }) })
    fc.assert(
      fc.property(documents, (document) => {
        expect(merge(document, {})).toEqual({ merged: document, problems: [] })
        expect(merge(document, document)).toEqual({ merged: document, problems: [] })
      }),
    )
  })

  it('answers any patch without throwing or changing the document', () => {
    fc.assert(
      fc.property(fc.object(), fc.object({ key: fc.constantFrom('env', 'ports', '$patch', 'a') }), (from, patch) => {
        const before = structuredClone(from)
        merge(from as Document, patch as Document)
        expect(from).toEqual(before)
      }),
    )
  })
})
