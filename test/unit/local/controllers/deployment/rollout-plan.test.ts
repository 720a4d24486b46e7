import { describe, expect, it } from 'vitest'
import type { Deployment, ReplicaSet } from '../../../../../src/local/controllers/core/shapes.ts'
import {
  limitsOf,
  shareOut,
  shrinkOldSets,
  sizeOfNewSet,
} from '../../../../../src/local/controllers/deployment/rollout-plan.ts'
import { templateHash } from '../../../../../src/local/controllers/deployment/template.ts'

type Limit = number | string

function deployment(replicas: number, maxSurge: Limit = '25%', maxUnavailable: Limit = '25%'): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      replicas,
      selector: {},
      template: { spec: { containers: [] } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
    },
  }
}

/** @param desired the deployment's replicas when the set was last sized */
function set(name: string, replicas: number, available = replicas, desired = 10): ReplicaSet {
  const annotations = {
    'deployment.kubernetes.io/desired-replicas': `${desired}`,
    'deployment.kubernetes.io/max-replicas': `${desired + Math.ceil(desired / 4)}`,
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, creationTimestamp: `2026-01-01T00:00:0${name.length}Z`, annotations },
    spec: { replicas, selector: {}, template: { spec: { containers: [] } } },
    status: { replicas, availableReplicas: available },
  }
}

const sizes = (scalings: readonly { set: ReplicaSet; replicas: number }[]): object =>
  Object.fromEntries(scalings.map((each) => [each.set.metadata.name, each.replicas]))

describe('the limits of a rollout', () => {
  it.each([
    { replicas: 10, surge: '25%', unavailable: '25%', has: { surge: 3, unavailable: 2 } },
    { replicas: 1, surge: '25%', unavailable: '25%', has: { surge: 1, unavailable: 0 } },
    { replicas: 3, surge: 0, unavailable: 0, has: { surge: 0, unavailable: 1 } },
    { replicas: 3, surge: 0, unavailable: '10%', has: { surge: 0, unavailable: 1 } },
    { replicas: 2, surge: 1, unavailable: 5, has: { surge: 1, unavailable: 2 } },
    { replicas: 0, surge: 1, unavailable: 1, has: { surge: 0, unavailable: 0 } },
  ])('of $replicas with $surge and $unavailable are $has', ({ replicas, surge, unavailable, has }) => {
    expect(limitsOf(deployment(replicas, surge, unavailable))).toEqual(has)
  })
})

describe('a step of a rollout', () => {
  it.each([
    { says: 'grows into the surge', wanted: deployment(10), current: 0, sets: [set('o', 10)], has: 3 },
    {
      says: 'grows as the old ones shrink',
      wanted: deployment(10),
      current: 3,
      sets: [set('o', 8), set('new', 3)],
      has: 5,
    },
    { says: 'never grows beyond what is wanted', wanted: deployment(4), current: 3, sets: [set('new', 3)], has: 4 },
    {
      says: 'waits when there is no room',
      wanted: deployment(10),
      current: 3,
      sets: [set('o', 10), set('new', 3)],
      has: 3,
    },
    { says: 'shrinks to what is wanted', wanted: deployment(2), current: 5, sets: [set('new', 5)], has: 2 },
  ])('$says', ({ wanted, current, sets, has }) => {
    expect(sizeOfNewSet(wanted, current, sets)).toBe(has)
  })

  it.each([
    { says: 'as far as enough stay available', fresh: set('new', 3, 3), old: [set('o', 10)], has: { o: 5 } },
    { says: 'less while new ones are not available', fresh: set('new', 3, 0), old: [set('o', 10)], has: { o: 8 } },
    {
      says: 'broken ones first, in any set',
      fresh: set('new', 3, 3),
      old: [set('o', 5), set('oo', 5, 1)],
      has: { o: 4, oo: 1 },
    },
    { says: 'not at all when too few are available', fresh: set('new', 3, 0), old: [set('o', 8)], has: {} },
  ])('shrinks old sets $says', ({ fresh, old, has }) => {
    expect(sizes(shrinkOldSets(deployment(10), fresh, old))).toEqual(has)
  })
})

describe('scaling in the middle of a rollout', () => {
  it.each([
    {
      says: 'shares growth by size',
      wanted: 20,
      fresh: set('new', 5, 3),
      old: [set('o', 8, 8)],
      has: { new: 10, o: 15 },
    },
    {
      says: 'shares shrinking by size',
      wanted: 5,
      fresh: set('new', 5, 3),
      old: [set('o', 8, 8)],
      has: { new: 3, o: 4 },
    },
    { says: 'ends all at zero', wanted: 0, fresh: set('new', 5, 3), old: [set('o', 8, 8)], has: { new: 0, o: 0 } },
    { says: 'sizes the only set', wanted: 7, fresh: set('new', 3), old: [set('o', 0)], has: { new: 7 } },
    {
      says: 'remembers the number of a set that has it already',
      wanted: 3,
      fresh: set('new', 3),
      old: [],
      has: { new: 3 },
    },
  ])('$says', ({ wanted, fresh, old, has }) => {
    expect(sizes(shareOut(deployment(wanted), fresh, old))).toEqual(has)
  })
})

describe('the hash of a template', () => {
  const template = { metadata: { labels: { a: '1', b: '2' } }, spec: { containers: [{ name: 'c', image: 'x' }] } }

  it('does not depend on the order of keys, nor on the hash label itself', () => {
    const other = {
      spec: { containers: [{ image: 'x', name: 'c' }] },
      metadata: { labels: { b: '2', 'pod-template-hash': 'abc', a: '1' } },
    }
    expect(templateHash(other, 0)).toBe(templateHash(template, 0))
  })

  it('depends on everything else, and on collisions', () => {
    const others = [
      templateHash(template, 1),
      templateHash({ ...template, spec: { containers: [{ name: 'c', image: 'y' }] } }, 0),
      templateHash({ ...template, metadata: { labels: { a: '1' } } }, 0),
    ]
    expect(new Set([templateHash(template, 0), ...others]).size).toBe(4)
  })
})
