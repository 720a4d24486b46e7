import { describe, expect, it } from 'vitest'
import type { DaemonSet, NodeObject, Pod } from '../../../../../src/local/controllers/core/shapes.ts'
import { daemonStatus, nodesFor, planDaemons } from '../../../../../src/local/controllers/daemon/daemon-plan.ts'

const NOW_MS = Date.parse('2026-01-01T00:01:00Z')

function set(more: Partial<DaemonSet['spec']> = {}, pod: object = {}): DaemonSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent', generation: 3 },
    spec: { selector: {}, template: { spec: { containers: [], ...pod } }, ...more },
  }
}

const node = (name: string, spec: NodeObject['spec'] = {}, labels = {}): NodeObject => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels },
  spec,
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
})

/** `a` runs on node a and is ready and new, `a?` is not ready, `a!` goes, `ax` has failed, `a'` is of the old template. */
function pods(text: string): Pod[] {
  return text.split(' ').flatMap((word, i) => {
    const [, nodeName, marks = ''] = /^([a-w])(.*)$/.exec(word) ?? []
    if (nodeName === undefined) return []
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${nodeName}${i}`,
        creationTimestamp: `2026-01-01T00:00:0${i}Z`,
        labels: { 'controller-revision-hash': marks.includes("'") ? 'old' : 'new' },
        ...(marks.includes('!') ? { deletionTimestamp: '2026-01-01T00:01:00Z' } : {}),
      },
      spec: { containers: [], nodeName },
      status: {
        phase: marks.includes('x') ? 'Failed' : 'Running',
        conditions: /[?x]/.test(marks)
          ? []
          : [{ type: 'Ready', status: 'True' as const, lastTransitionTime: '2026-01-01T00:00:30Z' }],
      },
    }
  })
}

describe('the pods of a DaemonSet', () => {
  it.each<[string, DaemonSet, readonly NodeObject[], readonly string[]]>([
    ['are on every node', set(), [node('a'), node('b')], ['a', 'b']],
    ['are on a node that takes no others', set(), [node('a', { unschedulable: true })], ['a']],
    ['are not on a tainted one', set(), [node('a', { taints: [{ key: 'k', effect: 'NoSchedule' }] })], []],
    [
      'are there when they tolerate it',
      set({}, { tolerations: [{ operator: 'Exists' }] }),
      [node('a', { taints: [{ key: 'k', effect: 'NoSchedule' }] })],
      ['a'],
    ],
    [
      'are where their selector says',
      set({}, { nodeSelector: { disk: 'fast' } }),
      [node('a'), node('b', {}, { disk: 'fast' })],
      ['b'],
    ],
  ])('%s', (_says, daemons, nodes, wanted) => {
    expect(nodesFor(daemons, nodes)).toEqual(wanted)
  })

  const slow = { updateStrategy: { rollingUpdate: { maxUnavailable: '50%' } } }
  it.each<[string, Partial<DaemonSet['spec']>, string, string]>([
    ['come where none is', {}, 'a', '+b +c'],
    ['wait for one that goes', {}, 'a! b c', ''],
    ['go from where they should not be', {}, 'a b c d', '-d3'],
    ['go when they have ended', {}, 'ax b c', '-a0'],
    ['are one for each node, the oldest', {}, 'a a b c', '-a1'],
    ['are replaced one after the other', {}, "a' b' c'", '-a0'],
    ['are not replaced while one is missing', {}, "a' b? c'", ''],
    ['are replaced at once when they serve nobody', {}, "a'? b' c'", '-a0'],
    ['are replaced as many at a time as may be missing', slow, "a' b' c'", '-a0 -b1'],
    ['stay until the user deletes them', { updateStrategy: { type: 'OnDelete' } }, "a' b' c'", ''],
  ])('%s', (_says, spec, there, steps) => {
    const { create, remove } = planDaemons(set(spec), 'new', ['a', 'b', 'c'], pods(there), NOW_MS)
    expect([...create.map((name) => `+${name}`), ...remove.map(({ metadata }) => `-${metadata.name}`)].join(' ')).toBe(
      steps,
    )
  })

  it('are counted in its status', () => {
    const { status, againMs } = daemonStatus(
      set({ minReadySeconds: 60 }),
      'new',
      ['a', 'b', 'c'],
      pods("a b' c? d"),
      NOW_MS,
    )
    expect([status, againMs]).toEqual([
      {
        desiredNumberScheduled: 3,
        currentNumberScheduled: 3,
        numberMisscheduled: 1,
        numberReady: 2,
        numberAvailable: 0,
        numberUnavailable: 3,
        updatedNumberScheduled: 2,
        observedGeneration: 3,
      },
      30_000,
    ])
  })
})
