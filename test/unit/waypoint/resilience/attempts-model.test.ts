import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { Rig, retryPolicy, SeenBody } from './fakes.ts'

type Step =
  | { readonly kind: 'answer'; readonly status: number }
  | { readonly kind: 'fail'; readonly code: 'UPSTREAM_RESET' | 'UPSTREAM_CONNECT_FAILED' | 'UPSTREAM_REFUSED_STREAM' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'go' }
  | { readonly kind: 'feed'; readonly bytes: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('answer' as const), status: fc.constantFrom(200, 404, 500, 503) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fail' as const),
      code: fc.constantFrom(
        'UPSTREAM_RESET' as const,
        'UPSTREAM_CONNECT_FAILED' as const,
        'UPSTREAM_REFUSED_STREAM' as const,
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 300 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'go' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('feed' as const), bytes: fc.integer({ min: 1, max: 50_000 }) }),
  },
)

describe('whatever happens to a request', () => {
  it('attempts stay within the policy, end with the head, leave nothing behind, and each gets the whole body', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 24 }),
        fc.integer({ min: 1, max: 4 }),
        fc.option(fc.integer({ min: 10, max: 400 }), { nil: undefined }),
        fc.boolean(),
        async (steps, attempts, timeoutMs, hasBody) => {
          const rig = new Rig()
          const asked = rig.ask({
            ...(timeoutMs === undefined ? {} : { timeoutMs }),
            lengthBytes: hasBody ? undefined : 0,
            retry: retryPolicy({ attempts, on: ['5xx'], perTryTimeoutMs: 200 }),
          })
          let result: string | undefined
          const seen = new SeenBody()
          const running = rig.attempts.run(asked).then((answer) => {
            result = answer.kind
            if (answer.kind === 'answered') answer.response.body.pipe(seen)
          })
          let sentAtResult: number | undefined
          let fed = ''
          for (const each of steps) {
            const last = rig.sent.at(-1)
            if (each.kind === 'answer') last?.answer(each.status)
            else if (each.kind === 'fail') last?.fail(new MeshError(each.code, 'x'))
            else if (each.kind === 'go') asked.canceller.cancel()
            else if (each.kind === 'wait') await rig.advance(each.ms)
            else if (hasBody && result === undefined && !asked.body.isUnwanted) {
              const text = String(fed.length % 10).repeat(each.bytes)
              asked.body.feed(text)
              fed += text
            }
            await rig.advance(0)
            if (result !== undefined) sentAtResult ??= rig.sent.length
            const attempt = rig.sent.at(-1)
            if (attempt !== undefined) expect(fed.startsWith(attempt.body.text)).toBe(true)
          }
          asked.canceller.cancel()
          await rig.advance(1000)
          await running
          expect(rig.sent.length).toBeLessThanOrEqual(attempts + 1)
          expect(rig.sent.length).toBe(sentAtResult ?? rig.sent.length)
          expect(asked.course.attempts).toBe(rig.balancer.picks.length)
          for (const { outcomes } of rig.balancer.picks) expect(outcomes).toHaveLength(1)
          const { activeRequests, activeRetries } = rig.balancer.cluster
          expect([activeRequests, activeRetries, rig.clock.pendingTimers]).toEqual([0, 0, 0])
        },
      ),
      { numRuns: 300 },
    )
  })
})
