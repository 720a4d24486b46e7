import { describe, expect, it } from 'vitest'
import { fieldValue, resourceValue } from '../../../../src/local/pod-plan/downward.ts'
import { fieldRef, resourceRef } from '../../../../src/local/pod-plan/downward-spec.ts'

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'p',
    namespace: 'shop',
    uid: 'u-1',
    labels: { b: '2', 'app.kubernetes.io/name': 'x' },
    annotations: { note: 'say "hi"\n' },
  },
  spec: { nodeName: 'node-a', serviceAccountName: 'cart' },
}
const addresses = { podIps: ['10.244.1.2', 'fd00::2'], hostIps: ['10.243.0.2', 'fd00::3'] }
const problems = (read: (report: (path: readonly unknown[], problem: string) => void) => unknown): string[] => {
  const found: string[] = []
  read((path, problem) => found.push(`${path.join('.')} ${problem}`))
  return found
}
const shown = (place: 'environment' | 'file', fieldPath: string): string => {
  const ref = fieldRef(place)({ fieldPath }, [], (_path, problem) => {
    throw new Error(problem)
  })
  return fieldValue(pod, ref, addresses)
}

describe('a field of the pod', () => {
  it.each([
    ['metadata.name', 'p'],
    ['metadata.namespace', 'shop'],
    ['metadata.uid', 'u-1'],
    ["metadata.labels['b']", '2'],
    ["metadata.labels['app.kubernetes.io/name']", 'x'],
    ["metadata.labels['none']", ''],
    ["metadata.annotations['note']", 'say "hi"\n'],
    ['spec.nodeName', 'node-a'],
    ['spec.serviceAccountName', 'cart'],
    ['status.podIP', '10.244.1.2'],
    ['status.podIPs', '10.244.1.2,fd00::2'],
    ['status.hostIP', '10.243.0.2'],
    ['status.hostIPs', '10.243.0.2,fd00::3'],
  ])('%s is the variable %j', (fieldPath, value) => {
    expect(shown('environment', fieldPath)).toBe(value)
  })

  it('can be all labels or annotations as a file', () => {
    expect(shown('file', 'metadata.labels')).toBe('app.kubernetes.io/name="x"\nb="2"')
    expect(shown('file', 'metadata.annotations')).toBe('note="say \\"hi\\"\\n"')
  })

  it.each([
    ['environment', 'metadata.labels'],
    ['file', 'spec.nodeName'],
    ['file', 'status.podIP'],
    ['environment', 'spec.containers'],
    ['environment', "metadata.labels['']"],
    ['environment', 'metadata.constructor'],
  ] as const)('in an %s cannot be %s', (place, fieldPath) => {
    expect(problems((report) => fieldRef(place)({ fieldPath }, ['at'], report))).toEqual([
      expect.stringContaining('at.fieldPath'),
    ])
  })
})

describe('a resource', () => {
  const machine = { cpus: 4, memoryBytes: 8_000_000_000 }
  const resources = { limits: { cpu: '1500m', memory: '100Mi' }, requests: { cpu: '250m' } }
  const inUnits = (resource: string, divisor?: string): string =>
    resourceValue(
      { resources },
      resourceRef({ resource, ...(divisor === undefined ? {} : { divisor }) }, [], () => {
        throw new Error('unexpected')
      }),
      machine,
    )

  it.each([
    ['limits.cpu', undefined, '2'],
    ['limits.cpu', '0', '2'],
    ['limits.cpu', '1m', '1500'],
    ['limits.memory', '1', '104857600'],
    ['limits.memory', '1Mi', '100'],
    ['limits.memory', '1Gi', '1'],
    ['requests.cpu', '1m', '250'],
    ['requests.memory', '1Mi', '100'],
    ['requests.ephemeral-storage', '1', '0'],
  ])('%s in units of %s is %s, rounded up', (resource, divisor, value) => {
    expect(inUnits(resource, divisor)).toBe(value)
  })

  it('without a limit is all of the machine', () => {
    const none = { resources: { limits: {}, requests: {} } }
    const ref = { containerName: '', list: 'limits', resource: 'cpu', divisor: '1' } as const
    expect(resourceValue(none, ref, machine)).toBe('4')
    expect(resourceValue(none, { ...ref, resource: 'memory' }, machine)).toBe('8000000000')
  })

  it.each([
    [{ resource: 'cpu' }, 'resource must be'],
    [{ resource: 'limits.gpu' }, 'resource must be'],
    [{ resource: 'limits.cpu', divisor: 'x' }, 'divisor must be'],
    [{ resource: 'limits.cpu', divisor: '-1' }, 'divisor must be'],
  ])('written as %j is refused', (written, problem) => {
    expect(problems((report) => resourceRef(written, [], report))).toEqual([expect.stringContaining(problem)])
  })
})
