import { beforeEach, describe, expect, it } from 'vitest'
import type { ApiDocument, ApiResource } from '#shared/kube-client'
import { Metrics } from '#shared/telemetry'
import { type EventNote, EventRecorder } from '../../../../src/istiod-lite/status/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { FakeLeadership } from '../../../support/fake-leadership.ts'
import { MemoryApi, type MemoryObject, refused } from '../../../support/memory-api.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const EVENTS: ApiResource = { apiVersion: 'v1', kind: 'Event', resource: 'events', namespaced: true }
const START_MS = Date.parse('2026-01-01T00:00:00.900Z')

let clock: FakeClock
let api: MemoryApi
let leadership: FakeLeadership
let metrics: Metrics
beforeEach(() => {
  clock = new FakeClock(START_MS)
  api = new MemoryApi()
  leadership = new FakeLeadership()
  metrics = new Metrics()
})

const recorder = (instance = 'istiod-0', counted = metrics): EventRecorder =>
  new EventRecorder({ client: api, leadership, instance, clock, logger: quietLogger, metrics: counted })
const another = (): EventRecorder => recorder('istiod-1', new Metrics())
const objectOf = (name = 'p', metadata: ApiDocument = {}): ApiDocument => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name, namespace: 'shop', uid: `uid of ${name}`, ...metadata },
})
const note = (more: Partial<EventNote> = {}): EventNote => ({
  type: 'Warning',
  reason: 'DeniesMore',
  message: 'more is denied',
  ...more,
})
const written = (): readonly MemoryObject[] => api.all(EVENTS)
const dropped = (): number => Number(/^ambit_events_dropped_total (\d+)$/m.exec(metrics.print())?.[1])

describe('an event', () => {
  it('says what happened to which object, when, and who tells', async () => {
    recorder().tell(objectOf(), note())
    await settle()
    expect(written()).toEqual([
      {
        metadata: {
          name: expect.stringMatching(/^p\.[0-9a-f]{16}$/),
          namespace: 'shop',
          resourceVersion: '1',
        },
        involvedObject: {
          apiVersion: 'security.istio.io/v1',
          kind: 'AuthorizationPolicy',
          name: 'p',
          namespace: 'shop',
          uid: 'uid of p',
        },
        type: 'Warning',
        reason: 'DeniesMore',
        message: 'more is denied',
        count: 1,
        firstTimestamp: '2026-01-01T00:00:00Z',
        lastTimestamp: '2026-01-01T00:00:00Z',
        source: { component: 'istiod-lite' },
        reportingComponent: 'istiod-lite',
        reportingInstance: 'istiod-0',
      },
    ])
    expect(dropped()).toBe(0)
  })

  it('that happens again is counted, whichever control plane tells it', async () => {
    const first = recorder()
    first.tell(objectOf(), note())
    await clock.advance(5_000)
    another().tell(objectOf(), note())
    await clock.advance(5_000)
    first.tell(objectOf(), note())
    await settle()
    expect(written()).toMatchObject([
      { count: 3, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:10Z' },
    ])
  })

  it.each<[string, ApiDocument, EventNote]>([
    ['other words', objectOf(), note({ message: 'else' })],
    ['another reason', objectOf(), note({ reason: 'Else' })],
    ['another type', objectOf(), note({ type: 'Normal' })],
    ['an object that was made anew', objectOf('p', { uid: 'another' }), note()],
  ])('is another one for %s', async (_what, document, other) => {
    const events = recorder()
    events.tell(objectOf(), note())
    events.tell(document, other)
    await settle()
    expect(written()).toMatchObject([{ count: 1 }, { count: 1 }])
  })

  it('of an object without a namespace is in the default one', async () => {
    recorder().tell(objectOf('class', { namespace: undefined }), note())
    await settle()
    expect(written()).toMatchObject([{ metadata: { namespace: 'default' }, involvedObject: { namespace: '' } }])
  })

  it.each([
    ['a long name', 'a'.repeat(253), 'a'.repeat(236)],
    ['a name that would be cut behind a dot', `${'a'.repeat(235)}.${'b'.repeat(17)}`, 'a'.repeat(235)],
  ])('has a name that API servers take for %s', async (_what, name, kept) => {
    recorder().tell(objectOf(name), note({ message: 'm'.repeat(5_000) }))
    await settle()
    const [event] = written()
    expect(event?.metadata.name.split(/\.(?=[0-9a-f]{16}$)/)[0]).toBe(kept)
    expect(event?.message).toHaveLength(1_024)
  })
})

describe('an event that cannot be written', () => {
  it.each([403, 404, 422])('because of %i is dropped at once, and the next is written', async (status) => {
    api.before = ({ name }) => {
      if (name.startsWith('bad')) throw refused(status)
    }
    const events = recorder()
    events.tell(objectOf('bad'), note())
    events.tell(objectOf('good'), note())
    await settle()
    await settle()
    expect(api.calls.map(({ verb, name }) => `${verb} ${name.split('.')[0]}`)).toEqual(['create bad', 'create good'])
    expect([written().length, dropped()]).toEqual([1, 1])
  })

  it('is tried five times, ever more slowly, then dropped', async () => {
    const triedMs: number[] = []
    api.before = () => {
      triedMs.push(clock.nowMs() - START_MS)
      throw refused(500)
    }
    recorder().tell(objectOf(), note())
    await settle()
    await clock.advance(60_000)
    expect(triedMs).toEqual([0, 500, 1_500, 3_500, 7_500])
    expect(dropped()).toBe(1)
  })

  it('is counted on what another one wrote meanwhile', async () => {
    another().tell(objectOf(), note())
    await settle()
    let isFirst = true
    api.before = ({ verb, name }) => {
      if (verb !== 'patch' || !isFirst) return
      isFirst = false
      const id = { namespace: 'shop', name }
      const { metadata: _, ...event } = api.find(EVENTS, id) ?? expect.fail('there is no event')
      api.put(EVENTS, id, { ...event, count: 7 })
    }
    recorder().tell(objectOf(), note())
    await settle()
    await clock.advance(500)
    expect(written()).toMatchObject([{ count: 8 }])
  })
})

describe('who records', () => {
  it('tells nothing when another one leads', async () => {
    leadership.isLeader = false
    recorder().tell(objectOf(), note())
    await settle()
    expect([api.calls, dropped()]).toEqual([[], 1])
  })

  it('writes nothing more once another one leads', async () => {
    api.before = () => {
      leadership.isLeader = false
      throw refused(500)
    }
    recorder().tell(objectOf(), note())
    await settle()
    await clock.advance(60_000)
    expect([api.calls.length, dropped()]).toEqual([1, 1])
  })

  it('tells ten events a minute of one object', async () => {
    const events = recorder()
    for (let i = 0; i < 12; i++) events.tell(objectOf(), note({ message: String(i) }))
    await expect.poll(() => written().length).toBe(10)
    await clock.advance(60_000)
    expect([written().length, dropped()]).toEqual([10, 2])
    events.tell(objectOf(), note({ message: 'later' }))
    await settle()
    expect(written()).toHaveLength(11)
  })

  it('lets 256 wait behind the one that is being written, and drops the others', async () => {
    const answer = Promise.withResolvers<void>()
    api.before = () => answer.promise
    const events = recorder()
    for (let i = 0; i < 280; i++) events.tell(objectOf(`p-${i}`), note())
    expect(dropped()).toBe(280 - 257)
    answer.resolve()
    await expect.poll(() => written().length).toBe(257)
  })

  it('ends in the middle of a wait, and takes nothing afterwards', async () => {
    api.before = () => {
      throw refused(500)
    }
    const events = recorder()
    events.tell(objectOf(), note())
    await settle()
    await events.close()
    events.tell(objectOf(), note())
    await clock.advance(60_000)
    expect(api.calls).toHaveLength(1)
  })
})
