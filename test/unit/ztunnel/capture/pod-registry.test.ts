import { describe, expect, it } from 'vitest'
import { type DrainOrder, IMMEDIATE_DRAIN, Readiness } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import { Log, Metrics } from '#shared/telemetry'
import { PodRegistry } from '../../../../src/ztunnel/capture/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'

const INFO = { name: 'web', namespace: 'shop', serviceAccount: 'web' }

class FakeNetns implements Netns {
  readonly fd = 0
  readonly id: string
  isClosed = false
  constructor(id: string) {
    this.id = id
  }
  run<T>(work: () => T): T {
    return work()
  }
  close(): void {
    this.isClosed = true
  }
}

function registryOf() {
  const clock = new FakeClock()
  const readiness = new Readiness()
  const metrics = new Metrics()
  const log = new Log({ format: 'plain', filter: 'off', clock, output: { line: () => {} } })
  const failing = new Set<string>()
  const events: string[] = []
  const registry = new PodRegistry({
    clock,
    readiness,
    metrics,
    log: log.logger('capture'),
    start: (pod) => {
      if (failing.has(pod.netns.id)) throw new Error('port taken')
      events.push(`start ${pod.uid} in ${pod.netns.id}`)
      return {
        drain: async (order: DrainOrder) => void events.push(`drain ${pod.uid} in ${pod.netns.id} ${order.mode}`),
      }
    },
  })
  const gauges = (): string =>
    metrics
      .print()
      .split('\n')
      .filter((line) => line.startsWith('workload_manager'))
      .map((line) => line.split(' ')[1])
      .join(' ')
  return { clock, readiness, registry, failing, events, gauges }
}

describe('PodRegistry', () => {
  it('is ready once the snapshot is complete, and not before', async () => {
    const { registry, readiness } = registryOf()
    await registry.add('a', INFO, new FakeNetns('1'))
    expect(readiness.pending).toEqual(['workload proxy manager'])
    await registry.snapshotSent()
    expect(readiness.isReady).toBe(true)
  })

  it('takes the same pod in the same namespace as said already', async () => {
    const { registry, events } = registryOf()
    await registry.add('a', INFO, new FakeNetns('1'))
    const again = new FakeNetns('1')
    await registry.add('a', INFO, again)
    expect(events).toEqual(['start a in 1'])
    expect(again.isClosed).toBe(true)
  })

  it('leaves the old namespace at once when a pod comes with a new one', async () => {
    const { registry, events } = registryOf()
    const old = new FakeNetns('1')
    await registry.add('a', INFO, old)
    await registry.add('a', INFO, new FakeNetns('2'))
    await settle()
    expect(events).toEqual(['start a in 1', 'drain a in 1 immediate', 'start a in 2'])
    expect(old.isClosed).toBe(true)
  })

  it('leaves those that a snapshot names neither by add nor by keep', async () => {
    const { registry, events } = registryOf()
    for (const uid of ['a', 'b', 'c']) await registry.add(uid, INFO, new FakeNetns(uid))
    await registry.snapshotSent()
    registry.disconnected('gone')
    await registry.add('a', INFO, new FakeNetns('a'))
    await registry.keep('b')
    await registry.snapshotSent()
    expect(events.slice(3)).toEqual(['drain c in c immediate'])
    expect([...registry.pods()].map(({ uid }) => uid)).toEqual(['a', 'b'])
  })

  it('keeps a pod that is deleted during a snapshot until the snapshot is complete', async () => {
    const { registry, events } = registryOf()
    await registry.add('a', INFO, new FakeNetns('1'))
    await registry.delete('a')
    expect(events).toEqual(['start a in 1'])
    await registry.snapshotSent()
    expect(events).toEqual(['start a in 1', 'drain a in 1 immediate'])
    await registry.delete('unheard of')
  })

  it('refuses keep and a second snapshot outside a snapshot', async () => {
    const { registry } = registryOf()
    await registry.snapshotSent()
    await expect(registry.keep('a')).rejects.toMatchObject({ code: 'ZDS_PROTOCOL_ERROR' })
    await expect(registry.snapshotSent()).rejects.toMatchObject({ code: 'ZDS_PROTOCOL_ERROR' })
  })

  it('tells the agent of a pod that cannot be served, is not ready, and tries it again every 5 s', async () => {
    const { registry, readiness, failing, clock, gauges } = registryOf()
    await registry.snapshotSent()
    failing.add('1')
    await expect(registry.add('a', INFO, new FakeNetns('1'))).rejects.toThrow('failure to start proxy : port taken')
    expect([...registry.pods()]).toEqual([{ uid: 'a', info: INFO, state: 'Pending' }])
    await clock.advance(5000)
    expect(readiness.isReady).toBe(false)
    expect(gauges()).toBe('0 1 0 0')
    failing.clear()
    await clock.advance(5000)
    expect(readiness.isReady).toBe(true)
    expect([...registry.pods()]).toEqual([{ uid: 'a', info: INFO, state: 'Up' }])
  })

  it('forgets pending pods, not running ones, when the agent goes, and is not ready until it is back', async () => {
    const { registry, readiness, failing } = registryOf()
    await registry.add('a', INFO, new FakeNetns('1'))
    failing.add('2')
    const pending = new FakeNetns('2')
    await registry.add('b', INFO, pending).catch(() => {})
    registry.disconnected('socket closed')
    expect([...registry.pods()].map(({ uid }) => uid)).toEqual(['a'])
    expect(pending.isClosed).toBe(true)
    expect(readiness.isReady).toBe(false)
  })

  it('drains every pod gracefully, and takes no more', async () => {
    const { registry, events } = registryOf()
    await registry.add('a', INFO, new FakeNetns('1'))
    await registry.drain({ mode: 'graceful', deadlineMs: 1000 })
    expect(events).toEqual(['start a in 1', 'drain a in 1 graceful'])
    const late = new FakeNetns('2')
    await expect(registry.add('b', INFO, late)).rejects.toThrow('draining')
    expect(late.isClosed).toBe(true)
    await registry.drain(IMMEDIATE_DRAIN)
  })
})
