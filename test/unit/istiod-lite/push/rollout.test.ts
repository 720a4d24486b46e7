import { describe, expect, it } from 'vitest'
import type { PushClient, PushWatch } from '../../../../src/istiod-lite/push/index.ts'
import { isOver, rolloutOf } from '../../../../src/istiod-lite/push/rollout.ts'

const watch = (over: Partial<PushWatch> = {}): PushWatch => ({
  typeUrl: 't',
  mode: 'wildcard',
  heldCount: 0,
  state: 'SYNCED',
  lagMs: 0,
  behind: undefined,
  progress: undefined,
  ...over,
})
const client = (id: string, over: Partial<PushWatch> = {}): PushClient => ({
  id: 1,
  peer: { address: '', principal: undefined },
  node: { id, metadata: {} },
  connectedAtMs: 0,
  watches: [watch(over)],
})
const behind = (push: number) => ({ behind: { push, changedAtMs: 0, toldAtMs: 0 }, lagMs: 7 })
const refused = (firstPush: number, lastPush: number) => ({
  progress: {
    sentNonce: '1',
    sentAtMs: 0,
    since: undefined,
    ackedNonce: '1',
    refusal: { nonce: '1', message: 'no', atMs: 0, firstPush, lastPush },
  },
})

describe('who has push 5', () => {
  it.each<[string, PushClient, { waiting?: number; refused?: number }]>([
    ['one that has everything', client('a'), {}],
    ['one that has not answered it', client('a', behind(5)), { waiting: 1 }],
    ['one that has not answered an older one', client('a', behind(3)), { waiting: 1 }],
    ['one that has it, and not what came after', client('a', behind(6)), {}],
    ['one that has just come', client('a', behind(0)), { waiting: 1 }],
    ['one that refused it', client('a', refused(4, 5)), { refused: 1 }],
    ['one that refused something before it', client('a', refused(2, 4)), {}],
    ['one that refused something after it', client('a', refused(6, 6)), {}],
  ])('counts %s', (_what, one, expected) => {
    const { waiting, refused: refusing } = rolloutOf(5, [one], [])
    expect({ waiting: waiting.length, refused: refusing.length }).toEqual({ waiting: 0, refused: 0, ...expected })
  })

  it('is over when nobody is waited for, be it refused or not', () => {
    expect(isOver(rolloutOf(5, [client('a')], []))).toBe(true)
    expect(isOver(rolloutOf(5, [client('a', refused(5, 5))], []))).toBe(true)
    expect(isOver(rolloutOf(5, [client('a', behind(5))], []))).toBe(false)
    expect(isOver(rolloutOf(5, [], ['left']))).toBe(false)
    expect(isOver({ state: 'unseen' })).toBe(false)
    expect(isOver({ state: 'unread' })).toBe(true)
    expect(isOver({ state: 'unaffected' })).toBe(true)
  })
})
