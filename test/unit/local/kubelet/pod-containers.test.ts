import { expect, it } from 'vitest'
import { Grace } from '../../../../src/local/kubelet/grace.ts'
import { PodContainers, type PodEnd } from '../../../../src/local/kubelet/pod-containers.ts'
import type { RestartPolicy } from '../../../../src/local/pod-plan/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { containerPlan, type FakeContainer, fakeContainer, nowhere } from '../../../support/fake-containers.ts'

interface Scene {
  readonly clock: FakeClock
  readonly containers: PodContainers
  readonly fakes: ReadonlyMap<string, FakeContainer>
  readonly halt: AbortController
  readonly end: Promise<PodEnd | string>
  /** Which have a process now. */
  running(): string
  exit(name: string, code: number): Promise<void>
}

async function scene(
  init: readonly [string, RestartPolicy][],
  main: readonly [string, RestartPolicy][],
): Promise<Scene> {
  const clock = new FakeClock()
  const fakes = new Map<string, FakeContainer>()
  const plans = (list: typeof init): ReturnType<typeof containerPlan>[] =>
    list.map(([name, restart]) => containerPlan({ name, restart }))
  const containers = new PodContainers({ initContainers: plans(init), containers: plans(main) }, (plan, role) => {
    const fake = fakeContainer(clock, { plan, role, changed: () => containers.noticeChange() })
    fakes.set(plan.name, fake)
    return fake.container
  })
  const halt = new AbortController()
  const end = containers.run(nowhere, () => {}, halt.signal).catch((reason: unknown) => String(reason))
  await settle()
  return {
    clock,
    containers,
    fakes,
    halt,
    end,
    running: () => [...fakes].flatMap(([name, { container }]) => (container.pid === undefined ? [] : [name])).join(' '),
    exit: async (name, code) => {
      await fakes.get(name)?.process.exit(code)
      await settle()
    },
  }
}

it('run one init container after the other, then all the rest', async () => {
  const it = await scene(
    [
      ['a', 'OnFailure'],
      ['b', 'OnFailure'],
    ],
    [
      ['x', 'Always'],
      ['y', 'Always'],
    ],
  )
  expect([it.running(), it.containers.isInitialized]).toEqual(['a', false])
  await it.exit('a', 0)
  expect(it.running()).toBe('b')
  await it.exit('b', 1)
  expect(it.running()).toBe('')
  await it.clock.advance(200)
  expect(it.running()).toBe('b')
  await it.exit('b', 0)
  expect([it.running(), it.containers.isInitialized]).toEqual(['x y', true])
})

it('keep a sidecar running beside what comes after it', async () => {
  const it = await scene(
    [
      ['side', 'Always'],
      ['b', 'OnFailure'],
    ],
    [['x', 'Always']],
  )
  expect(it.running()).toBe('side b')
  await it.exit('b', 0)
  expect(it.running()).toBe('side x')
})

it.each<[string, RestartPolicy, [number, number], PodEnd['phase']]>([
  ['all have succeeded', 'Never', [0, 0], 'Succeeded'],
  ['one has failed', 'Never', [0, 1], 'Failed'],
  ['all have succeeded that run again on failure', 'OnFailure', [0, 0], 'Succeeded'],
])('have ended when %s', async (_what, policy, [x, y], phase) => {
  const it = await scene(
    [['side', 'Always']],
    [
      ['x', policy],
      ['y', policy],
    ],
  )
  await it.exit('x', x)
  expect(it.containers.end).toBeUndefined()
  await it.exit('y', y)
  expect(await it.end).toMatchObject({ phase, reason: '' })
})

it('have failed with an init container that may not run again, and start nothing else', async () => {
  const it = await scene(
    [
      ['a', 'Never'],
      ['b', 'Never'],
    ],
    [['x', 'Never']],
  )
  await it.exit('a', 2)
  expect([await it.end, it.running()]).toEqual([expect.objectContaining({ phase: 'Failed' }), ''])
})

it('end sidecars after what they serve, the last one first', async () => {
  const it = await scene(
    [
      ['one', 'Always'],
      ['two', 'Always'],
    ],
    [['x', 'Always']],
  )
  for (const { process } of it.fakes.values()) process.obeys.delete('SIGTERM')
  it.halt.abort(new Error('stop'))
  const stopped = it.containers.stop(new Grace(it.clock, 60_000))
  const order: string[] = []
  for (const name of ['x', 'two', 'one']) {
    await settle()
    order.push(
      [...it.fakes]
        .filter(([, { process }]) => process.signals.length > 0)
        .map(([each]) => each)
        .join(' '),
    )
    await it.exit(name, 0)
  }
  await stopped
  expect(order).toEqual(['x', 'two x', 'one two x'])
  expect(await it.end).toBe('Error: stop')
})
