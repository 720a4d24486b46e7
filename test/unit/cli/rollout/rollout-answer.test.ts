import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { outcomeOf, type RolloutAnswer, readRollout } from '../../../../src/cli/rollout/rollout-answer.ts'

const told = (over: object = {}): RolloutAnswer =>
  ({ state: 'told', proxies: [], waiting: [], refused: [], gone: [], ...over }) as RolloutAnswer
const id = (name: string): string => `ztunnel~10.0.0.1~${name}~x.svc.cluster.local`
const unseen: RolloutAnswer = { state: 'unseen', reason: 'istiod-1 has not passed it on yet' }
const refusal = { proxy: id('a'), type: 'Address', reason: 'bad port' }
const manyWaiting = told({ waiting: Array.from({ length: 8 }, (_, i) => ({ proxy: id(`p${i}`), type: 'T' })) })

describe('what all replicas together say', () => {
  it.each<[string, RolloutAnswer[], unknown]>([
    ['done when all have it', [told({ proxies: ['a', 'b'] }), told({ proxies: ['c'] })], { kind: 'done', proxies: 3 }],
    ['done when it concerns no proxy', [{ state: 'unaffected' }], { kind: 'done', proxies: 0 }],
    ['done when nobody reads that kind', [{ state: 'unread' }], { kind: 'done', proxies: 0 }],
    ['waiting for a replica that has not seen it', [told(), unseen], { kind: 'waiting', reason: unseen.reason }],
    [
      'waiting for a proxy that has not answered',
      [told({ proxies: [id('a')], waiting: [{ proxy: id('a'), type: 'Address' }] }), told()],
      { kind: 'waiting', reason: 'a has not answered' },
    ],
    [
      'waiting for one that lost its connection',
      [told({ gone: [id('a')] }), told()],
      { kind: 'waiting', reason: 'a has lost its connection' },
    ],
    [
      'done when it is with another replica',
      [told({ gone: ['a'] }), told({ proxies: ['a'] })],
      { kind: 'done', proxies: 1 },
    ],
    [
      'refused as soon as one refuses it',
      [unseen, told({ refused: [refusal], waiting: [{ proxy: 'b', type: 'T' }] })],
      { kind: 'refused', reason: 'a refused Address: bad port' },
    ],
    [
      'refused when a replica cannot read it',
      [told(), { state: 'unreadable', reason: 'i cannot read it: spec.x: unknown field' }],
      { kind: 'refused', reason: 'i cannot read it: spec.x: unknown field' },
    ],
    [
      'short about many',
      [manyWaiting],
      { kind: 'waiting', reason: expect.stringMatching(/^p0 has .*, p4 has not answered, and 3 more$/) },
    ],
  ])('is %s', (_what, answers, outcome) => {
    expect(outcomeOf(answers)).toEqual(outcome)
  })
})

describe("a replica's answer", () => {
  it('is read whole', () => {
    const page = {
      state: 'told',
      proxies: ['a'],
      waiting: [{ proxy: 'a', type: 'x/y.Z', lagMs: 3 }],
      refused: [],
      gone: ['b'],
    }
    expect(readRollout(JSON.stringify(page), 'i')).toEqual({ ...page, waiting: [{ proxy: 'a', type: 'Z' }] })
    expect(readRollout('{"state":"unseen"}', 'i')).toEqual({ state: 'unseen', reason: 'i has not passed it on yet' })
    expect(readRollout('{"state":"unreadable","reason":"spec.x"}', 'i')).toEqual({
      state: 'unreadable',
      reason: 'i cannot read it: spec.x',
    })
  })

  it('is refused by name when it is something else, and never more than that', () => {
    for (const text of ['', '[]', '{"state":"new"}'])
      expect(() => readRollout(text, 'istiod-1')).toThrow('istiod-1 does not say which proxies have a change')
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          readRollout(text, 'i')
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
        }
      }),
    )
  })
})
