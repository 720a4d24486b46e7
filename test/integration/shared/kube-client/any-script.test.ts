import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { systemClock } from '#shared/clock'
import { meshKinds, readApiObject } from '#shared/k8s'
import { watchApi } from '#shared/kube-client'
import { ApiClient } from '../../../../src/shared/kube-client/client.ts'
import { FakeApi, type Fault } from '../../../support/fake-api.ts'
import { ObjectMirror } from '../../../support/object-mirror.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const TIMES = { firstRetryMs: 1, maxRetryMs: 8, absentMs: 10, watchSeconds: 60 }
const POD_STATUS = { status: { phase: 'Running' } }
const podReader = meshKinds.find(({ kind }) => kind === 'Pod')!
const targets = meshKinds.filter(({ kind }) => kind === 'Pod' || kind === 'Namespace').map((reader) => ({ reader }))

/** One thing that happens; `wait` lets the client get somewhere in between. */
type Step =
  | { readonly kind: 'put'; readonly name: string; readonly app: string }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'another'; readonly step: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'drop' | 'end' | 'tear' | 'expire' | 'forget' | 'bookmark' | 'garbage' | 'small-pages' }

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const constant = (...kinds: readonly ('drop' | 'end' | 'tear' | 'expire' | 'forget' | 'bookmark' | 'garbage')[]) =>
  fc.constantFrom(...kinds).map((kind): Step => ({ kind }))

const fault = fc.oneof(
  fc
    .constantFrom(400, 401, 403, 404, 409, 410, 429, 500, 503, 504)
    .map((status): Fault => ({ kind: 'status', status })),
  fc.constantFrom<Fault>({ kind: 'drop' }, { kind: 'garbage' }, { kind: 'hang' }),
)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('put' as const), name, app: fc.constantFrom('x', 'y') }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove' as const), name }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('fault' as const), fault }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('another' as const), step: fc.integer({ min: -90, max: 90 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 12 }) }) },
  { weight: 5, arbitrary: constant('drop', 'end', 'tear', 'expire', 'forget', 'bookmark', 'garbage') },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'small-pages' }) },
)

async function play(api: FakeApi, happening: Step): Promise<void> {
  const namespace = 'shop'
  switch (happening.kind) {
    case 'put':
      return api.put('pods', { name: happening.name, namespace, labels: { app: happening.app } }, POD_STATUS)
    case 'remove':
      return api.remove('pods', happening.name, namespace)
    case 'fault':
      return api.fail(happening.fault)
    case 'another':
      return api.becomeAnother(api.revision + happening.step)
    case 'wait':
      await new Promise((resolve) => setTimeout(resolve, happening.ms))
      return
    case 'drop':
      return api.dropConnections()
    case 'end':
      return api.endWatches()
    case 'tear':
      return api.tearWatches()
    case 'expire':
      return api.expireWatches()
    case 'forget':
      return api.forget()
    case 'bookmark':
      return api.bookmark()
    case 'garbage':
      return api.writeToWatches('garbage\n')
    case 'small-pages':
      api.pageLimit = 2
  }
}

it('after any script of events and faults, a source has what the server has, and told nothing twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 30 }), async (script) => {
      const api = await FakeApi.start(['pods'])
      const client = new ApiClient(api.login, { clock: systemClock, timeoutMs: 30 })
      const source = watchApi(client, targets, { clock: systemClock, logger: quietLogger, times: TIMES })
      const mirror = new ObjectMirror(source, 'Pod', 'Namespace')
      try {
        for (const happening of script) await play(api, happening)
        api.clearFaults()
        const wanted = api.listOf('pods').map((pod) => {
          const read = readApiObject(pod, podReader)
          return read.kind === 'read' ? read.object : undefined
        })
        const pods = (): unknown[] => [...mirror.objects.values()].filter(({ kind }) => kind === 'Pod')
        const byUid = (objects: readonly unknown[]): unknown[] =>
          (objects as { metadata: { uid: string } }[]).toSorted((a, b) => (a.metadata.uid < b.metadata.uid ? -1 : 1))
        await vi.waitFor(() => expect(byUid(pods())).toEqual(byUid(wanted)), { timeout: 3000, interval: 2 })
        expect(mirror.violations).toEqual([])
        await vi.waitFor(() => expect(source.problems).toEqual([]), { timeout: 3000, interval: 2 })
      } finally {
        await source.close()
        await client.close()
        await api.close()
      }
    }),
    { numRuns: 50 },
  )
}, 120_000)
