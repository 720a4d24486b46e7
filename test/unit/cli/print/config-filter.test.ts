import { describe, expect, it } from 'vitest'
import { filterDump, readConfigDump } from '../../../../src/cli/print/index.ts'

const dump = {
  workloads: [
    {
      name: 'web',
      namespace: 'shop',
      node: 'a',
      workloadIps: ['10.0.0.1', 'fd00::1'],
      protocol: 'HBONE',
      status: 'Healthy',
    },
    { name: 'db', namespace: 'data', node: 'b', workloadIps: ['10.0.0.2'], protocol: 'TCP', status: 'Healthy' },
  ],
  services: [{ name: 'web', namespace: 'shop', vips: [] }],
  policies: [{ name: 'deny', namespace: 'shop', action: 'Deny', scope: 'Namespace' }],
  certificates: [],
  workloadState: {
    u1: {
      state: 'Up',
      info: { name: 'web', namespace: 'shop' },
      connections: { inbound: [{ src: 'i' }], outbound: [{ src: 'o' }] },
    },
    u2: { state: 'Pending' },
  },
}
const read = readConfigDump(JSON.stringify(dump))

describe('a config dump', () => {
  it('is the same whether its lists are lists or objects by key', () => {
    const { workloadState: workloadstate, ...rest } = dump
    const byKey = { ...rest, workloads: { u1: dump.workloads[0], u2: dump.workloads[1] }, workloadstate }
    expect(readConfigDump(JSON.stringify(byKey))).toEqual(read)
    expect(readConfigDump('{}')).toEqual({ workloads: [], services: [], policies: [], certificates: [] })
  })

  it.each(['', 'null', '[]', '{', 'not found'])('is not read from %j', (text) => {
    expect(() => readConfigDump(text)).toThrow('no config dump')
  })

  it.each([
    [{ workloadNamespace: 'shop' }, ['web']],
    [{ workloadNode: 'b' }, ['db']],
    [{ address: 'fd00::1' }, ['web']],
    [{ address: '10.0.0.9' }, []],
    [{}, ['web', 'db']],
  ])('shows only workloads as %j wants', (filter, names) => {
    expect(filterDump(read, filter).workloads.map(({ name }) => name)).toEqual(names)
  })

  it('shows only services, policies and connections that are asked for', () => {
    expect(filterDump(read, { serviceNamespace: 'data', policyNamespace: 'data' })).toMatchObject({
      services: [],
      policies: [],
    })
    expect(filterDump(read, { serviceNamespace: 'shop', policyNamespace: 'shop' }).services).toHaveLength(1)
    const inbound = filterDump(read, { direction: 'inbound' }).workloadState
    expect(inbound).toMatchObject({
      u1: { connections: { inbound: [{ src: 'i' }], outbound: [] } },
      u2: { state: 'Pending' },
    })
    expect(Object.keys(filterDump(read, { workloadNamespace: 'shop' }).workloadState ?? {})).toEqual(['u1'])
  })
})
