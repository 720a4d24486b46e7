import { describe, expect, it } from 'vitest'
import type { ConnectedClient, EncodedResource } from '#shared/xds'
import { Graph, source } from '../../../../src/istiod-lite/collections/index.ts'
import { plainType, versioned } from '../../../../src/istiod-lite/push/index.ts'

interface Named extends EncodedResource {
  readonly owner: string
}

const client = (id: string): ConnectedClient => ({
  id: 1,
  peer: { address: '127.0.0.1:1', principal: undefined },
  node: { id, metadata: {} },
  connectedAtMs: 0,
})

const resource = (name: string, owner: string): Named => ({
  name,
  owner,
  aliases: [],
  ...versioned(Buffer.from(name)),
})

describe('a type whose resources stand for themselves', () => {
  const graph = new Graph()
  const resources = source<Named>(graph, 'resources')
  for (const each of [resource('a', 'x'), resource('b', 'y'), resource('c', 'x')]) resources.set(each.name, each)

  it('shows each client everything', () => {
    const view = plainType('t', resources).view(client('x'))
    expect([...view.all()].map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    expect([view.get('b')?.name, view.get('d')]).toEqual(['b', undefined])
    expect(view.resolve('b')).toHaveLength(1)
    expect(view.resolve('d')).toEqual([])
    expect(view.isUnasked(resource('a', 'x'))).toBe(false)
  })

  it('shows a client nothing of what is for others, whichever way it asks', () => {
    const view = plainType('t', resources, ({ owner }, { node }) => owner === node.id).view(client('x'))
    expect([...view.all()].map(({ name }) => name)).toEqual(['a', 'c'])
    expect(view.get('b')).toBeUndefined()
    expect(view.resolve('b')).toEqual([])
    expect(view.resolve('c')).toHaveLength(1)
  })
})

describe('the version of a resource', () => {
  it('goes by its bytes and nothing else', () => {
    expect(versioned(Buffer.from('a')).version).toBe(versioned(new Uint8Array([97])).version)
    expect(versioned(Buffer.from('a')).version).not.toBe(versioned(Buffer.from('b')).version)
  })
})
