import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#shared/net'
import { HostnameResolver } from '../../../../src/ztunnel/outbound/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

function resolverOf(answers: Record<string, readonly string[] | Error>) {
  const clock = new FakeClock()
  const asked: string[] = []
  const resolver = new HostnameResolver(clock, async (hostname) => {
    asked.push(hostname)
    const answer = answers[hostname] ?? new Error('ENOTFOUND')
    if (answer instanceof Error) throw answer
    return answer as readonly IpAddress[]
  })
  return { clock, asked, resolver }
}

describe('HostnameResolver', () => {
  it('gives an address of the first family that has one, by chance', async () => {
    const { resolver, clock } = resolverOf({ db: ['::1', '10.0.0.1', '10.0.0.2'] })
    clock.randomValue = 0.99
    expect(await resolver.resolve('db', [4, 6])).toBe('10.0.0.2')
    expect(await resolver.resolve('db', [6, 4])).toBe('::1')
    expect(await resolver.resolve('db', [4])).toBe('10.0.0.2')
  })

  it('asks once for simultaneous and near callers, and again after 30 s', async () => {
    const { resolver, clock, asked } = resolverOf({ db: ['10.0.0.1'] })
    await Promise.all([resolver.resolve('db', [4]), resolver.resolve('db', [4])])
    await resolver.resolve('db', [4])
    expect(asked).toEqual(['db'])
    await clock.advance(30_000)
    await resolver.resolve('db', [4])
    expect(asked).toEqual(['db', 'db'])
  })

  it('does not remember a failure', async () => {
    const { resolver, asked } = resolverOf({})
    const expected = { code: 'UPSTREAM_CONNECT_FAILED', message: 'db cannot be resolved: ENOTFOUND' }
    await expect(resolver.resolve('db', [4])).rejects.toMatchObject(expected)
    await expect(resolver.resolve('db', [4])).rejects.toMatchObject(expected)
    expect(asked.length).toBe(2)
  })

  it('says so when no family fits', async () => {
    const { resolver } = resolverOf({ db: ['::1'] })
    await expect(resolver.resolve('db', [4])).rejects.toThrow('no usable address for hostname db')
  })
})
