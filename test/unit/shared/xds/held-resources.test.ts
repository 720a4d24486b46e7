import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import type { Rejection, ResourceType, ResourceUpdate, Subscription } from '#shared/xds'
import { HeldResources } from '../../../../src/shared/xds/held-resources.ts'
import type { DeltaResponse, NodeMessage } from '../../../../src/shared/xds/messages.ts'

/** Text that decodes unless it begins with "bad". */
const textType: ResourceType<string> = {
  typeUrl: 'text',
  encode: (text) => Buffer.from(text),
  decode(bytes) {
    const text = Buffer.from(bytes).toString()
    if (text.startsWith('bad')) throw new MeshError('RESOURCE_INVALID', text)
    return text
  },
}

function held(
  mode: Subscription<string>['mode'],
  reject: (update: ResourceUpdate<string>) => readonly Rejection[] = () => [],
  type: ResourceType<string> = textType,
): { resources: HeldResources; updates: ResourceUpdate<string>[] } {
  const updates: ResourceUpdate<string>[] = []
  const subscription: Subscription<string> = {
    type,
    mode,
    apply(update) {
      updates.push(update)
      return reject(update)
    },
  }
  return { resources: new HeldResources(subscription as Subscription<unknown>), updates }
}

const response = (
  resources: [name: string, version: string, body: string][],
  removed: string[] = [],
): DeltaResponse => ({
  systemVersionInfo: '',
  typeUrl: 'text',
  nonce: 'n',
  removedResources: removed,
  resources: resources.map(([name, version, body]) => ({
    name,
    version,
    aliases: [],
    resource: { type_url: '', value: Buffer.from(body) },
  })),
})

const node: NodeMessage = { id: 'n', cluster: '', metadata: null, buildVersion: '' }
const versions = (one: HeldResources): unknown => one.initialRequest(node).initialResourceVersions

describe('what a client holds', () => {
  it('is asked for with the versions that were taken', () => {
    const { resources } = held('wildcard')
    resources.take(
      response([
        ['a', '1', 'x'],
        ['b', '2', 'y'],
      ]),
    )
    resources.take(response([['a', '3', 'z']], ['b']))
    expect(resources.initialRequest(node)).toEqual({
      node,
      typeUrl: 'text',
      resourceNamesSubscribe: [],
      resourceNamesUnsubscribe: [],
      initialResourceVersions: { a: '3' },
    })
  })

  it('takes the good resources of a response and tells of the others, those of the store first', () => {
    const { resources, updates } = held('wildcard', () => [{ name: 'refused', reason: 'full' }])
    const rejections = resources.take(
      response(
        [
          ['a', '1', 'x'],
          ['wrong', '1', 'bad 1'],
          ['refused', '1', 'y'],
        ],
        ['gone'],
      ),
    )
    expect(rejections).toEqual([
      { name: 'refused', reason: 'full' },
      { name: 'wrong', reason: 'bad 1' },
    ])
    expect(updates).toEqual([
      {
        changed: [
          { name: 'a', version: '1', resource: 'x' },
          { name: 'refused', version: '1', resource: 'y' },
        ],
        removed: ['gone'],
      },
    ])
    expect(versions(resources)).toEqual({ a: '1' })
  })

  it('keeps the version of what was taken before a bad update', () => {
    const { resources } = held('wildcard')
    resources.take(response([['a', '1', 'x']]))
    resources.take(response([['a', '2', 'bad']]))
    expect(versions(resources)).toEqual({ a: '1' })
  })

  it('tells of a resource without a body', () => {
    const { resources } = held('wildcard')
    const [rejection] = resources.take({
      ...response([]),
      resources: [{ name: 'a', version: '', aliases: [], resource: null }],
    })
    expect(rejection).toEqual({ name: 'a', reason: 'it has no body' })
  })

  it('rejects a whole response that the store fails on', () => {
    const { resources } = held('wildcard', () => {
      throw new TypeError('oops')
    })
    expect(resources.take(response([['a', '1', 'x']]))).toEqual([{ name: 'a', reason: 'not applied: oops' }])
    expect(versions(resources)).toEqual({})
    expect(resources.isSynced).toBe(false)
  })

  it('is in sync after the first response that was taken whole, be it empty', () => {
    const { resources } = held('wildcard')
    expect(resources.isSynced).toBe(false)
    resources.take(response([['a', '1', 'bad']]))
    expect(resources.isSynced).toBe(false)
    resources.take(response([]))
    expect(resources.isSynced).toBe(true)
    expect(held('on-demand').resources.isSynced).toBe(true)
  })
})

describe('a resource that cannot be read', () => {
  /** Text that begins with "bad" is refused and read as "careful". */
  const careful: ResourceType<string> = { ...textType, standIn: () => 'careful' }
  const begin = (): ReturnType<typeof held> => held('wildcard', () => [], careful)
  const applied = ({ updates }: ReturnType<typeof held>): unknown =>
    updates.map(({ changed }) => changed.map(({ name, resource }) => `${name}=${resource}`))

  it('is refused by name, and its stand-in applies until a good one comes', () => {
    const one = begin()
    expect(one.resources.take(response([['a', '1', 'bad']]))).toEqual([
      { name: 'a', reason: 'bad; its strictest reading counts until it can be read' },
    ])
    one.resources.take(response([['a', '2', 'bad again']]))
    one.resources.take(response([['a', '3', 'x']]))
    expect(applied(one)).toEqual([['a=careful'], ['a=careful'], ['a=x']])
    expect(versions(one.resources)).toEqual({ a: '3' })
  })

  it('does not take the place of a good one that is held, whatever its version', () => {
    const one = begin()
    one.resources.take(response([['a', '', 'x']]))
    expect(one.resources.take(response([['a', '', 'bad']]))).toEqual([{ name: 'a', reason: 'bad' }])
    expect(applied(one)).toEqual([['a=x'], []])
  })

  it('does not take the place of a good one of the same response', () => {
    const one = begin()
    one.resources.take(
      response([
        ['a', '1', 'bad'],
        ['a', '1', 'x'],
      ]),
    )
    expect(applied(one)).toEqual([['a=x']])
  })

  it('is named to the next stream, which so tells when it has gone; after that it may stand in again', () => {
    const one = begin()
    one.resources.take(response([['a', '1', 'bad']]))
    expect(versions(one.resources)).toEqual({ a: '' })
    one.resources.take(response([], ['a']))
    expect(versions(one.resources)).toEqual({})
    one.resources.take(response([['a', '1', 'bad']]))
    expect(applied(one)).toEqual([['a=careful'], [], ['a=careful']])
  })

  it('counts for nothing when the store fails on its stand-in', () => {
    const fail = (): never => {
      throw new TypeError('oops')
    }
    const { resources } = held('wildcard', fail, careful)
    resources.take(response([['a', '1', 'bad']]))
    expect(versions(resources)).toEqual({})
    expect(resources.isSynced).toBe(false)
  })

  it('does not keep the tunnel from being in sync when its stand-in applies', () => {
    const one = begin()
    one.resources.take(response([['a', '1', 'bad']]))
    expect(one.resources.isSynced).toBe(true)
  })
})

describe('asking on demand', () => {
  it('begins with a subscription to nothing', () => {
    expect(held('on-demand').resources.initialRequest(node)).toMatchObject({
      resourceNamesSubscribe: ['*'],
      resourceNamesUnsubscribe: ['*'],
    })
  })

  it.each([
    ['comes', response([['a', '1', 'x']])],
    ['is removed', response([], ['a'])],
    ['is rejected', response([['a', '1', 'bad']])],
  ])('waits until the name %s', async (_what, answer) => {
    const { resources } = held('on-demand')
    const { arrived, ask } = resources.demand('a')
    expect(ask).toBe(true)
    expect(versions(resources)).toEqual({ a: '' })
    resources.take(response([['b', '1', 'x']], ['c']))
    resources.take(answer)
    await arrived
  })

  it('asks once for those who wait together', async () => {
    const { resources } = held('on-demand')
    const first = resources.demand('a')
    const second = resources.demand('a')
    expect([first.ask, second.ask]).toEqual([true, false])
    resources.take(response([], ['a']))
    await Promise.all([first.arrived, second.arrived])
    expect(resources.demand('a').ask).toBe(true)
  })

  it('refuses more than 10,000 names at a time', async () => {
    const { resources } = held('on-demand')
    for (let i = 0; i < 10_000; i++) resources.demand(String(i))
    await expect(resources.demand('one more').arrived).rejects.toThrowError(MeshError)
  })

  it('ends with the client', async () => {
    const { resources } = held('on-demand')
    const { arrived } = resources.demand('a')
    resources.close(new Error('closed'))
    await expect(arrived).rejects.toThrowError('closed')
  })
})

describe('what is asked for by an alias', () => {
  it('has come when a resource of another name says that it is that alias', async () => {
    const { resources } = held('on-demand')
    const { arrived, ask } = resources.demand('/10.0.0.1')
    expect(ask).toBe(true)
    const answer = response([['uid', '1', 'x']])
    resources.take({ ...answer, resources: answer.resources.map((each) => ({ ...each, aliases: ['/10.0.0.1'] })) })
    await arrived
  })
})

describe('a response of thousands of resources that cannot be read', () => {
  it('is not read to its end: what follows is refused by name too, and what came before is taken', () => {
    const { resources, updates } = held('wildcard')
    const many = Array.from({ length: 10_000 }, (_, i): [string, string, string] => [`r${i}`, '1', 'bad'])
    const rejections = resources.take(response([['first', '1', 'x'], ...many, ['last', '1', 'x']]))
    expect(rejections).toHaveLength(10_001)
    expect(rejections.at(-1)).toEqual({ name: 'last', reason: 'not looked at, for 10000 before it cannot be read' })
    expect(updates[0]?.changed.map(({ name }) => name)).toEqual(['first'])
    expect(versions(resources)).toEqual({ first: '1' })
  })
})
