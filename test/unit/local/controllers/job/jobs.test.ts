import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runController } from '../../../../../src/local/controllers/core/controller.ts'
import { JOBS, PODS, refOf, refTo } from '../../../../../src/local/controllers/core/kinds.ts'
import type { Job, Pod } from '../../../../../src/local/controllers/core/shapes.ts'
import { formatIndexes, parseIndexes } from '../../../../../src/local/controllers/job/job-plan.ts'
import { jobs } from '../../../../../src/local/controllers/job/jobs.ts'
import { FakeClock } from '../../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../../support/memory-access.ts'
import { quietLogger } from '../../../../support/quiet-logger.ts'

const REF = refOf(JOBS, 'shop', 'count')

describe('jobs', () => {
  let clock: FakeClock
  let access: MemoryAccess
  let running: { close(): Promise<void> }

  beforeEach(() => {
    clock = new FakeClock()
    access = new MemoryAccess(clock)
    const environment = { access, clock, logger: quietLogger }
    running = runController(jobs(environment), environment)
  })
  afterEach(() => running.close())

  const create = (spec: Partial<Job['spec']> = {}): Promise<unknown> =>
    access.create({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'count', namespace: 'shop' },
      spec: {
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'job' }] } },
        completions: 1,
        ...spec,
      },
    })
  const job = (): Job => access.get(REF) as Job
  const pods = (): readonly Pod[] => access.list({ group: '', resource: 'pods', namespace: 'shop' }).items as Pod[]
  const open = (): readonly Pod[] => pods().filter(({ status }) => status?.phase === undefined)
  const end = (pod: Pod, phase: string): Promise<unknown> => access.set(refTo(PODS, pod), { status: { phase } })
  /** Each turn lets promises settle for a while; a run of the controller takes several. */
  const settle = async (byMs = 0): Promise<void> => {
    await clock.advance(byMs)
    for (let turn = 0; turn < 20; turn++) await clock.advance(1)
  }
  const outcome = (): unknown => job().status?.conditions?.map(({ type, reason }) => `${type} ${reason}`)

  it('run as many at a time as asked for, until enough have succeeded', async () => {
    await create({ completions: 5, parallelism: 2 })
    await settle()
    let most = 0
    for (let round = 0; round < 5; round++) {
      most = Math.max(most, open().length)
      const [pod] = open()
      if (pod !== undefined) await end(pod, 'Succeeded')
      await settle()
    }
    expect(most).toBe(2)
    expect(pods()).toHaveLength(5)
    expect(job().status).toMatchObject({ succeeded: 5, active: 0, uncountedTerminatedPods: {} })
    expect(outcome()).toEqual(['Complete CompletionsReached'])
    expect(pods().flatMap(({ metadata }) => metadata.finalizers ?? [])).toEqual([])
  })

  it('count a pod once, also when it is deleted as soon as it has ended', async () => {
    await create({ completions: 2, parallelism: 1 })
    await settle()
    await end(open()[0]!, 'Succeeded')
    await access.delete(refTo(PODS, pods()[0]!))
    await settle()
    expect(job().status?.succeeded).toBe(1)
    expect(open()).toHaveLength(1)
  })

  it('try again later and later, and fail behind the limit', async () => {
    await create({ backoffLimit: 1 })
    await settle()
    await end(open()[0]!, 'Failed')
    await settle()
    expect(open()).toHaveLength(0)
    await settle(11_000)
    expect(open()).toHaveLength(1)
    await end(open()[0]!, 'Failed')
    await settle()
    expect(outcome()).toEqual(['Failed BackoffLimitExceeded'])
    await settle(60_000)
    expect(pods()).toHaveLength(2)
  })

  it.each([
    [0, 1],
    [3, 3],
  ])(
    'whose pods restart on failure fail with limit %i after %i restarts of their containers',
    async (backoffLimit, most) => {
      await create({
        backoffLimit,
        template: { spec: { restartPolicy: 'OnFailure', containers: [{ name: 'main' }] } },
      })
      await settle()
      const [pod] = pods()
      const restarted = (restartCount: number): Promise<unknown> =>
        access.set(refTo(PODS, pod!), { status: { phase: 'Running', containerStatuses: [{ restartCount }] } })
      await restarted(most - 1)
      await settle()
      expect(outcome()).toBeUndefined()
      await restarted(most)
      await settle()
      expect(outcome()).toEqual(['Failed BackoffLimitExceeded'])
    },
  )

  it('fail after their deadline, with what still runs', async () => {
    await create({ activeDeadlineSeconds: 30 })
    await settle()
    await settle(31_000)
    expect(outcome()).toEqual(['Failed DeadlineExceeded'])
    expect(open()).toHaveLength(0)
  })

  it('run nothing while suspended', async () => {
    await create({ suspend: true })
    await settle()
    expect(pods()).toHaveLength(0)
    expect(outcome()).toEqual(['Suspended JobSuspended'])
    await access.set(REF, { spec: { suspend: false } })
    await settle()
    expect(open()).toHaveLength(1)
  })

  it('give each index to one pod until it has succeeded', async () => {
    await create({ completions: 3, parallelism: 2, completionMode: 'Indexed' })
    await settle()
    const indexOf = (pod: Pod): string | undefined =>
      pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index']
    expect(open().map(indexOf).sort()).toEqual(['0', '1'])
    await end(open().find((pod) => indexOf(pod) === '0')!, 'Succeeded')
    await settle()
    expect(open().map(indexOf).sort()).toEqual(['1', '2'])
    expect(open()[0]?.spec.containers[0]?.env).toContainEqual({
      name: 'JOB_COMPLETION_INDEX',
      value: expect.any(String),
    })
    for (const pod of open()) await end(pod, 'Succeeded')
    await settle()
    expect(job().status?.completedIndexes).toBe('0-2')
    expect(outcome()).toEqual(['Complete CompletionsReached'])
  })

  it('go with their pods when their time to live is over', async () => {
    await create({ ttlSecondsAfterFinished: 60 })
    await settle()
    await end(open()[0]!, 'Succeeded')
    await settle()
    await settle(59_000)
    expect(job().metadata.deletionTimestamp).toBeUndefined()
    await settle(2_000)
    expect(job().metadata.finalizers).toEqual(['foregroundDeletion'])
  })

  it.each(['', '0', '0-2', '0,2', '1-3,5,7-8'])('write indexes as runs: %j', (text) => {
    expect(formatIndexes(parseIndexes(text))).toBe(text)
  })
})
