import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { DEFAULT_RETRY } from '#shared/l7'
import { settle } from '../../../support/fake-clock.ts'
import { CONNECT_FAILED, RESET, Rig, responseHead, retryPolicy, SeenBody } from './fakes.ts'

describe('attempts', () => {
  it('hand on the first answer that is no failure, and give its place back at the end of its body', async () => {
    const rig = new Rig()
    const asked = rig.ask()
    const answering = rig.attempts.run(asked)
    rig.sent[0]?.answer(200)
    const answer = await answering
    if (answer.kind !== 'answered') throw new Error(answer.details)
    expect(answer.response.head.status).toBe(200)
    expect(rig.outcomes()).toEqual([''])
    const seen = new SeenBody()
    answer.response.body.pipe(seen)
    rig.sent[0]?.answerBody.feed('hello')
    rig.sent[0]?.answerBody.sink?.end(undefined)
    expect([seen.text, seen.ends]).toEqual(['hello', 1])
    expect(rig.outcomes()).toEqual(['answered'])
    expect(asked.course).toMatchObject({ attempts: 1, retryStop: undefined })
    expect(rig.clock.pendingTimers).toBe(0)
  })

  it('try again elsewhere after a failure of the policy, within its number, with growing waits', async () => {
    const rig = new Rig()
    const asked = rig.ask()
    const answering = rig.attempts.run(asked)
    rig.sent[0]?.answer(503)
    await settle()
    expect(rig.sent).toHaveLength(1)
    await rig.advance(12.5) // half of 25, by the fixed random number
    expect(rig.sent).toHaveLength(2)
    rig.sent[1]?.fail(RESET)
    await rig.advance(24)
    expect(rig.sent).toHaveLength(2)
    await rig.advance(1)
    expect(rig.sent).toHaveLength(3)
    rig.sent[2]?.answer(503)
    const answer = await answering
    expect(answer).toMatchObject({ kind: 'answered', response: { head: { status: 503 } } })
    expect(rig.sent[0]?.answerBody.isDiscarded).toBe(true)
    const [first, second, third] = rig.balancer.picks
    expect(third?.facts.avoid).toEqual([first?.endpoint, second?.endpoint])
    expect([first, second, third].map((pick) => pick?.facts.isRetry)).toEqual([false, true, true])
    expect(asked.course).toMatchObject({ attempts: 3, retryStop: 'exhausted' })
    expect(rig.outcomes()).toEqual(['answered', 'failed', ''])
  })

  it('ask for other localities from the first retry on, where the policy says so', async () => {
    const rig = new Rig()
    void rig.attempts.run(rig.ask({ retry: retryPolicy({ usesRemoteLocalities: true, avoidsPreviousHosts: false }) }))
    rig.sent[0]?.answer(500)
    await rig.advance(25)
    expect(rig.balancer.picks.map(({ facts }) => [facts.usesRemoteLocalities, facts.avoid.length])).toEqual([
      [false, 0],
      [true, 0],
    ])
  })

  it.each([
    ['no-healthy-endpoint', 503, 'UH', 'no healthy upstream'],
    ['no-cluster', 503, 'NC', ''],
    [
      'too-many-requests',
      503,
      'UO',
      'upstream connect error or disconnect/reset before headers. reset reason: overflow',
    ],
  ] as const)('answer %s themselves', async (refusal, status, flag, body) => {
    const rig = new Rig()
    rig.balancer.refusal = refusal
    const asked = rig.ask({ lengthBytes: undefined })
    expect(await rig.attempts.run(asked)).toMatchObject({ kind: 'reply', status, flag, body })
    expect(asked.body.isUnwanted).toBe(true)
  })

  it('say in Envoy’s words what the last failure was', async () => {
    const rig = new Rig()
    rig.connectErrors.push(CONNECT_FAILED, CONNECT_FAILED, CONNECT_FAILED)
    const answering = rig.attempts.run(rig.ask({ retry: DEFAULT_RETRY }))
    await rig.advance(100)
    expect(await answering).toMatchObject({
      status: 503,
      flag: 'UF',
      body: 'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure',
      details: 'upstream_reset_before_response_started{remote_connection_failure}',
    })
    expect(rig.outcomes()).toEqual(['failed', 'failed', 'failed'])
  })

  it('do not blame an endpoint for what fails on our side, nor try that again', async () => {
    const rig = new Rig()
    rig.connectErrors.push(new MeshError('CERTIFICATE_UNAVAILABLE', 'none yet'))
    expect(await rig.attempts.run(rig.ask())).toMatchObject({ status: 503, flag: 'UF' })
    expect(rig.outcomes()).toEqual(['given-up'])
  })

  it('never repeat by default what an application may have worked on', async () => {
    const rig = new Rig()
    const answering = rig.attempts.run(rig.ask({ method: 'POST', retry: DEFAULT_RETRY }))
    rig.sent[0]?.fail(RESET)
    expect(await answering).toMatchObject({ status: 503, flag: 'UC' })
    expect(rig.sent).toHaveLength(1)
  })

  it('let a fault of our own through, and give the place back', async () => {
    const rig = new Rig()
    const answering = rig.attempts.run(rig.ask({ timeoutMs: 1000, retry: retryPolicy({ perTryTimeoutMs: 100 }) }))
    rig.sent[0]?.fail(new TypeError('a bug'))
    await expect(answering).rejects.toThrow('a bug')
    expect([rig.outcomes(), rig.clock.pendingTimers]).toEqual([['given-up'], 0])
  })

  it('pass interim answers on', async () => {
    const rig = new Rig()
    void rig.attempts.run(rig.ask())
    rig.sent[0]?.onInformational?.(responseHead(103))
    expect(rig.informed).toEqual([103])
  })

  it('answer a backend that the route may not use with its status', async () => {
    const rig = new Rig()
    const asked = rig.ask()
    const forward = asked.to.forward
    if (forward === undefined) throw new Error('no forward')
    const backend = { ...forward.backend, to: { kind: 'failed', statusCode: 500, reason: 'no such service' } } as const
    const to = { ...asked.to, forward: { ...forward, backend } }
    expect(await rig.attempts.run({ ...asked, to })).toMatchObject({ status: 500, details: 'direct_response' })
  })
})

describe('time', () => {
  it('ends one attempt at its own limit and the next one takes over', async () => {
    const rig = new Rig()
    const answering = rig.attempts.run(rig.ask({ retry: retryPolicy({ perTryTimeoutMs: 100 }) }))
    await rig.advance(100)
    expect(rig.sent[0]?.isCancelled).toBe(true)
    await rig.advance(13)
    rig.sent[1]?.answer(200)
    expect(await answering).toMatchObject({ kind: 'answered' })
    rig.sent[0]?.answer(200) // too late: nobody reads it
    await settle()
    expect(rig.sent[0]?.answerBody.isDiscarded).toBe(true)
    expect(rig.outcomes()).toEqual(['failed', ''])
  })

  it('says that the last attempt was too slow', async () => {
    const rig = new Rig()
    const answering = rig.attempts.run(rig.ask({ retry: retryPolicy({ attempts: 1, perTryTimeoutMs: 100 }) }))
    await rig.advance(250)
    const details = 'upstream_per_try_timeout'
    expect(await answering).toMatchObject({ status: 504, flag: 'UT', body: 'upstream request timeout', details })
  })

  it('ends all attempts together at the rule’s limit', async () => {
    const rig = new Rig()
    const answering = rig.attempts.run(rig.ask({ timeoutMs: 50, retry: retryPolicy({ attempts: 9 }) }))
    rig.sent[0]?.answer(503)
    await rig.advance(49)
    expect(rig.sent).toHaveLength(2)
    await rig.advance(1)
    expect(await answering).toMatchObject({ status: 504, flag: 'UT', details: 'response_timeout', grpcStatus: 4 })
    expect(rig.outcomes()).toEqual(['answered', 'failed'])
    expect([rig.balancer.cluster.activeRetries, rig.clock.pendingTimers]).toEqual([0, 0])
  })

  it('runs from the end of the request on', async () => {
    const rig = new Rig()
    const asked = rig.ask({ timeoutMs: 50, lengthBytes: undefined })
    const answering = rig.attempts.run(asked)
    await rig.advance(1000)
    asked.body.sink?.end(undefined)
    await rig.advance(50)
    expect(await answering).toMatchObject({ status: 504 })
  })

  it('cuts an answer that has begun but does not end', async () => {
    const rig = new Rig()
    const answering = rig.attempts.run(rig.ask({ timeoutMs: 50 }))
    rig.sent[0]?.answer(200)
    const answer = await answering
    if (answer.kind !== 'answered') throw new Error(answer.details)
    const seen = new SeenBody()
    answer.response.body.pipe(seen)
    await rig.advance(50)
    expect(seen.aborted?.code).toBe('UPSTREAM_TIMEOUT')
    expect(rig.sent[0]?.isCancelled).toBe(true)
    expect(rig.outcomes()).toEqual(['failed'])
  })

  it('does not end what an upgrade opened', async () => {
    const rig = new Rig()
    const answering = rig.attempts.run(rig.ask({ timeoutMs: 50, upgrade: 'websocket', lengthBytes: undefined }))
    rig.sent[0]?.answer(101)
    const answer = await answering
    if (answer.kind !== 'answered') throw new Error(answer.details)
    const seen = new SeenBody()
    answer.response.body.pipe(seen)
    await rig.advance(10_000)
    expect(seen.aborted).toBeUndefined()
  })

  it.each([
    ['3S', 100, '100m', 100],
    ['20m', 100, '20m', 20],
    ['5S', undefined, '5S', 5000],
  ])('of gRPC: %s of the client and %s ms of the rule', async (own, timeoutMs, told, endsMs) => {
    const rig = new Rig()
    const lines = [
      ['content-type', 'application/grpc+proto'],
      ['grpc-timeout', own],
    ] as const
    const answering = rig.attempts.run(rig.ask({ lines, ...(timeoutMs === undefined ? {} : { timeoutMs }) }))
    expect(rig.sent[0]?.head.fields.get('grpc-timeout')).toBe(told)
    await rig.advance(endsMs - 1)
    expect(rig.outcomes()).toEqual([''])
    await rig.advance(1)
    expect(await answering).toMatchObject({ grpcStatus: 4 })
  })

  it('tells a retry of gRPC how much of it is left', async () => {
    const rig = new Rig()
    const lines = [
      ['content-type', 'application/grpc'],
      ['grpc-timeout', '1S'],
    ] as const
    void rig.attempts.run(rig.ask({ lines, retry: DEFAULT_RETRY }))
    rig.sent[0]?.answer(200, [['grpc-status', '14']])
    await rig.advance(12.5)
    expect(rig.sent[1]?.head.fields.get('grpc-timeout')).toBe('988m')
  })

  it('does not begin a retry that the endpoint wants later than the deadline', async () => {
    const rig = new Rig()
    const asked = rig.ask({ timeoutMs: 1500 })
    const answering = rig.attempts.run(asked)
    rig.sent[0]?.answer(503, [['retry-after', '2']])
    expect(await answering).toMatchObject({ kind: 'answered', response: { head: { status: 503 } } })
    expect(asked.course.retryStop).toBe('deadline')
  })
})

describe('a client that goes', () => {
  it('ends the attempt under way', async () => {
    const rig = new Rig()
    const asked = rig.ask()
    const answering = rig.attempts.run(asked)
    asked.canceller.cancel()
    expect(await answering).toMatchObject({ flag: 'DC', status: 499 })
    expect(rig.sent[0]?.isCancelled).toBe(true)
    expect(rig.outcomes()).toEqual(['given-up'])
    rig.sent[0]?.fail(RESET) // what comes of it is nobody's business any more
    await settle()
    expect(rig.outcomes()).toEqual(['given-up'])
  })

  it('ends the wait for the next one', async () => {
    const rig = new Rig()
    const asked = rig.ask()
    const answering = rig.attempts.run(asked)
    rig.sent[0]?.answer(503)
    await settle()
    expect(rig.balancer.cluster.activeRetries).toBe(1)
    asked.canceller.cancel()
    expect(await answering).toMatchObject({ flag: 'DC' })
    expect([rig.balancer.cluster.activeRetries, rig.clock.pendingTimers, rig.sent.length]).toEqual([0, 0, 1])
  })

  it('is noticed between an answer’s head and its body', async () => {
    const rig = new Rig()
    const asked = rig.ask()
    const answering = rig.attempts.run(asked)
    rig.sent[0]?.answer(200)
    await Promise.resolve()
    await Promise.resolve()
    asked.canceller.cancel()
    const answer = await answering
    if (answer.kind === 'answered') answer.response.body.pipe(new SeenBody())
    expect(rig.sent[0]?.isCancelled).toBe(true)
    expect(rig.outcomes()).toEqual(['given-up'])
  })

  it('ends the answer under way', async () => {
    const rig = new Rig()
    const asked = rig.ask()
    const answering = rig.attempts.run(asked)
    rig.sent[0]?.answer(200)
    const answer = await answering
    if (answer.kind !== 'answered') throw new Error(answer.details)
    answer.response.body.pipe(new SeenBody())
    asked.canceller.cancel()
    expect(rig.sent[0]?.isCancelled).toBe(true)
    expect(rig.outcomes()).toEqual(['given-up'])
  })

  it('may break off its own body', async () => {
    const rig = new Rig()
    const asked = rig.ask({ lengthBytes: undefined })
    const answering = rig.attempts.run(asked)
    asked.body.sink?.abort(new MeshError('REQUEST_MALFORMED', 'bad chunk'))
    expect(await answering).toMatchObject({ status: 400, flag: 'DPE' })
    expect(rig.sent[0]?.body.aborted?.code).toBe('REQUEST_MALFORMED')
    expect(rig.outcomes()).toEqual(['given-up'])
  })

  it('that wants no more of an answer leaves it as it was', async () => {
    const rig = new Rig()
    const answering = rig.attempts.run(rig.ask())
    rig.sent[0]?.answer(200)
    const answer = await answering
    if (answer.kind !== 'answered') throw new Error(answer.details)
    const seen = new SeenBody()
    answer.response.body.pipe(seen)
    seen.onUnwanted?.()
    expect(rig.sent[0]?.answerBody.isUnwanted).toBe(true)
    expect(rig.outcomes()).toEqual(['answered'])
  })
})

describe('a body', () => {
  it('streams on, and is given again from its start to the next attempt', async () => {
    const rig = new Rig()
    const asked = rig.ask({ method: 'POST', lengthBytes: undefined })
    void rig.attempts.run(asked)
    asked.body.feed('one ')
    expect(rig.sent[0]?.body.text).toBe('one ')
    rig.sent[0]?.answer(503)
    await settle()
    expect(asked.body.feed('two ')).toBe(false)
    await rig.advance(13)
    expect(rig.sent[1]?.body.text).toBe('one two ')
    expect(asked.body.drains).toBe(1)
    asked.body.feed('three')
    asked.body.sink?.end(undefined)
    expect([rig.sent[1]?.body.text, rig.sent[1]?.body.ends]).toEqual(['one two three', 1])
    expect(rig.sent[0]?.body.text).toBe('one ')
  })

  it('of more than 64 KiB is sent once only', async () => {
    const rig = new Rig()
    const asked = rig.ask({ method: 'POST', lengthBytes: undefined })
    const answering = rig.attempts.run(asked)
    asked.body.feed('x'.repeat(64 * 1024))
    asked.body.feed('y')
    expect(rig.sent[0]?.body.text).toHaveLength(64 * 1024 + 1)
    rig.sent[0]?.fail(RESET)
    expect(await answering).toMatchObject({ status: 503, flag: 'UC' })
    expect(asked.course.retryStop).toBe('body')
    expect(asked.body.isUnwanted).toBe(true)
  })

  it('of which nothing has been sent yet may be as long as it likes', async () => {
    const rig = new Rig()
    rig.connectErrors.push(CONNECT_FAILED)
    const asked = rig.ask({ method: 'POST', lengthBytes: undefined })
    void rig.attempts.run(asked)
    asked.body.feed('x'.repeat(100_000))
    await rig.advance(13)
    expect(rig.sent[0]?.body.text).toHaveLength(100_000)
  })

  it('waits for an endpoint that has no room', async () => {
    const rig = new Rig()
    const asked = rig.ask({ lengthBytes: undefined })
    void rig.attempts.run(asked)
    const to = rig.sent[0]?.body
    if (to === undefined) throw new Error('not sent')
    to.hasRoom = false
    expect(asked.body.feed('one')).toBe(false)
    expect(asked.body.drains).toBe(0)
    to.onDrain?.()
    expect(asked.body.drains).toBe(1)
  })

  it('that the endpoint refuses early is kept for the next one, until it has answered for good', async () => {
    const rig = new Rig()
    const asked = rig.ask({ lengthBytes: undefined })
    const answering = rig.attempts.run(asked)
    rig.sent[0]?.body.onUnwanted?.()
    expect(asked.body.isUnwanted).toBe(false)
    rig.sent[0]?.answer(413)
    await answering
    expect(asked.body.isUnwanted).toBe(true)
  })
})

describe('what a cluster bears', () => {
  it('is a share of its requests, of which retries in back-off are some: 1,000 failures at once', async () => {
    const rig = new Rig({ retryBudget: { percent: 20, minimum: 3 } })
    const asked = Array.from({ length: 1000 }, () => rig.ask())
    const answers = asked.map((one) => rig.attempts.run(one))
    for (const sent of [...rig.sent]) sent.answer(503)
    await settle()
    expect(rig.balancer.cluster.activeRetries).toBeLessThanOrEqual(200)
    expect(rig.balancer.cluster.activeRetries).toBeGreaterThan(150)
    await rig.advance(25)
    for (const sent of rig.sent.slice(1000)) sent.answer(200)
    const all = await Promise.all(answers)
    for (const answer of all) if (answer.kind === 'answered') answer.response.body.discard()
    const { activeRequests, activeRetries } = rig.balancer.cluster
    expect([activeRequests, activeRetries]).toEqual([0, 0])
    expect(asked.filter(({ course }) => course.retryStop === 'budget').length).toBe(2000 - rig.sent.length)
  })

  it('is a number of retries where one is set', async () => {
    const { pool } = new Rig().balancer.cluster.policy
    const rig = new Rig({ pool: { ...pool, maxRetries: 2 } })
    for (let i = 0; i < 5; i++) void rig.attempts.run(rig.ask())
    for (const sent of [...rig.sent]) sent.answer(503)
    await settle()
    expect(rig.balancer.cluster.activeRetries).toBe(2)
  })

  it('is a fifth of all requests in the long run where nothing is set, and a burst of 100', async () => {
    const rig = new Rig()
    let retries = 0
    for (let round = 0; round < 50; round++) {
      const before = rig.sent.length
      const asked = Array.from({ length: 100 }, () => rig.ask({ retry: retryPolicy({ attempts: 1 }) }))
      const answers = asked.map((one) => rig.attempts.run(one))
      for (const sent of rig.sent.slice(before)) sent.answer(503)
      await rig.advance(25)
      for (const sent of rig.sent.slice(before + 100)) sent.answer(503)
      for (const answer of await Promise.all(answers)) if (answer.kind === 'answered') answer.response.body.discard()
      if (round === 0) expect(rig.sent.length - 100).toBeGreaterThanOrEqual(100)
      retries += rig.sent.length - before - 100
    }
    expect(retries).toBeGreaterThan(1000)
    expect(retries).toBeLessThanOrEqual(100 + 5000 * 0.2 + 50 * 3)
  })
})
