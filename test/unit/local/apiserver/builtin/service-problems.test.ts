import { describe, expect, it } from 'vitest'
import { service } from '../../../../../src/local/apiserver/builtin/service.ts'
import type { ApiObject } from '../../../../../src/local/apiserver/index.ts'

const [version] = service.versions
if (version === undefined) throw new Error('no version')
const made = (spec: object): ApiObject =>
  service.defaulted({ apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec }, version)
const problems = (spec: object, old?: object): string[] =>
  service
    .validate(made(spec), old === undefined ? undefined : made(old), version)
    .map(({ field, problem }) => `${field}: ${problem}`)

describe('a Service', () => {
  it('gets what it leaves out', () => {
    expect(made({ ports: [{ port: 80 }] }).spec).toMatchObject({
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    })
    expect(made({ type: 'NodePort', ports: [{ port: 80 }] }).spec).toMatchObject({ externalTrafficPolicy: 'Cluster' })
  })

  it.each<[string, object, object | undefined, RegExp[]]>([
    ['as it should be', { ports: [{ port: 80 }] }, undefined, []],
    ['headless without ports', { clusterIP: 'None' }, undefined, []],
    ['without ports', {}, undefined, [/^spec\.ports: Required/]],
    [
      'with a port out of range',
      { ports: [{ port: 70_000 }] },
      undefined,
      [/^spec\.ports\[0\]\.port: Invalid/, /targetPort: Invalid/],
    ],
    [
      'with two ports and no names',
      { ports: [{ port: 1 }, { port: 2 }] },
      undefined,
      [/ports\[0\]\.name: Required/, /ports\[1\]\.name: Required/],
    ],
    [
      'with one port twice',
      {
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 1 },
        ],
      },
      undefined,
      [/ports\[1\]: Duplicate/],
    ],
    [
      'with a type that is none',
      { type: 'Magic', ports: [{ port: 1 }] },
      undefined,
      [/^spec\.type: Unsupported value: "Magic"/],
    ],
    ['with an address that is none', { clusterIP: 'x', ports: [{ port: 1 }] }, undefined, [/clusterIPs\[0\]: Invalid/]],
    [
      'that changes its address',
      { clusterIP: '10.0.0.2', ports: [{ port: 1 }] },
      { clusterIP: '10.0.0.1', ports: [{ port: 1 }] },
      [/may not change once set/],
    ],
    [
      'that becomes a name',
      { type: 'ExternalName', externalName: 'a.b' },
      { clusterIP: '10.0.0.1', ports: [{ port: 1 }] },
      [],
    ],
    ['that is a name without one', { type: 'ExternalName' }, undefined, [/^spec\.externalName: Required/]],
  ])('%s', (_what, spec, old, wanted) => {
    const found = problems(spec, old)
    expect(found).toHaveLength(wanted.length)
    for (const [i, pattern] of wanted.entries()) expect(found[i]).toMatch(pattern)
  })
})
