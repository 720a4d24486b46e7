import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { MeshError } from '#shared/errors'
import { parseManifests } from '../../../../src/cli/manifests/index.ts'

const map = (name: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\n`

describe('manifests', () => {
  it('are the documents of a text, with their places', () => {
    const text = `# a comment\n${map('a')}---\n---\n${map('b').replace('name: b', 'name: b, namespace: shop')}`
    expect(
      parseManifests(text, 'x.yaml').map(({ where, kind, name, namespace }) => [where, kind, name, namespace]),
    ).toEqual([
      ['x.yaml:2', 'ConfigMap', 'a', ''],
      ['x.yaml:7', 'ConfigMap', 'b', 'shop'],
    ])
  })

  it('are the items of a list', () => {
    const items = ['a', 'b'].map((name) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name } }))
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    expect(parseManifests(text, 'x').map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('are none in an empty text', () => {
    expect(parseManifests('', 'x')).toEqual([])
    expect(parseManifests('---\n# nothing\n', 'x')).toEqual([])
  })

  it.each([
    ['a: [', /^x:\d: /],
    ['a: 1\na: 2', /^x:2: Map keys must be unique/],
    ['- a', /^x:1: a document must be an object/],
    ['kind: Pod', /^x:1: apiVersion is missing/],
    ['apiVersion: v1', /^x:1: kind is missing/],
    ['apiVersion: v1\nkind: Pod', /^x:1: Pod needs metadata.name/],
    ['apiVersion: v1\nkind: Pod\nmetadata: { name: 7 }', /^x:1: Pod needs metadata.name/],
    [
      `a: &a [${'x,'.repeat(50)}]\nb: &b [${'*a,'.repeat(50)}]\nc: &c [${'*b,'.repeat(50)}]\nd: [${'*c,'.repeat(50)}]`,
      /^x:1: Excessive alias count/,
    ],
  ])('that are wrong are refused with the line: %j', (text, problem) => {
    expect(() => parseManifests(text, 'x')).toThrow(problem)
  })

  it('come through YAML whole', () => {
    const objects = fc.dictionary(fc.string(), fc.jsonValue()).map((spec) => ({
      apiVersion: 'v1',
      kind: 'Odd',
      metadata: { name: 'a' },
      spec: JSON.parse(JSON.stringify(spec)),
    }))
    fc.assert(
      fc.property(objects, (object) => {
        expect(parseManifests(stringify(object), 'x')[0]?.document).toEqual(object)
      }),
    )
  })

  it('of any text are read or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        try {
          parseManifests(text, 'x')
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
        }
      }),
    )
  })
})
