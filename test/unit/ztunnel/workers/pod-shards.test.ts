import { beforeEach, describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { Readiness } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import { PodShards, type Shard } from '../../../../src/ztunnel/workers/index.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const info = { name: 'pod', namespace: 'default', serviceAccount: 'default' }

/** A worker that writes down what it is told. */
class FakeShard implements Shard {
  readonly told: string[] = []
  readonly heirPath = ''
  refusal: MeshError | undefined
  #serve: () => void = () => {}
  readonly #served = new Promise<void>((resolve) => {
    this.#serve = resolve
  })

  readonly zds: Shard['zds'] = {
    add: async ({ uid }) => {
      if (this.refusal !== undefined) throw this.refusal
      this.told.push(`add ${uid}`)
    },
    delete: async (uid) => void this.told.push(`delete ${uid}`),
  }

  serving(): Promise<void> {
    return this.#served
  }

  serve(): void {
    this.#serve()
  }
}

describe('pods of several workers', () => {
  let shards: [FakeShard, FakeShard]
  let readiness: Readiness
  let pods: PodShards
  const open = new Set<string>()
  const netnsOf = (id: string): Netns => {
    open.add(id)
    return { id, fd: 0, run: (work) => work(), close: () => void open.delete(id) }
  }

  beforeEach(() => {
    open.clear()
    shards = [new FakeShard(), new FakeShard()]
    readiness = new Readiness()
    pods = new PodShards({ shards, readiness, log: quietLogger })
  })

  it('go to the worker that has the fewest, and back to it when they come again with another namespace', async () => {
    for (const uid of ['a', 'b', 'c']) await pods.add(uid, info, netnsOf(uid))
    await pods.add('b', info, netnsOf('b2'))
    expect(shards.map(({ told }) => told)).toEqual([
      ['add a', 'add c'],
      ['add b', 'add b'],
    ])
    expect(pods.counts).toEqual([2, 1])
    expect(['a', 'b', 'd'].map((uid) => pods.shardOf(uid))).toEqual([shards[0], shards[1], undefined])
    expect([...open]).toEqual(['a', 'c', 'b2'])
  })

  it('are not told again when nothing has changed', async () => {
    await pods.add('a', info, netnsOf('a'))
    await pods.add('a', info, netnsOf('a'))
    expect(shards[0].told).toEqual(['add a'])
  })

  it('leave when they are deleted, or not named by a new snapshot', async () => {
    for (const uid of ['a', 'b', 'c']) await pods.add(uid, info, netnsOf(uid))
    await pods.snapshotSent()
    await pods.delete('a')
    pods.disconnected('gone')
    await pods.keep('c')
    await pods.snapshotSent()
    expect(shards.map(({ told }) => told.filter((line) => line.startsWith('delete')))).toEqual([
      ['delete a'],
      ['delete b'],
    ])
    expect([...open]).toEqual(['c'])
  })

  it('are acknowledged only when a worker that was just being started has them', async () => {
    shards[0].refusal = new MeshError('ZDS_UNAVAILABLE', 'no tunnel is connected')
    let isTaken = false
    const adding = pods.add('a', info, netnsOf('a')).then(() => {
      isTaken = true
    })
    await pods.snapshotSent()
    expect([isTaken, readiness.isReady]).toEqual([false, false])
    shards[0].serve()
    await adding
    expect(readiness.isReady).toBe(true)
  })

  it('pass on what a worker says against a pod, and make nobody wait for it', async () => {
    shards[0].refusal = new MeshError('ZDS_REFUSED', 'port taken')
    await expect(pods.add('a', info, netnsOf('a'))).rejects.toThrow('port taken')
    await pods.snapshotSent()
    expect(readiness.isReady).toBe(true)
  })

  it.each(['keep', 'snapshotSent'] as const)('break the protocol with a late %s', async (call) => {
    await pods.snapshotSent()
    await expect(pods[call]('a')).rejects.toMatchObject({ code: 'ZDS_PROTOCOL_ERROR' })
  })

  it('let their namespaces go at the end', async () => {
    await pods.add('a', info, netnsOf('a'))
    await pods.close()
    expect(open.size).toBe(0)
  })
})
