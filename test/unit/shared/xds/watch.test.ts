import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EncodedResource } from '#shared/xds'
import type { DeltaRequest } from '../../../../src/shared/xds/messages.ts'
import { type PushMark, type ResourceView, Watch } from '../../../../src/shared/xds/watch.ts'

const request = (over: Partial<DeltaRequest> = {}): DeltaRequest => ({
  node: null,
  typeUrl: 't',
  resourceNamesSubscribe: [],
  resourceNamesUnsubscribe: [],
  initialResourceVersions: {},
  responseNonce: '',
  errorDetail: null,
  ...over,
})

const mark = (push: number): PushMark => ({ push, changedAtMs: push * 1_000, toldAtMs: push * 1_000 })

const onDemand = { resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] }

/** Resources of which some come unasked; `alias` stands for one of them. */
class Store implements ResourceView {
  readonly resources = new Map<string, EncodedResource>()
  readonly unasked = new Set<string>()

  put(name: string, version = '1', aliases: readonly string[] = []): void {
    this.resources.set(name, { name, version, aliases, body: new Uint8Array() })
  }
  all(): Iterable<EncodedResource> {
    return this.resources.values()
  }
  get(name: string): EncodedResource | undefined {
    return this.resources.get(name)
  }
  resolve(name: string): readonly EncodedResource[] {
    return [...this.resources.values()].filter((one) => one.name === name || one.aliases.includes(name))
  }
  isUnasked(resource: EncodedResource): boolean {
    return this.unasked.has(resource.name)
  }
}

function begin(store: Store, over: Partial<DeltaRequest> = {}): Watch {
  const watch = new Watch('t', store)
  watch.begin(request(over), mark(0))
  return watch
}

/** What is sent now, by name; `undefined` = nothing. */
function sent(watch: Watch, nonce = 'n'): { changed: string[]; removed: string[] } | undefined {
  const delta = watch.isDue ? watch.take(nonce) : undefined
  return delta && { changed: delta.changed.map((one) => one.name).sort(), removed: [...delta.removed].sort() }
}

const ack = (nonce: string, over: Partial<DeltaRequest> = {}): DeltaRequest =>
  request({ responseNonce: nonce, ...over })

describe('a wildcard subscription', () => {
  it('gets everything first, then what changed and went', () => {
    const store = new Store()
    store.put('a')
    store.put('b')
    const watch = begin(store)
    expect(sent(watch, '1')).toEqual({ changed: ['a', 'b'], removed: [] })
    watch.next(ack('1'))
    expect(sent(watch)).toBeUndefined()
    store.put('c')
    store.resources.delete('a')
    watch.touch(['a', 'c'], mark(1))
    expect(sent(watch, '2')).toEqual({ changed: ['c'], removed: ['a'] })
  })

  it('is answered when there is nothing', () => {
    expect(sent(begin(new Store()))).toEqual({ changed: [], removed: [] })
  })

  it('is begun by * as well', () => {
    const watch = begin(new Store(), { resourceNamesSubscribe: ['*'] })
    expect(watch.mode).toBe('wildcard')
  })

  it('has one response outstanding; what changes meanwhile goes into the next, once and in its newest state', () => {
    const store = new Store()
    const watch = begin(store)
    sent(watch, '1')
    store.put('a', '1')
    watch.touch(['a'], mark(1))
    store.put('a', '2')
    store.put('gone')
    watch.touch(['a', 'gone'], mark(1))
    store.resources.delete('gone')
    watch.touch(['gone'], mark(1))
    expect(watch.isDue).toBe(false)
    watch.next(ack('1'))
    expect(sent(watch, '2')).toEqual({ changed: ['a'], removed: [] })
    watch.next(ack('2'))
    expect(watch.isDue).toBe(false)
  })

  it('is not sent what it has in that version', () => {
    const store = new Store()
    store.put('a', '1')
    const watch = begin(store)
    sent(watch, '1')
    watch.next(ack('1'))
    watch.touch(['a'], mark(1))
    expect(sent(watch, '2')).toBeUndefined()
    expect(watch.outstanding).toBeUndefined()
    watch.touchAll(mark(1))
    expect(sent(watch, '3')).toBeUndefined()
  })

  it('is sent again what has no version', () => {
    const store = new Store()
    store.put('a', '')
    const watch = begin(store)
    sent(watch, '1')
    watch.next(ack('1'))
    watch.touch(['a'], mark(1))
    expect(sent(watch, '2')).toEqual({ changed: ['a'], removed: [] })
  })

  it('that comes back gets only what differs from what it still holds', () => {
    const store = new Store()
    store.put('same', '1')
    store.put('newer', '2')
    store.put('new', '1')
    const watch = begin(store, { initialResourceVersions: { same: '1', newer: '1', gone: '1' } })
    expect(sent(watch)).toEqual({ changed: ['new', 'newer'], removed: ['gone'] })
  })

  it('that asks for one by name gets it, although it has it', () => {
    const store = new Store()
    store.put('a')
    const watch = begin(store)
    sent(watch, '1')
    watch.next(ack('1', { resourceNamesSubscribe: ['a', 'unknown'] }))
    expect(sent(watch)).toEqual({ changed: ['a'], removed: ['unknown'] })
  })
})

describe('a subscription on demand', () => {
  const store = (): Store => {
    const made = new Store()
    made.put('local')
    made.put('far', '1', ['/10.0.0.1'])
    made.put('other')
    made.unasked.add('local')
    return made
  }

  it('gets what it needs unasked, and nothing else', () => {
    const watch = begin(store(), onDemand)
    expect(watch.mode).toBe('on-demand')
    expect(sent(watch)).toEqual({ changed: ['local'], removed: [] })
  })

  it('gets a name that it asks for, and its changes from then on', () => {
    const resources = store()
    const watch = begin(resources, onDemand)
    sent(watch, '1')
    watch.next(ack('1'))
    watch.next(request({ resourceNamesSubscribe: ['other'] }))
    expect(sent(watch, '2')).toEqual({ changed: ['other'], removed: [] })
    watch.next(ack('2'))
    resources.put('other', '2')
    resources.put('far', '2')
    watch.touch(['other', 'far'], mark(1))
    expect(sent(watch, '3')).toEqual({ changed: ['other'], removed: [] })
  })

  it('is told of an alias that it is removed, beside what it stands for', () => {
    const resources = store()
    const watch = begin(resources, onDemand)
    sent(watch, '1')
    watch.next(ack('1', { resourceNamesSubscribe: ['/10.0.0.1'] }))
    expect(sent(watch, '2')).toEqual({ changed: ['far'], removed: ['/10.0.0.1'] })
  })

  it('is told of an unknown name that it is removed, and gets it when it comes', () => {
    const resources = store()
    const watch = begin(resources, onDemand)
    sent(watch, '1')
    watch.next(ack('1', { resourceNamesSubscribe: ['late', '/10.0.0.9'] }))
    expect(sent(watch, '2')).toEqual({ changed: [], removed: ['/10.0.0.9', 'late'] })
    watch.next(ack('2'))
    resources.put('late')
    resources.put('by-alias', '1', ['/10.0.0.9'])
    watch.touch(['late', 'by-alias'], mark(1))
    expect(sent(watch, '3')).toEqual({ changed: ['by-alias', 'late'], removed: [] })
  })

  it('gets no more of a name that it gives back', () => {
    const resources = store()
    const watch = begin(resources, onDemand)
    sent(watch, '1')
    watch.next(ack('1', { resourceNamesSubscribe: ['other'] }))
    sent(watch, '2')
    watch.next(ack('2', { resourceNamesUnsubscribe: ['other'] }))
    resources.put('other', '2')
    watch.touch(['other'], mark(1))
    expect(sent(watch, '3')).toBeUndefined()
  })

  it('that comes back keeps its names, with what was asked for and never came', () => {
    const resources = store()
    resources.put('other', '2')
    const watch = begin(resources, {
      ...onDemand,
      initialResourceVersions: { local: '1', other: '1', never: '', gone: '7' },
    })
    expect(sent(watch)).toEqual({ changed: ['other'], removed: ['gone', 'never'] })
  })

  it('can become a wildcard', () => {
    const resources = store()
    const watch = begin(resources, onDemand)
    sent(watch, '1')
    watch.next(ack('1', { resourceNamesSubscribe: ['*'] }))
    expect(sent(watch, '2')).toEqual({ changed: ['far', 'other'], removed: [] })
  })
})

describe('acknowledgements', () => {
  it('are told apart from rejections and from stale nonces', () => {
    const watch = begin(new Store())
    sent(watch, '1')
    expect(watch.next(ack('0'))).toEqual({ kind: 'none' })
    expect(watch.outstanding).toBe('1')
    expect(watch.next(ack('1', { errorDetail: { code: 0, message: 'a: bad' } }))).toEqual({
      kind: 'nack',
      nonce: '1',
      message: 'a: bad',
    })
    expect(watch.next(ack('1'))).toEqual({ kind: 'none' })
  })
})

describe('how far a client is behind', () => {
  it('is the first change that it has not answered, sent or not', () => {
    const store = new Store()
    const watch = begin(store)
    expect(watch.behind).toEqual(mark(0))
    sent(watch, '1')
    watch.touch(['a'], mark(1))
    watch.touch(['b'], mark(2))
    expect(watch.behind).toEqual(mark(0))
    watch.next(ack('1'))
    expect(watch.behind).toEqual(mark(1))
    store.put('a')
    sent(watch, '2')
    watch.touch(['a'], mark(3))
    expect(watch.behind).toEqual(mark(1))
    watch.next(ack('2'))
    expect(watch.behind).toEqual(mark(3))
  })

  it('is nothing once it has been looked at and does not concern the client', () => {
    const watch = begin(new Store())
    sent(watch, '1')
    watch.next(ack('1'))
    watch.touch(['never there'], mark(1))
    expect(watch.behind).toEqual(mark(1))
    expect(sent(watch, '2')).toBeUndefined()
    expect(watch.behind).toBeUndefined()
  })

  it('is nothing while an answer to a question is outstanding', () => {
    const watch = begin(new Store(), onDemand)
    sent(watch, '1')
    watch.next(ack('1', { resourceNamesSubscribe: ['x'] }))
    sent(watch, '2')
    expect(watch.outstanding).toBe('2')
    expect(watch.behind).toBeUndefined()
  })
})

describe('any order of changes and acknowledgements', () => {
  it('ends with the client holding exactly what there is', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd')
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), name, version: fc.constantFrom('', '1', '2') }),
      fc.record({ do: fc.constant('delete' as const), name }),
      fc.record({ do: fc.constant('flush' as const) }),
      fc.record({ do: fc.constant('ack' as const) }),
      fc.record({ do: fc.constant('all' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const store = new Store()
        const watch = begin(store)
        const client = new Map<string, EncodedResource>()
        let sequence = 0
        const flush = (): void => {
          const delta = watch.isDue ? watch.take(String(++sequence)) : undefined
          for (const one of delta?.changed ?? []) client.set(one.name, one)
          for (const gone of delta?.removed ?? []) client.delete(gone)
        }
        for (const one of steps) {
          if (one.do === 'put') store.put(one.name, one.version)
          if (one.do === 'delete') store.resources.delete(one.name)
          if (one.do === 'put' || one.do === 'delete') watch.touch([one.name], mark(1))
          if (one.do === 'all') watch.touchAll(mark(1))
          if (one.do === 'flush') flush()
          if (one.do === 'ack') watch.next(ack(String(sequence)))
        }
        flush()
        watch.next(ack(String(sequence)))
        flush()
        expect([...client.keys()].sort()).toEqual([...store.resources.keys()].sort())
        for (const [held, resource] of client) expect(resource.version).toBe(store.get(held)?.version)
      }),
      { numRuns: 500 },
    )
  })
})
