import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { parseJsonPath, valuesAt } from '../../../../src/cli/cluster/index.ts'

const pod = {
  metadata: { name: 'web', labels: { 'app.kubernetes.io/name': 'web' } },
  status: {
    phase: 'Running',
    ready: true,
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Scheduled', status: 'False' },
    ],
    ips: ['a', 'b'],
  },
}

describe('a JSONPath', () => {
  it.each<[string, readonly unknown[]]>([
    ['{.status.phase}', ['Running']],
    ['status.phase', ['Running']],
    ['{$.status.ready}', [true]],
    ['{.status.ips[1]}', ['b']],
    ['{.status.ips[-1]}', ['b']],
    ['{.status.ips[*]}', ['a', 'b']],
    ['{.status.conditions[*].type}', ['Ready', 'Scheduled']],
    ['{.status.conditions[?(@.type=="Ready")].status}', ['True']],
    ["{.status.conditions[?(@.type=='Scheduled')].status}", ['False']],
    ['{.metadata.labels.app\\.kubernetes\\.io/name}', ['web']],
    ["{.metadata.labels['app.kubernetes.io/name']}", ['web']],
    ['{.metadata.constructor}', []],
    ['{.status.phase.deeper}', []],
    ['{.status.ips[7]}', []],
    ['{}', [pod]],
  ])('%s leads to %j', (path, values) => {
    expect(valuesAt(pod, parseJsonPath(path))).toEqual(values)
  })

  it.each(['{.a[}', '{.a[x]}', '{.a[?(@.b>1)]}', '{.a}{.b}', '{..a}', '{range .a}'])(
    'that is not understood is refused with the place: %s',
    (path) => {
      expect(() => parseJsonPath(path)).toThrow(/is not understood from/)
    },
  )

  it('finds every field that an object has, whatever its name', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.jsonValue(), (name, value) => {
        const quoted = name.replaceAll(/[\\']/g, '\\$&')
        expect(valuesAt({ [name]: value }, parseJsonPath(`{['${quoted}']}`))).toEqual([value])
      }),
    )
  })

  it('of any text is read or refused', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          valuesAt(pod, parseJsonPath(text))
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
        }
      }),
    )
  })
})
