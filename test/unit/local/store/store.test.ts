import { describe, expect, it } from 'vitest'
import {
  type ApiObject,
  openStore,
  type Store,
  type StoreEvent,
  storeDefaults,
} from '../../../../src/local/store/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const key = (
  name: string,
  namespace = 'shop',
  resource = '/pods',
): { resource: string; namespace: string; name: string } => ({
  resource,
  namespace,
  name,
})
const pod = (name: string, value = 0): ApiObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, value })
const open = (historyEvents = 8): Promise<Store> =>
  openStore({ ...storeDefaults, dir: undefined, historyEvents }, new FakeClock(), quietLogger)
const names = (store: Store, query: object = {}): string[] | 'expired' => {
  const result = store.list({ resource: '/pods', ...query })
  return result.kind === 'expired' ? 'expired' : result.items.map((item) => item.key.name)
}
const told = (event: StoreEvent): string => `${event.kind} ${event.stored.key.name}@${event.stored.revision}`

describe('one write', () => {
  it('is one revision, which the object carries', async () => {
    const store = await open()
    const first = store.create(key('a'), pod('a'))
    const second = store.update(key('a'), pod('a', 1))
    expect(
      [first, second].map((write) => write.kind === 'written' && write.stored.object.metadata.resourceVersion),
    ).toEqual(['1', '2'])
    expect(store.revision).toBe(2)
  })

  it('does not happen when it expects another state', async () => {
    const store = await open()
    store.create(key('a'), pod('a'))
    expect(store.create(key('a'), pod('a')).kind).toBe('exists')
    expect(store.update(key('a'), pod('a'), 7).kind).toBe('conflict')
    expect(store.delete(key('a'), 7).kind).toBe('conflict')
    expect(store.update(key('b'), pod('b')).kind).toBe('missing')
    expect(store.delete(key('b')).kind).toBe('missing')
    expect(store.revision).toBe(1)
  })
})

describe('a list', () => {
  it('is sorted by namespace and name', async () => {
    const store = await open()
    for (const [name, namespace] of [
      ['b', 'y'],
      ['a', 'y'],
      ['c', 'x'],
      ['a', 'xx'],
    ] as const)
      store.create(key(name, namespace), pod(name))
    expect(names(store)).toEqual(['c', 'a', 'a', 'b'])
    expect(names(store, { namespace: 'y' })).toEqual(['a', 'b'])
    expect(names(store, { namespace: 'x' })).toEqual(['c'])
    expect(names(store, { resource: '/services' })).toEqual([])
  })

  it('goes on behind a page with the state that the first page saw', async () => {
    const store = await open()
    for (const name of ['a', 'b', 'c', 'd']) store.create(key(name), pod(name))
    const first = store.list({ resource: '/pods', limit: 2 })
    if (first.kind === 'expired') throw new Error('expired')
    expect(first.remaining).toBe(2)
    store.delete(key('c'))
    store.create(key('bb'), pod('bb'))
    store.update(key('d'), pod('d', 1))
    const second = store.list({
      resource: '/pods',
      limit: 2,
      at: first.revision,
      after: { namespace: 'shop', name: 'b' },
    })
    expect(second).toMatchObject({ revision: 4, remaining: 0, items: [{ key: key('c') }, { object: { value: 0 } }] })
  })

  it('says that a state is too old once its changes have left the history', async () => {
    const store = await open(2)
    for (const name of ['a', 'b', 'c']) store.create(key(name), pod(name))
    expect(names(store, { at: 1 })).toEqual(['a'])
    expect(names(store, { at: 0 })).toBe('expired')
    expect(names(store, { at: 9 })).toBe('expired')
  })
})

describe('a watch', () => {
  it('tells the past at once and the future in order, each once', async () => {
    const store = await open()
    store.create(key('a'), pod('a'))
    store.create(key('b'), pod('b'))
    await settle()
    const events: string[] = []
    const watch = store.watch({ resource: '/pods', from: 1 }, (event) => events.push(told(event)))
    expect(events).toEqual(['created b@2'])
    store.update(key('a'), pod('a', 1))
    store.create(key('x', 'shop', '/services'), pod('x'))
    store.delete(key('b'))
    expect(events).toHaveLength(1)
    await settle()
    expect(events).toEqual(['created b@2', 'updated a@3', 'deleted b@5'])
    if (watch !== 'expired') watch.stop()
    store.create(key('c'), pod('c'))
    await settle()
    expect(events).toHaveLength(3)
  })

  it('does not tell again what a list that is not durable yet has shown', async () => {
    const store = await open()
    store.create(key('a'), pod('a'))
    const events: string[] = []
    store.watch({ resource: undefined, from: store.revision }, (event) => events.push(told(event)))
    store.create(key('b'), pod('b'))
    await settle()
    expect(events).toEqual(['created b@2'])
  })

  it('is expired when its past is unknown, or has not been', async () => {
    const store = await open(2)
    for (const name of ['a', 'b', 'c']) store.create(key(name), pod(name))
    await settle()
    expect(store.watch({ resource: '/pods', from: 0 }, () => {})).toBe('expired')
    expect(store.watch({ resource: '/pods', from: 4 }, () => {})).toBe('expired')
    expect(store.watch({ resource: '/pods', from: 1 }, () => {})).not.toBe('expired')
  })

  it('hears of more writes in one turn than the history holds', async () => {
    const store = await open(2)
    let events = 0
    store.watch({ resource: '/pods', from: 0 }, () => events++)
    for (let i = 0; i < 50; i++) store.create(key(`p${i}`), pod(`p${i}`))
    await settle()
    expect(events).toBe(50)
  })
})
