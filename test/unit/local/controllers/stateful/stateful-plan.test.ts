import { describe, expect, it } from 'vitest'
import type { Pod, StatefulSet } from '../../../../../src/local/controllers/core/shapes.ts'
import { planStateful, statefulStatus } from '../../../../../src/local/controllers/stateful/stateful-plan.ts'

const NOW_MS = Date.parse('2026-01-01T00:01:00Z')

function set(spec: Partial<StatefulSet['spec']> = {}, status: StatefulSet['status'] = {}): StatefulSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'shop', generation: 7 },
    spec: { replicas: 3, selector: {}, template: { spec: { containers: [] } }, ...spec },
    status,
  }
}

/** `0` is ready and new, `0?` not ready, `0!` going, `0x` failed, `0'` of the old template; in any mixture. */
function pods(text: string): Pod[] {
  return text.split(' ').flatMap((word) => {
    const [, ordinal, marks = ''] = /^(\d+)(.*)$/.exec(word) ?? []
    if (ordinal === undefined) return []
    const isReady = !/[?x]/.test(marks)
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `db-${ordinal}`,
        labels: { 'controller-revision-hash': marks.includes("'") ? 'old' : 'new' },
        ...(marks.includes('!') ? { deletionTimestamp: '2026-01-01T00:01:00Z' } : {}),
      },
      spec: { containers: [] },
      status: {
        phase: marks.includes('x') ? 'Failed' : 'Running',
        conditions: isReady
          ? [{ type: 'Ready', status: 'True' as const, lastTransitionTime: '2026-01-01T00:00:00Z' }]
          : [],
      },
    }
  })
}

const plan = (spec: Partial<StatefulSet['spec']>, there: string): string => {
  const { create, remove } = planStateful(set(spec), 'new', pods(there), NOW_MS)
  return [
    ...create.map((ordinal) => `+${ordinal}`),
    ...remove.map(({ metadata }) => `-${metadata.name.slice(3)}`),
  ].join(' ')
}

describe('the next steps of a StatefulSet', () => {
  const parallel = { podManagementPolicy: 'Parallel' } as const
  it.each<[string, Partial<StatefulSet['spec']>, string, string]>([
    ['begin with the first pod', {}, '', '+0'],
    ['wait for it', {}, '0?', ''],
    ['go on with the next when it is ready', {}, '0', '+1'],
    ['wait until it has been ready for long enough', { minReadySeconds: 90 }, '0', ''],
    ['fill a gap before anything else', {}, '0 2', '+1'],
    ['wait for a pod that goes, whose name is still taken', {}, '0! 1 2', ''],
    ['take away what has ended, to make it again', {}, '0x 1 2', '-0'],
    ['are none when all are there', {}, '0 1 2', ''],
    ['take the last away when there are too many', { replicas: 1 }, '0 1 2', '-2'],
    ['take the next when that is gone', { replicas: 1 }, '0 1 2!', ''],
    ['wait with that until those that stay are ready', { replicas: 2 }, '0 1? 2', ''],
    ['count from another start', { ordinals: { start: 5 }, replicas: 2 }, '5', '+6'],
    ['replace old ones from the last', {}, "0' 1' 2'", '-2'],
    ['one after the other', {}, "0' 1' 2?", ''],
    ['until all are new', {}, "0' 1 2", '-0'],
    ['replace an old one that does not become ready at once', {}, "0 1'?", '-1'],
    ['leave old ones when the user replaces them', { updateStrategy: { type: 'OnDelete' } }, "0' 1' 2'", ''],
    ['make all at once in parallel', parallel, '', '+0 +1 +2'],
    ['take all away at once in parallel', { ...parallel, replicas: 1 }, '0 1 2', '-2 -1'],
    ['replace one at a time also in parallel', parallel, "0' 1' 2'", '-2'],
    ['leave pods of other names alone', { replicas: 0 }, '', ''],
  ])('%s', (_says, spec, there, steps) => {
    expect(plan(spec, there)).toBe(steps)
  })

  it.each([
    ['0 1 2', { readyReplicas: 3, updatedReplicas: 3, currentRevision: 'db-new', updateRevision: 'db-new' }],
    ["0' 1' 2?", { readyReplicas: 2, updatedReplicas: 1, currentRevision: 'db-old', currentReplicas: 2 }],
    ['0 1', { replicas: 2, availableReplicas: 2, currentRevision: 'db-old', observedGeneration: 7 }],
  ])('show in its status: %s', (there, shown) => {
    const { status } = statefulStatus(set({}, { currentRevision: 'db-old' }), 'new', pods(there), NOW_MS)
    expect(status).toMatchObject(shown)
  })
})
