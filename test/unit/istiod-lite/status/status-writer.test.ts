import { beforeEach, describe, expect, it } from 'vitest'
import type { ApiDocument, ApiObjectId, ApiResource } from '#shared/kube-client'
import { Log, type Logger, Metrics } from '#shared/telemetry'
import {
  type EventNote,
  editConditions,
  type StatedCondition,
  type StatusEdit,
  StatusWriter,
} from '../../../../src/istiod-lite/status/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { FakeLeadership } from '../../../support/fake-leadership.ts'
import { MemoryApi, refused } from '../../../support/memory-api.ts'

const POLICIES: ApiResource = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  resource: 'authorizationpolicies',
  namespaced: true,
}
const SERVICES: ApiResource = { apiVersion: 'v1', kind: 'Service', resource: 'services', namespaced: true }
const START_MS = Date.parse('2026-01-02T00:00:00.500Z')
const NOW = '2026-01-02T00:00:00Z'
const BEFORE = '2026-01-01T00:00:00Z'

let clock: FakeClock
let api: MemoryApi
let leadership: FakeLeadership
let metrics: Metrics
let lines: string[]
let told: string[]
let writer: StatusWriter
beforeEach(() => {
  clock = new FakeClock(START_MS)
  api = new MemoryApi()
  leadership = new FakeLeadership()
  metrics = new Metrics()
  lines = []
  told = []
  const events = {
    tell: ({ metadata }: ApiDocument, { reason }: EventNote) =>
      void told.push(`${(metadata as { readonly name: string }).name} ${reason}`),
  }
  writer = new StatusWriter({ client: api, leadership, events, clock, logger: logger(), metrics })
})

const logger = (): Logger =>
  new Log({ format: 'plain', filter: 'info', clock, output: { line: (line) => void lines.push(line) } }).logger(
    'status',
  )
const id = (name: string): ApiObjectId => ({ namespace: 'shop', name })
const policy = (name: string) => ({ resource: POLICIES, id: id(name) })
const editOf = (type: string, status?: 'True' | 'False', more: Partial<StatedCondition> = {}): StatusEdit =>
  editConditions({
    ownTypes: new Set([type]),
    stated: status === undefined ? [] : [{ type, status, reason: 'Why', message: '', event: 'Warning', ...more }],
    observedGeneration: undefined,
  })
const topic = (type: string, ...resources: readonly ApiResource[]) => ({ name: type, resources, clear: editOf(type) })
const condition = (type: string, status: string, time = NOW) => ({
  type,
  status,
  reason: 'Why',
  message: '',
  lastTransitionTime: time,
})
const theirs = { type: 'Theirs', status: 'Unknown', note: 'kept' }
const put = (name: string, ...conditions: readonly object[]): void => {
  api.put(POLICIES, id(name), { status: { conditions, more: 'kept' } })
}
const statusOf = (name: string): unknown => api.find(POLICIES, id(name))?.status
const calls = (verb: string): readonly string[] =>
  api.calls.filter((call) => call.verb === verb).map(({ name }) => name)
const numberOf = (metric: string): number => Number(new RegExp(`^${metric} (\\d+)$`, 'm').exec(metrics.print())?.[1])
/** Until everything that runs now has been answered. */
const rest = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await settle()
}

describe('a status', () => {
  it('gets our condition beside those of others, with an event once it is written', async () => {
    put('p', theirs)
    const pen = writer.open(topic('Ours', POLICIES))
    pen.say(policy('p'), editOf('Ours', 'False'))
    expect(told).toEqual([])
    await rest()
    expect(statusOf('p')).toEqual({ conditions: [theirs, condition('Ours', 'False')], more: 'kept' })
    expect([told, numberOf('ambit_status_writes_total')]).toEqual([['p Why'], 1])
  })

  it('is not written when it says already what it shall', async () => {
    put('p', theirs, condition('Ours', 'False', BEFORE))
    writer.open(topic('Ours', POLICIES)).say(policy('p'), editOf('Ours', 'False'))
    await rest()
    expect([calls('get'), calls('patch'), told]).toEqual([['p'], [], []])
  })

  it.each<[string, 'True' | 'False', Partial<StatedCondition>, string]>([
    ['keeps its time with another reason', 'False', { reason: 'Else' }, BEFORE],
    ['gets a new time with another state', 'True', {}, NOW],
  ])('%s', async (_what, status, more, time) => {
    put('p', condition('Ours', 'False', BEFORE))
    writer.open(topic('Ours', POLICIES)).say(policy('p'), editOf('Ours', status, more))
    await rest()
    expect(statusOf('p')).toMatchObject({ conditions: [{ ...more, status, lastTransitionTime: time }] })
  })

  it('is written once for what several topics say of it', async () => {
    put('p')
    const pens = [writer.open(topic('A', POLICIES)), writer.open(topic('B', POLICIES))]
    pens[0]?.say(policy('p'), editOf('A', 'True'))
    pens[1]?.say(policy('p'), editOf('B', 'False'))
    await rest()
    expect(statusOf('p')).toMatchObject({ conditions: [condition('A', 'True'), condition('B', 'False')] })
  })

  it('loses what one topic takes back, and only that', async () => {
    put('p', theirs)
    const pens = [writer.open(topic('A', POLICIES)), writer.open(topic('B', POLICIES))]
    pens[0]?.say(policy('p'), editOf('A', 'True'))
    pens[1]?.say(policy('p'), editOf('B', 'False'))
    await rest()
    pens[0]?.unsay(policy('p'))
    await rest()
    expect(statusOf('p')).toMatchObject({ conditions: [theirs, condition('B', 'False')] })
  })

  it('follows the last word when it changes while it is being written', async () => {
    put('p')
    const pen = writer.open(topic('Ours', POLICIES))
    api.before = ({ verb }) => {
      if (verb === 'patch' && calls('patch').length === 1) pen.say(policy('p'), editOf('Ours', 'True'))
    }
    pen.say(policy('p'), editOf('Ours', 'False'))
    await rest()
    expect(statusOf('p')).toMatchObject({ conditions: [condition('Ours', 'True')] })
  })
})

describe('a write', () => {
  it('that somebody else came before is made again from what they wrote', async () => {
    put('p')
    api.before = ({ verb }) => {
      if (verb === 'patch' && calls('patch').length === 1) put('p', theirs)
    }
    writer.open(topic('Ours', POLICIES)).say(policy('p'), editOf('Ours', 'False'))
    await rest()
    expect([statusOf('p'), told]).toEqual([{ conditions: [theirs], more: 'kept' }, []])
    await clock.advance(200)
    await rest()
    expect(statusOf('p')).toEqual({ conditions: [theirs, condition('Ours', 'False')], more: 'kept' })
    expect([told, lines, numberOf('ambit_status_failing')]).toEqual([['p Why'], [], 0])
  })

  it('to what is not there, or has gone meanwhile, is none', async () => {
    const pen = writer.open(topic('Ours', POLICIES))
    pen.say(policy('never'), editOf('Ours', 'False'))
    put('gone')
    api.before = ({ verb, name }) => {
      if (verb === 'patch') api.remove(POLICIES, id(name))
    }
    pen.say(policy('gone'), editOf('Ours', 'False'))
    await rest()
    await clock.advance(3_600_000)
    expect([calls('patch'), told, lines, numberOf('ambit_status_failing')]).toEqual([['gone'], [], [], 0])
  })

  it('that is refused is tried ever more slowly, at most once a minute, told once, and holds up no other', async () => {
    const triedMs: number[] = []
    api.before = ({ verb, name }) => {
      if (verb !== 'patch' || name === 'good') return
      if (name === 'bad') triedMs.push(clock.nowMs() - START_MS)
      throw refused(403)
    }
    const pen = writer.open(topic('Ours', POLICIES))
    for (const name of ['bad', 'worse', 'good']) {
      put(name)
      pen.say(policy(name), editOf('Ours', 'False'))
    }
    await rest()
    expect(statusOf('good')).toMatchObject({ conditions: [condition('Ours', 'False')] })
    await clock.advance(400_000)
    expect(triedMs.slice(0, 5)).toEqual([0, 200, 600, 1_400, 3_000])
    expect(triedMs.slice(-3).map((ms, i, all) => ms - (all[i - 1] ?? ms - 60_000))).toEqual([60_000, 60_000, 60_000])
    expect(lines).toEqual([expect.stringContaining('status cannot be written and is tried again')])
    expect(numberOf('ambit_status_failing')).toBe(2)
    api.before = () => {}
    await clock.advance(60_000)
    expect(numberOf('ambit_status_failing')).toBe(0)
    expect(statusOf('bad')).toMatchObject({ conditions: [{ type: 'Ours', status: 'False' }] })
  })
})

describe('who does not lead', () => {
  it('writes nothing, and everything that was said once it leads', async () => {
    leadership.isLeader = false
    put('p')
    writer.open(topic('Ours', POLICIES)).say(policy('p'), editOf('Ours', 'False'))
    writer.start()
    await rest()
    expect(api.calls).toEqual([])
    leadership.isLeader = true
    await rest()
    expect(statusOf('p')).toMatchObject({ conditions: [condition('Ours', 'False')] })
  })

  it('does not go on with what it began to write, nor call it a failure', async () => {
    put('p')
    api.before = ({ verb }) => {
      if (verb === 'get') leadership.isLeader = false
    }
    writer.open(topic('Ours', POLICIES)).say(policy('p'), editOf('Ours', 'False'))
    await rest()
    await clock.advance(3_600_000)
    expect([api.calls.map(({ verb }) => verb), lines, numberOf('ambit_status_failing')]).toEqual([['get'], [], 0])
  })

  it('has no failures any more', async () => {
    put('p')
    api.before = ({ verb }) => {
      if (verb === 'patch') throw refused(403)
    }
    writer.open(topic('Ours', POLICIES)).say(policy('p'), editOf('Ours', 'False'))
    await rest()
    expect(numberOf('ambit_status_failing')).toBe(1)
    leadership.isLeader = false
    await clock.advance(60_000)
    expect(numberOf('ambit_status_failing')).toBe(0)
  })
})

describe('who begins to lead', () => {
  it('takes back what nobody says, page by page, and leaves the types of others', async () => {
    for (let i = 0; i < 501; i++) put(`p-${i}`, theirs)
    put('last', theirs, condition('Ours', 'True', BEFORE))
    writer.open(topic('Ours', POLICIES))
    writer.start()
    await rest()
    expect([calls('list').length, calls('patch')]).toEqual([2, ['last']])
    expect(statusOf('last')).toMatchObject({ conditions: [theirs] })
  })

  it('leaves kinds alone that are not served', async () => {
    put('p', condition('Ours', 'True', BEFORE))
    api.before = ({ verb, resource }) => {
      if (verb === 'list' && resource === 'services') throw refused(404)
    }
    writer.open(topic('Ours', SERVICES, POLICIES))
    writer.start()
    await rest()
    expect([statusOf('p'), lines]).toEqual([{ more: 'kept' }, []])
  })

  it('looks through the other kinds when one may not be read', async () => {
    put('p')
    api.before = ({ verb, resource }) => {
      if (verb === 'list' && resource === 'services') throw refused(403)
    }
    leadership.isLeader = false
    const pen = writer.open(topic('Ours', SERVICES, POLICIES))
    pen.say(policy('p'), editOf('Ours', 'False'))
    writer.start()
    leadership.isLeader = true
    await rest()
    expect(statusOf('p')).toMatchObject({ conditions: [condition('Ours', 'False')] })
    expect(lines).toEqual([expect.stringContaining('status cannot be written and is tried again')])
  })

  it('ends after what runs, and writes nothing afterwards', async () => {
    put('p')
    put('q')
    const pen = writer.open(topic('Ours', POLICIES))
    writer.start()
    await rest()
    pen.say(policy('p'), editOf('Ours', 'False'))
    await writer.close()
    expect(statusOf('p')).toMatchObject({ conditions: [condition('Ours', 'False')] })
    pen.say(policy('q'), editOf('Ours', 'False'))
    leadership.isLeader = true
    await rest()
    expect(statusOf('q')).toEqual({ conditions: [], more: 'kept' })
  })
})
