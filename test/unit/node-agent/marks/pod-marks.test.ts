import { beforeEach, describe, expect, it } from 'vitest'
import { type KubeObject, meshKinds, type ObjectSource, ObjectTable, type Pod, readApiObject } from '#shared/k8s'
import { KubeApiError } from '#shared/kube-client'
import { PodMarks } from '../../../../src/node-agent/marks/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const REDIRECTION = 'ambient.istio.io/redirection'
const reader = meshKinds.find(({ kind }) => kind === 'Pod')!

describe('marks on pods', () => {
  let clock: FakeClock
  let table: ObjectTable
  let patches: string[]
  let failure: KubeApiError | undefined
  let marks: PodMarks

  beforeEach(() => {
    clock = new FakeClock()
    table = new ObjectTable()
    patches = []
    failure = undefined
    const objects: ObjectSource = {
      synced: Promise.resolve(),
      problems: [],
      subscribe: (kind, listener) => table.subscribe(kind, listener),
      close: async () => {},
    }
    marks = new PodMarks({
      objects,
      clock,
      logger: quietLogger,
      client: {
        mergePatch: async (_, { namespace, name }, patch, options) => {
          const { uid, annotations } = patch.metadata as { uid: string; annotations: Record<string, unknown> }
          patches.push(`${namespace}/${name} ${uid} ${options?.subresource}: ${annotations[REDIRECTION]}`)
          if (failure !== undefined) throw failure
          return {}
        },
      },
    })
  })

  function put(name: string, uid: string, mark?: string): void {
    const annotations = mark === undefined ? {} : { [REDIRECTION]: mark }
    const read = readApiObject({ metadata: { name, namespace: 'shop', uid, annotations } }, reader)
    if (read.kind === 'read') table.put(read.object as KubeObject as Pod)
  }
  const taken = async (): Promise<string[]> => {
    await settle()
    return patches.splice(0)
  }

  it('are written on the status of the very pod that was meant, and removed', async () => {
    put('a', 'u1')
    expect(await taken()).toEqual([])
    marks.set('u1', 'pending')
    expect(await taken()).toEqual(['shop/a u1 status: pending'])
    put('a', 'u1', 'pending')
    marks.set('u1', 'enabled')
    expect(await taken()).toEqual(['shop/a u1 status: enabled'])
    put('a', 'u1', 'enabled')
    marks.set('u1', 'none')
    expect(await taken()).toEqual(['shop/a u1 status: null'])
  })

  it('are not written where they stand already, and put back where somebody takes them away', async () => {
    put('a', 'u1', 'enabled')
    marks.set('u1', 'enabled')
    expect(await taken()).toEqual([])
    put('a', 'u1')
    expect(await taken()).toEqual(['shop/a u1 status: enabled'])
  })

  it('of pods that nothing was said of are left alone', async () => {
    put('a', 'u1', 'enabled')
    put('a', 'u1', 'something')
    expect(await taken()).toEqual([])
  })

  it('are not written on a pod that is gone, nor on a new one of its name', async () => {
    marks.set('u0', 'enabled')
    put('a', 'u1')
    table.delete('Pod', 'shop/a')
    put('a', 'u2')
    marks.set('u1', 'enabled')
    expect(await taken()).toEqual([])
  })

  it('that are refused are tried again, later each time; not where the pod is gone', async () => {
    put('a', 'u1')
    failure = new KubeApiError('forbidden', 403, 'Forbidden', 0)
    marks.set('u1', 'enabled')
    expect(await taken()).toHaveLength(1)
    await clock.advance(60)
    expect(await taken()).toHaveLength(1)
    failure = new KubeApiError('conflict', 409, 'Conflict', 0)
    await clock.advance(200)
    expect(await taken()).toHaveLength(1)
    await clock.advance(60_000)
    expect(await taken()).toEqual([])
  })

  it('stay when the agent ends', async () => {
    put('a', 'u1')
    marks.set('u1', 'enabled')
    await taken()
    await marks.close()
    put('a', 'u1')
    marks.set('u1', 'none')
    expect(await taken()).toEqual([])
  })
})
