import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type KubeObject, ObjectTable, objectKey, readObjects } from '#shared/k8s'

const account = (name: string, label: string, uid = ''): KubeObject =>
  readObjects(
    `apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ${name}, uid: "${uid}", labels: {l: "${label}"}}`,
    'x',
  ).objects[0] as KubeObject

const watched = (): { readonly table: ObjectTable; readonly seen: string[] } => {
  const table = new ObjectTable()
  const seen: string[] = []
  table.subscribe('ServiceAccount', ({ type, object }) => seen.push(`${type} ${objectKey(object)}`))
  return { table, seen }
}

describe('the object table', () => {
  it('tells a late subscriber what is there', () => {
    const { table } = watched()
    table.replaceAll([account('a', '1')])
    const seen: string[] = []
    table.subscribe('ServiceAccount', ({ type, object }) => seen.push(`${type} ${objectKey(object)}`))
    table.subscribe('Pod', () => seen.push('another kind'))
    expect(seen).toEqual(['added default/a'])
  })

  it('tells only differences', () => {
    const { table, seen } = watched()
    table.replaceAll([account('a', '1'), account('b', '1')])
    table.replaceAll([account('a', '1'), account('b', '2')])
    table.replaceAll([account('b', '2')])
    expect(seen).toEqual(['added default/a', 'added default/b', 'updated default/b', 'deleted default/a'])
  })

  it('tells another object under an old name as a new one', () => {
    const { table, seen } = watched()
    table.replaceAll([account('a', '1', 'u1')])
    table.replaceAll([account('a', '1', 'u2')])
    expect(seen).toEqual(['added default/a', 'deleted default/a', 'added default/a'])
  })

  it('tells nothing after unsubscribing', () => {
    const table = new ObjectTable()
    const seen: string[] = []
    table.subscribe('ServiceAccount', ({ type }) => seen.push(type))()
    table.replaceAll([account('a', '1')])
    expect(seen).toEqual([])
  })

  it('lets a subscriber rebuild every state from the changes alone', () => {
    const state = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2')), {
      selector: ([name]) => name,
    })
    fc.assert(
      fc.property(fc.array(state, { maxLength: 6 }), (states) => {
        const table = new ObjectTable()
        const mirror = new Map<string, KubeObject>()
        table.subscribe('ServiceAccount', ({ type, object }) => {
          expect(mirror.has(objectKey(object))).toBe(type !== 'added')
          if (type === 'deleted') mirror.delete(objectKey(object))
          else mirror.set(objectKey(object), object)
        })
        for (const entries of states) {
          const objects = entries.map(([name, label]) => account(name, label))
          table.replaceAll(objects)
          expect(new Set(mirror.values())).toEqual(new Set(objects))
        }
      }),
      { numRuns: 50 },
    )
  })
})
