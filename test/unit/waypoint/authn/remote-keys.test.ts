import { beforeEach, describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { RemoteKeys } from '../../../../src/waypoint/authn/remote-keys.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { keySet, signingKey } from '../../../support/tokens.ts'

const MINUTE_MS = 60_000
const URI = 'https://issuer.example/keys'
const text = keySet(signingKey('one', 'EdDSA'))

let clock: FakeClock
let asked: string[]
/** What the next fetches give; an error is thrown. */
let answers: (string | Error)[]
let problems: string[]

beforeEach(() => {
  clock = new FakeClock()
  asked = []
  answers = []
  problems = []
})

function down(): MeshError {
  return new MeshError('TOKEN_KEYS_UNAVAILABLE', 'down')
}

function remote(source: ConstructorParameters<typeof RemoteKeys>[1] = { kind: 'remote', uri: URI, timeoutMs: 5_000 }) {
  const counters = { fetches: { value: 0 }, failures: { value: 0 } }
  return new RemoteKeys('https://issuer.example', source, {
    ...counters,
    clock,
    fetchDocument: async (uri) => {
      asked.push(uri)
      const answer = answers.shift() ?? text
      if (answer instanceof Error) throw answer
      return answer
    },
    onFailure: (error) => problems.push(error.message),
  })
}

describe('keys that somebody else keeps', () => {
  it('are fetched when the first token needs them, and then kept for 20 minutes', async () => {
    const keys = remote()
    expect(asked).toEqual([])
    const first = await keys.get()
    await clock.advance(20 * MINUTE_MS - 1)
    expect(keys.get()).toBe(first)
    expect(asked).toEqual([URI])
  })

  it('are fetched once, however many tokens wait', async () => {
    const keys = remote()
    const found = await Promise.all([keys.get(), keys.get(), keys.getNewer()])
    expect(new Set(found).size).toBe(1)
    expect(asked).toHaveLength(1)
  })

  it('are used while newer ones come', async () => {
    const keys = remote()
    const old = await keys.get()
    await clock.advance(20 * MINUTE_MS)
    expect(keys.get()).toBe(old)
    await clock.advance(0)
    expect(asked).toHaveLength(2)
    expect(keys.get()).not.toBe(old)
  })

  it('are waited for when the old ones are very old', async () => {
    const keys = remote()
    const old = await keys.get()
    await clock.advance(40 * MINUTE_MS)
    const newer = keys.get()
    expect(newer).toBeInstanceOf(Promise)
    expect(await newer).not.toBe(old)
  })

  it('stay when they cannot be fetched again', async () => {
    const keys = remote()
    const old = await keys.get()
    await clock.advance(60 * MINUTE_MS)
    answers = [down()]
    expect(await keys.get()).toBe(old)
    expect(problems).toEqual(['down'])
  })

  it('are tried again a minute after a failure, then after twice the time up to an hour', async () => {
    const keys = remote()
    answers = Array.from({ length: 20 }, down)
    const triedAtMinutes: number[] = []
    for (let minute = 0; minute < 250; minute++) {
      const before = asked.length
      expect(await keys.get()).toBeUndefined()
      if (asked.length > before) triedAtMinutes.push(minute)
      await clock.advance(MINUTE_MS)
    }
    expect(triedAtMinutes).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
  })

  it('are as good as new after a failure that has passed', async () => {
    const keys = remote()
    answers = [down(), down(), text, down()]
    await keys.get()
    await clock.advance(MINUTE_MS)
    await keys.get()
    await clock.advance(2 * MINUTE_MS)
    expect(await keys.get()).toBeDefined()
    await clock.advance(40 * MINUTE_MS)
    await keys.get()
    await clock.advance(MINUTE_MS)
    await keys.get()
    expect(asked).toHaveLength(5)
  })

  it('are fetched at most once a minute for keys that are not there', async () => {
    const keys = remote()
    await keys.get()
    await keys.getNewer()
    expect(asked).toHaveLength(2)
    for (let i = 0; i < 10; i++) await keys.getNewer()
    expect(asked).toHaveLength(2)
    await clock.advance(MINUTE_MS)
    await keys.getNewer()
    expect(asked).toHaveLength(3)
  })

  it('are not asked for sooner than a failure allows, whatever key is not there', async () => {
    const keys = remote()
    answers = [down(), down(), down()]
    await keys.get()
    await keys.getNewer()
    await clock.advance(MINUTE_MS)
    await keys.getNewer() // the first retry
    await clock.advance(MINUTE_MS)
    await keys.getNewer()
    expect(asked).toHaveLength(2)
  })

  it('stay when nobody has expected what goes wrong', async () => {
    const keys = remote()
    const old = await keys.get()
    await clock.advance(20 * MINUTE_MS)
    answers = [new TypeError('odd')]
    expect(keys.get()).toBe(old)
    await clock.advance(0)
    expect(problems).toEqual(['"https://issuer.example" odd'])
  })

  it('stay when what comes is no key set', async () => {
    const keys = remote()
    const old = await keys.get()
    answers = ['<html>']
    expect(await keys.getNewer()).toBe(old)
    expect(problems).toEqual([`"${URI}" is no JSON Web Key Set`])
  })
})

describe('keys that an issuer’s configuration names', () => {
  const discovered = { kind: 'discovered', timeoutMs: 5_000 } as const

  it('are fetched from there', async () => {
    const keys = remote(discovered)
    answers = [JSON.stringify({ issuer: 'https://issuer.example', jwks_uri: 'https://keys.example/jwks' })]
    expect(await keys.get()).toBeDefined()
    expect(asked).toEqual(['https://issuer.example/.well-known/openid-configuration', 'https://keys.example/jwks'])
  })

  it.each(['', '{', '[]', 'null', '{}', '{"jwks_uri":7}'])('are none when it says %j', async (answer) => {
    const keys = remote(discovered)
    answers = [answer]
    expect(await keys.get()).toBeUndefined()
    expect(problems).toEqual(['"https://issuer.example/.well-known/openid-configuration" names no jwks_uri'])
  })
})
