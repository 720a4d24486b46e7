import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { KubeApiError } from '#shared/kube-client'
import { followWatch } from '../../../../src/shared/kube-client/watch-stream.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const TIMEOUT_SECONDS = 60

function follow(clock = new FakeClock()) {
  const body = new PassThrough()
  const events: string[] = []
  const end = followWatch(
    body,
    { timeoutSeconds: TIMEOUT_SECONDS, onEvent: ({ type, object }) => events.push(`${type} ${object.kind}`) },
    clock,
  ).then(
    () => 'ended',
    (error: unknown) => error,
  )
  return { body, events, end, clock }
}

describe('a watch', () => {
  it('gives its events in order, and ends with the stream', async () => {
    const { body, events, end } = follow()
    body.write('{"type":"ADDED","object":{"kind":"Pod"}}\n{"type":"BOOKM')
    body.end('ARK","object":{"kind":"Pod"}}\n')
    expect(await end).toBe('ended')
    expect(events).toEqual(['ADDED Pod', 'BOOKMARK Pod'])
  })

  it('ends with what an ERROR event says', async () => {
    const { body, end } = follow()
    const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }
    body.write(`${JSON.stringify({ type: 'ERROR', object })}\n`)
    const error = await end
    expect(error).toBeInstanceOf(KubeApiError)
    expect(error).toMatchObject({ status: 410, reason: 'Expired', message: /too old resource version/ })
    expect(body.destroyed).toBe(true)
  })

  it.each([
    ['no JSON', '{"type":', /no JSON object/],
    ['no object', '"ADDED"', /no JSON object/],
    ['an unknown type', '{"type":"SEEN","object":{}}', /unknown type "SEEN"/],
    ['nothing in it', '{"type":"ADDED"}', /without an object/],
  ])('breaks off at an event that is %s', async (_, line, message) => {
    const { body, end } = follow()
    body.write(`${line}\n`)
    expect(await end).toMatchObject({ code: 'KUBE_API_UNREACHABLE', message: expect.stringMatching(message) })
  })

  it('is cut off when nothing comes for longer than the server should have kept it', async () => {
    const { body, end, clock } = follow()
    await clock.advance(TIMEOUT_SECONDS * 1000)
    body.write('{"type":"BOOKMARK","object":{}}\n')
    await new Promise(setImmediate)
    await clock.advance(TIMEOUT_SECONDS * 1000)
    expect(body.destroyed).toBe(false)
    await clock.advance(20_000)
    expect(await end).toMatchObject({ message: expect.stringMatching(/nothing came for 75 s/) })
    expect(clock.pendingTimers).toBe(0)
  })

  it('ends with what its listener throws', async () => {
    const body = new PassThrough()
    const onEvent = (): void => {
      throw new Error('mine')
    }
    const end = followWatch(body, { timeoutSeconds: 1, onEvent }, new FakeClock())
    body.write('{"type":"ADDED","object":{}}\n')
    await expect(end).rejects.toThrow('mine')
  })
})
