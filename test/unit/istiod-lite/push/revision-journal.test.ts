import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kindName, RevisionJournal } from '../../../../src/istiod-lite/push/index.ts'

const NEWEST = 99

/** `revision:push`; without a push it changed nothing. */
function journal(...entries: readonly string[]): RevisionJournal {
  const made = new RevisionJournal(['Pod'])
  for (const entry of entries) {
    const [revision = '', push] = entry.split(':')
    made.seen('Pod', revision)
    made.settled(push === undefined ? undefined : Number(push))
  }
  return made
}

describe('where the changes up to a revision have gone', () => {
  it.each<[string, string[], string, unknown]>([
    ['the push of that very revision', ['5:1', '7:2'], '7', { kind: 'pushed', push: 2 }],
    ['the push of the next revision that was told', ['5:1', '7:2'], '6', { kind: 'pushed', push: 2 }],
    ['everything that there was at the start', ['5:0'], '3', { kind: 'pushed', push: 0 }],
    ['nowhere when it changed nothing', ['5:1', '6', '7:2'], '6', { kind: 'unaffected' }],
    ['not seen yet', ['5:1'], '6', { kind: 'unseen' }],
    ['compared as numbers', ['99:1', '100:2'], '100', { kind: 'pushed', push: 2 }],
    ['compared as numbers beyond 64 bits', ['99999999999999999999:1'], '100000000000000000000', { kind: 'unseen' }],
    ['not seen when it is no number', ['5:1'], 'abc', { kind: 'unseen' }],
    ['not seen before the first list', [], '1', { kind: 'unseen' }],
    ['told once although it was listed again', ['5:1', '5:4'], '5', { kind: 'pushed', push: 1 }],
    ['a history that begins anew', ['500:1', '5:2'], '7', { kind: 'unseen' }],
  ])('is %s', (_what, entries, revision, place) => {
    expect(journal(...entries).find('Pod', revision, NEWEST)).toEqual(place)
  })

  it('is nowhere for a kind that nobody reads', () => {
    expect(journal('5:1').find('Deployment.apps', '5', NEWEST)).toEqual({ kind: 'unread' })
  })

  it('is the newest push for what was forgotten', () => {
    const entries = Array.from({ length: 2_000 }, (_, i) => `${i + 1}:${i + 1}`)
    expect(journal(...entries).find('Pod', '3', NEWEST)).toEqual({ kind: 'pushed', push: NEWEST })
    expect(journal(...entries).find('Pod', '1990', NEWEST)).toEqual({ kind: 'pushed', push: 1990 })
  })

  it('is never a push before the one that the revision went out with', () => {
    const steps = fc.array(fc.record({ by: fc.integer({ min: 1, max: 3 }), changes: fc.boolean() }), { minLength: 1 })
    fc.assert(
      fc.property(steps, (all) => {
        const made = new RevisionJournal(['Pod'])
        const truth = new Map<number, number | undefined>()
        let revision = 0
        let push = 0
        for (const { by, changes } of all) {
          for (let i = 0; i < by; i++) {
            revision++
            made.seen('Pod', String(revision))
            truth.set(revision, changes ? push + 1 : undefined)
          }
          if (changes) push++
          made.settled(changes ? push : undefined)
        }
        for (const [each, expected] of truth)
          expect(made.find('Pod', String(each), push)).toEqual(
            expected === undefined ? { kind: 'unaffected' } : { kind: 'pushed', push: expected },
          )
        expect(made.find('Pod', String(revision + 1), push)).toEqual({ kind: 'unseen' })
      }),
    )
  })
})

describe('the name of a kind', () => {
  it('has its group, as two may have a kind of one name', () => {
    expect(kindName('Gateway', 'networking.istio.io/v1')).toBe('Gateway.networking.istio.io')
    expect(kindName('Pod', 'v1')).toBe('Pod')
  })
})
