import { describe, expect, it } from 'vitest'
import { type ObjectProblem, type ObjectSource, ObjectTable } from '#shared/k8s'
import { DesiredObjects } from '../../../../src/local/objects/index.ts'
import { objectsOf } from './samples.ts'

/** A source that a test fills by hand. */
function sourceOf(
  yaml: string,
  problems: readonly ObjectProblem[] = [],
): { readonly source: ObjectSource; set(yaml: string): void } {
  const table = new ObjectTable()
  table.replaceAll(objectsOf(yaml))
  const source: ObjectSource = {
    synced: Promise.resolve(),
    subscribe: (kind, listener) => table.subscribe(kind, listener),
    problems,
    close: async () => {},
  }
  return { source, set: (next) => table.replaceAll(objectsOf(next)) }
}

const account = (name: string, label = ''): string =>
  `apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: ${name}, namespace: n, labels: { from: "${label}" } }`

describe('what users want', () => {
  it('comes from all folders; of two objects of one name the first folder counts, and it is said', () => {
    const first = sourceOf(account('x', 'first'))
    const second = sourceOf(`${account('x', 'second')}\n---\n${account('y')}`)
    const desired = new DesiredObjects(
      [
        { folder: '/1', source: first.source },
        { folder: '/2', source: second.source },
      ],
      () => {},
    )
    expect(desired.list('ServiceAccount').map(({ object, folder }) => [object.metadata.name, folder])).toEqual([
      ['x', '/1'],
      ['y', '/2'],
    ])
    expect(desired.problems).toEqual([
      { where: '/2', line: undefined, path: '', problem: 'ServiceAccount n/x is also in /1, which counts' },
    ])
  })

  it('follows changes, and tells each', () => {
    const source = sourceOf('')
    let changes = 0
    const desired = new DesiredObjects([{ folder: '/1', source: source.source }], () => changes++)
    source.set(account('x'))
    source.set('')
    expect([changes, desired.list('ServiceAccount').length]).toEqual([2, 0])
  })

  it('carries what could not be read', () => {
    const problem = { where: 'f.yaml', line: 3, path: 'spec', problem: 'is wrong' }
    const desired = new DesiredObjects([{ folder: '/1', source: sourceOf('', [problem]).source }], () => {})
    expect(desired.problems).toEqual([problem])
  })
})
