import { describe, expect, it } from 'vitest'
import type { MeshStatus, PodStatus, ProgramStatus } from '#shared/control'
import {
  certificateLine,
  isPassed,
  type MachineFacts,
  machineFacts,
  machineLines,
  meshLines,
  objectLines,
  reportText,
  workloadLine,
} from '../../../../src/cli/checks/index.ts'
import type { ConfigDump } from '../../../../src/cli/print/index.ts'

const machine: MachineFacts = {
  platform: 'linux',
  nodeVersion: '24.1.0',
  missingTools: [],
  namespaceProblem: '',
  hasNfTables: true,
  hasIpv6: true,
  hasOverlay: true,
  hasKubectl: true,
}

describe('a report', () => {
  it('has a sign for each line, hints below, and a verdict', () => {
    const lines = [
      { section: 'one', outcome: 'ok', text: 'a', hint: '' },
      { section: 'two', outcome: 'failure', text: 'b', hint: 'Do c.' },
      { section: 'one', outcome: 'warning', text: 'd', hint: 'Do e.' },
    ] as const
    expect(reportText(lines)).toBe(
      'one\n---\n√ a\n‼ d\n    Do e.\n\ntwo\n---\n× b\n    Do c.\n\nStatus check results are ×\n',
    )
    expect(isPassed(lines)).toBe(false)
    expect(isPassed(lines.filter(({ outcome }) => outcome !== 'failure'))).toBe(true)
  })
})

describe('a machine', () => {
  it('that has everything passes without a warning', () => {
    expect(machineLines(machine).every(({ outcome }) => outcome === 'ok')).toBe(true)
  })

  it.each<[Partial<MachineFacts>, string, RegExp]>([
    [{ platform: 'darwin' }, 'failure', /needs Linux/],
    [{ nodeVersion: '22.9.0' }, 'failure', /Node 24 or newer/],
    [{ missingTools: ['ip', 'unshare', 'nsenter'] }, 'failure', /package\(s\) iproute2, util-linux/],
    [{ namespaceProblem: 'run as root' }, 'failure', /run as root/],
    [{ hasNfTables: false }, 'warning', /modprobe nf_tables/],
    [{ hasNfTables: undefined }, 'warning', /modprobe nf_tables/],
    [{ hasIpv6: false }, 'warning', /IPv4 only/],
    [{ hasOverlay: undefined }, 'warning', /root file system/],
    [{ hasKubectl: false }, 'warning', /built in/],
  ])('with %j is told what to do', (facts, outcome, hint) => {
    const bad = machineLines({ ...machine, ...facts }).filter((line) => line.outcome !== 'ok')
    expect(bad).toEqual([expect.objectContaining({ outcome, hint: expect.stringMatching(hint) })])
  })

  it('such as this one can be looked at', () => {
    expect(machineFacts('/nowhere')).toMatchObject({ platform: 'linux', hasKubectl: false, missingTools: [] })
  })
})

const program = (name: string, node?: string): ProgramStatus => ({
  name,
  node,
  state: 'ready',
  ready: true,
  pid: 1,
  restarts: 0,
  reason: '',
  log: '',
  netns: '',
})
const pod = (name: string, more: Partial<PodStatus> = {}): PodStatus => ({
  namespace: 'shop',
  name,
  uid: name,
  node: 'node-a',
  addresses: [],
  identity: '',
  enrolled: true,
  captured: true,
  ready: true,
  phase: 'running',
  reason: '',
  pid: 1,
  restarts: 0,
  netns: '',
  containers: [],
  ...more,
})
const status: MeshStatus = {
  version: '0',
  state: 'ready',
  ready: true,
  startedAt: '',
  stateDir: '',
  pid: 1,
  netns: '',
  nodes: [{ name: 'node-a', addresses: [], podCidrs: [], netns: '' }],
  programs: [program('istiod-lite'), program('ztunnel', 'node-a'), program('node-agent', 'node-a')],
  pods: [pod('web')],
  services: [],
  problems: [],
}
const badOf = (more: Partial<MeshStatus>): readonly string[] =>
  meshLines({ ...status, ...more }, [], 0).flatMap(({ outcome, text }) => (outcome === 'failure' ? [text] : []))

describe('a mesh', () => {
  it('that is well passes', () => {
    expect(badOf({})).toEqual([])
  })

  it.each<[Partial<MeshStatus>, string]>([
    [{ programs: status.programs.slice(0, 2) }, 'node-agent of node-a does not run'],
    [
      {
        programs: [
          { ...program('istiod-lite'), ready: false, state: 'backing-off', reason: 'it ended' },
          ...status.programs.slice(1),
        ],
      },
      'istiod-lite is backing-off: it ended',
    ],
    [{ pods: [pod('web', { captured: false })] }, 'pods whose capture is not as their labels say: shop/web'],
    [{ pods: [pod('web', { enrolled: false })] }, 'pods whose capture is not as their labels say: shop/web'],
    [{ pods: [pod('web', { ready: false, reason: 'no image' })] }, 'pods are not ready: shop/web (no image)'],
    [
      { pods: 'abcdefg'.split('').map((name) => pod(name, { ready: false, phase: 'starting' })) },
      'pods are not ready: shop/a (starting), shop/b (starting), shop/c (starting), shop/d (starting), shop/e (starting), and 2 more',
    ],
    [
      { problems: [{ where: 'a.yaml', line: 3, path: 'spec.x', problem: 'is unknown' }] },
      'a.yaml:3: spec.x: is unknown',
    ],
  ])('that is not says so: %j', (more, text) => {
    expect(badOf(more)).toEqual([text])
  })
})

describe('objects that the control plane reads', () => {
  it.each<[string, string | undefined, readonly string[]]>([
    ['all can be used', '{"objects":[],"conditions":[]}', ['ok istiod-lite can use every object as it is written']],
    [
      'one cannot be read',
      '{"objects":[{"where":"shop/a","path":"spec.x","problem":"is unknown"}],"conditions":[]}',
      ['warning shop/a: spec.x: is unknown'],
    ],
    [
      'one works in part',
      '{"objects":[],"conditions":[{"kind":"Service","key":"shop/web","condition":{"message":"no waypoint"}}]}',
      ['warning Service shop/web: no waypoint'],
    ],
    ['it does not answer', undefined, ['failure istiod-lite does not say which objects it can use']],
    ['it answers nonsense', '[]', ['failure istiod-lite does not say which objects it can use']],
    ['it answers no JSON', 'no', ['failure istiod-lite does not say which objects it can use']],
  ])('are told of: %s', (_, text, lines) => {
    expect(objectLines(text).map((line) => `${line.outcome} ${line.text}`)).toEqual(lines)
  })
})

describe('certificates of a node', () => {
  const dump = (...certificates: ConfigDump['certificates']): ConfigDump => ({
    workloads: [],
    services: [],
    policies: [],
    certificates,
  })
  const pem = { serialNumber: '1', validFrom: '2026-01-01T00:00:00Z', expirationTime: '2026-01-02T00:00:00Z' }
  const certificate = { identity: 'spiffe://a', state: 'Available', certChain: [pem], rootCerts: [] }

  it.each<[string, ConfigDump | undefined, string, RegExp]>([
    ['good', dump(certificate), '2026-01-01T12:00:00Z', /are valid \(1\)/],
    ['over', dump(certificate), '2026-01-02T00:00:00Z', /spiffe:\/\/a is not valid now/],
    ['not begun', dump(certificate), '2025-12-31T00:00:00Z', /is not valid now/],
    [
      'not there yet',
      dump({ ...certificate, state: 'Initializing', certChain: [] }),
      '2026-01-01T12:00:00Z',
      /is Initializing/,
    ],
    [
      'with a date that is none',
      dump({ ...certificate, certChain: [{ ...pem, expirationTime: 'soon' }] }),
      '2026-01-01T12:00:00Z',
      /is not valid now/,
    ],
    ['unknown', undefined, '2026-01-01T12:00:00Z', /does not answer/],
  ])('are looked at: %s', (name, given, now, text) => {
    const line = certificateLine('node-a', given, Date.parse(now))
    expect(line).toMatchObject({ outcome: name === 'good' ? 'ok' : 'failure', text: expect.stringMatching(text) })
  })
})

describe('a workload of the mesh on a cluster', () => {
  const set = (name: string, status: object): Record<string, unknown> => ({ metadata: { name }, status })
  const line = (...found: Record<string, unknown>[]): object =>
    workloadLine('ztunnel', found, ['ztunnel'], 'wanted', 'ready')

  it.each<[Record<string, unknown>[], string, string]>([
    [[set('ztunnel', { wanted: 2, ready: 2 })], 'ok', 'ztunnel is ready (2/2)'],
    [[set('ztunnel-canary', { wanted: 1, ready: 1 }), set('other', { wanted: 9 })], 'ok', 'ztunnel is ready (1/1)'],
    [[set('ztunnel', { wanted: 2, ready: 1 })], 'failure', 'ztunnel is not ready (1/2)'],
    [[set('ztunnel', {})], 'failure', 'ztunnel is not ready (0/0)'],
    [[set('other', {})], 'failure', 'ztunnel is not installed in istio-system'],
  ])('%j', (found, outcome, text) => {
    expect(line(...found)).toMatchObject({ outcome, text })
  })
})
