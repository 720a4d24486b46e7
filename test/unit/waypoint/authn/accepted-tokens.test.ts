import { describe, expect, it } from 'vitest'
import { type AcceptedToken, AcceptedTokens } from '../../../../src/waypoint/authn/accepted-tokens.ts'
import { KeySet } from '../../../../src/waypoint/authn/key-set.ts'
import type { ClaimedToken } from '../../../../src/waypoint/authn/read-token.ts'
import { keySet, tokenIssuer } from '../../../support/tokens.ts'

const keys = KeySet.read(keySet()) ?? expect.unreachable('a key set')
const rule = tokenIssuer({ keys: { kind: 'inline', jwks: keySet() } })

function accepted(text: string): AcceptedToken {
  const token: ClaimedToken = {
    ...{ text, alg: 'ES256', kid: undefined, payload: '', issuer: '', subject: '', audiences: [], claims: {} },
    ...{ expiresAtS: undefined, notBeforeS: undefined },
  }
  const verified = { principal: '/', issuer: '', subject: '', audiences: [], presenter: undefined }
  return { rule, keys, token, verified: { ...verified, claims: {}, spacedClaims: [] } }
}

describe('tokens that were verified before', () => {
  it('are found by their whole text', () => {
    const tokens = new AcceptedTokens()
    const one = accepted('one')
    tokens.put(one)
    expect([tokens.get('one'), tokens.get('on')]).toEqual([one, undefined])
  })

  it('are not taken for others with the same end', () => {
    const tokens = new AcceptedTokens()
    const end = 'x'.repeat(100)
    tokens.put(accepted(`one${end}`))
    expect(tokens.get(`two${end}`)).toBeUndefined()
    tokens.put(accepted(`two${end}`))
    expect([tokens.size, tokens.get(`two${end}`)?.token.text]).toEqual([1, `two${end}`])
  })

  it('are at most some thousands, of which the oldest goes first', () => {
    const tokens = new AcceptedTokens()
    for (let i = 0; i < 5_000; i++) tokens.put(accepted(`${i}`))
    expect(tokens.size).toBe(4_096)
    expect([tokens.get('0'), tokens.get('4999')]).toEqual([undefined, expect.anything()])
  })

  it('are at most some megabytes', () => {
    const tokens = new AcceptedTokens()
    for (let i = 0; i < 1_000; i++) tokens.put(accepted(`${i}`.padStart(16_384)))
    expect(tokens.size).toBe(256)
  })

  it('stay longer when they are used', () => {
    const tokens = new AcceptedTokens()
    tokens.put(accepted('used'))
    for (let i = 0; i < 5_000; i++) {
      tokens.put(accepted(`${i}`))
      tokens.get('used')
    }
    expect(tokens.get('used')).toBeDefined()
  })

  it('count once, however often they are put', () => {
    const tokens = new AcceptedTokens()
    for (let i = 0; i < 1_000; i++) tokens.put(accepted('x'.repeat(16_384)))
    expect(tokens.size).toBe(1)
  })
})
