import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiObject } from '../../../../../src/local/apiserver/index.ts'
import { runController } from '../../../../../src/local/controllers/core/controller.ts'
import { DEPLOYMENTS, PODS, REPLICA_SETS, refOf, refTo } from '../../../../../src/local/controllers/core/kinds.ts'
import type { Deployment, Pod, ReplicaSet } from '../../../../../src/local/controllers/core/shapes.ts'
import { deployments } from '../../../../../src/local/controllers/deployment/deployments.ts'
import { replicaSets } from '../../../../../src/local/controllers/workloads/replica-sets.ts'
import { FakeClock } from '../../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../../support/memory-access.ts'
import { quietLogger } from '../../../../support/quiet-logger.ts'

const WEB = refOf(DEPLOYMENTS, 'shop', 'web')

describe('deployments with replica sets', () => {
  let clock: FakeClock
  let access: MemoryAccess
  let running: { close(): Promise<void> }[]

  beforeEach(() => {
    clock = new FakeClock()
    access = new MemoryAccess(clock)
    const environment = { access, clock, logger: quietLogger }
    running = [deployments(environment), replicaSets(environment)].map((each) => runController(each, environment))
  })
  afterEach(() => Promise.all(running.map((each) => each.close())))

  const create = (spec: Partial<Deployment['spec']> = {}): Promise<ApiObject> =>
    access.create({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: template('web:1'), ...spec },
    })
  const web = (): Deployment => access.get(WEB) as Deployment
  const pods = (): readonly Pod[] => access.list({ group: '', resource: 'pods', namespace: 'shop' }).items as Pod[]
  const sets = (): readonly ReplicaSet[] =>
    access.list({ group: 'apps', resource: 'replicasets', namespace: 'shop' }).items as ReplicaSet[]
  const images = (): readonly unknown[] =>
    pods()
      .map(({ spec }) => spec.containers[0]?.image)
      .sort()
  const condition = (type: string): unknown =>
    web()
      .status?.conditions?.filter((each) => each.type === type)
      .map(({ status, reason }) => `${status} ${reason}`)[0]

  /** Lets the controllers come to rest, as a kubelet would make pods ready: so many at a time. */
  async function run(options: { readonly ready?: boolean; readonly each?: () => void } = {}): Promise<void> {
    for (let round = 0; round < 60; round++) {
      await clock.advance(20)
      options.each?.()
      if (options.ready === false) continue
      for (const pod of pods()) if (pod.status?.phase !== 'Running') await makeReady(access, pod)
    }
  }

  it('makes one set with its pods, and tells when all are available', async () => {
    await create()
    await run()
    expect(images()).toEqual(['web:1', 'web:1', 'web:1'])
    expect(sets()).toHaveLength(1)
    expect(sets()[0]?.metadata.labels?.['pod-template-hash']).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]+$/)
    expect(web().metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('1')
    expect(web().status).toMatchObject({ observedGeneration: 1, replicas: 3, updatedReplicas: 3, availableReplicas: 3 })
    expect(condition('Available')).toBe('True MinimumReplicasAvailable')
    expect(condition('Progressing')).toBe('True NewReplicaSetAvailable')
  })

  it('rests when there is nothing to do', async () => {
    await create()
    await run()
    const before = access.writes.length
    await run()
    expect(access.writes.length).toBe(before)
  })

  it.each([
    { maxSurge: 1, maxUnavailable: 0, least: 3, most: 4 },
    { maxSurge: 0, maxUnavailable: 1, least: 2, most: 3 },
    { maxSurge: '50%', maxUnavailable: '34%', least: 2, most: 5 },
  ])('keeps between its limits while rolling out: $maxSurge above, $maxUnavailable below', async (row) => {
    await create({ strategy: { type: 'RollingUpdate', rollingUpdate: row } })
    await run()
    await access.set(WEB, { spec: { template: template('web:2') } })
    const seen = { least: 9, most: 0 }
    await run({
      each: () => {
        const available = pods().filter(({ status }) => status?.phase === 'Running').length
        seen.least = Math.min(seen.least, available)
        seen.most = Math.max(seen.most, pods().length)
      },
    })
    expect(images()).toEqual(['web:2', 'web:2', 'web:2'])
    expect(seen.least).toBeGreaterThanOrEqual(row.least)
    expect(seen.most).toBeLessThanOrEqual(row.most)
    expect(condition('Progressing')).toBe('True NewReplicaSetAvailable')
  })

  it('ends all old pods before the first new one when it recreates', async () => {
    await create({ strategy: { type: 'Recreate' } })
    await run()
    await access.set(WEB, { spec: { template: template('web:2') } })
    const mixes = new Set<number>()
    await run({ each: () => mixes.add(new Set(images()).size) })
    expect(images()).toEqual(['web:2', 'web:2', 'web:2'])
    expect(mixes).not.toContain(2)
  })

  it('takes the old set again when its template comes back, as a new revision with its history', async () => {
    await create()
    await run()
    await access.set(WEB, { spec: { template: template('web:2') } })
    await run()
    await access.set(WEB, { spec: { template: template('web:1') } })
    await run()
    expect(sets()).toHaveLength(2)
    expect(web().metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('3')
    const current = sets().find(({ spec }) => spec.replicas === 3)
    expect(current?.metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/revision': '3',
      'deployment.kubernetes.io/revision-history': '1',
    })
    expect(images()).toEqual(['web:1', 'web:1', 'web:1'])
  })

  it('keeps as many old sets as its history limit says', async () => {
    await create({ revisionHistoryLimit: 1 })
    for (const image of ['web:2', 'web:3', 'web:4']) {
      await run()
      await access.set(WEB, { spec: { template: template(image) } })
    }
    await run()
    expect(
      sets()
        .map(({ spec }) => spec.template.spec.containers[0]?.image)
        .sort(),
    ).toEqual(['web:3', 'web:4'])
  })

  it('scales without a new revision', async () => {
    await create()
    await run()
    await access.set(WEB, { spec: { replicas: 5 } })
    await run()
    expect(pods()).toHaveLength(5)
    await access.set(WEB, { spec: { replicas: 0 } })
    await run()
    expect(pods()).toHaveLength(0)
    expect(sets()).toHaveLength(1)
    expect(condition('Available')).toBe('True MinimumReplicasAvailable')
  })

  it('rolls out nothing while paused, but scales, and goes on when resumed', async () => {
    await create()
    await run()
    await access.set(WEB, { spec: { paused: true, template: template('web:2'), replicas: 4 } })
    await run()
    expect(images()).toEqual(['web:1', 'web:1', 'web:1', 'web:1'])
    expect(condition('Progressing')).toBe('Unknown DeploymentPaused')
    await access.set(WEB, { spec: { paused: null } })
    await run()
    expect(images()).toEqual(['web:2', 'web:2', 'web:2', 'web:2'])
    expect(condition('Progressing')).toBe('True NewReplicaSetAvailable')
  })

  it('stops at pods that never become ready, and says so after the deadline', async () => {
    await create({ progressDeadlineSeconds: 60 })
    await run()
    await access.set(WEB, { spec: { template: template('web:broken') } })
    await run({ ready: false })
    expect(images().filter((image) => image === 'web:1')).toHaveLength(3)
    expect(condition('Progressing')).toBe('True ReplicaSetUpdated')
    await clock.advance(61_000)
    expect(condition('Progressing')).toBe('False ProgressDeadlineExceeded')
  })

  it('shows why no pod can be made, tries again, and forgets it when it works', async () => {
    access.refuse = (write, { resource }) => {
      if (write === 'create' && resource === 'pods') throw new Error('no pods today')
    }
    await create()
    await run()
    expect(condition('ReplicaFailure')).toBe('True FailedCreate')
    access.refuse = () => {}
    await clock.advance(60_000)
    await run()
    expect(pods()).toHaveLength(3)
    expect(condition('ReplicaFailure')).toBeUndefined()
  })

  it('lets go a pod that is relabelled, makes another, and takes in a matching one that nobody owns', async () => {
    await create({ replicas: 1 })
    await run()
    const [first] = pods()
    await access.set(refTo(PODS, first!), { metadata: { labels: { app: 'debug' } } })
    await run()
    expect(pods()).toHaveLength(2)
    expect(pods().find(({ metadata }) => metadata.name === first?.metadata.name)?.metadata.ownerReferences).toEqual([])
    const hash = sets()[0]?.metadata.labels?.['pod-template-hash'] ?? ''
    await access.create({
      ...pods()[0]!,
      metadata: { name: 'stray', namespace: 'shop', labels: { app: 'web', 'pod-template-hash': hash } },
    })
    await run()
    expect(pods().filter(({ metadata }) => metadata.labels?.app === 'web')).toHaveLength(1)
  })

  it('takes a set out of the way whose name another template has', async () => {
    await create()
    await run()
    const [set] = sets()
    // The same name, another template: what a hash collision looks like.
    await access.set(refTo(REPLICA_SETS, set!), { spec: { template: template('web:other') } })
    await access.set(WEB, { metadata: { annotations: { touched: 'yes' } } })
    await run()
    expect(web().status?.collisionCount).toBeGreaterThanOrEqual(1)
    expect(sets()).toHaveLength(2)
    expect(images()).toEqual(['web:1', 'web:1', 'web:1'])
  })
})

function template(image: string): Deployment['spec']['template'] {
  return { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } }
}

async function makeReady(access: MemoryAccess, pod: Pod): Promise<void> {
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: pod.metadata.creationTimestamp }]
  await access.set(refTo(PODS, pod), { status: { phase: 'Running', conditions } })
}
