import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Roster, type Seated } from '#shared/lifecycle'

interface Member extends Seated {
  readonly name: number
}

const member = (name: number): Member => ({ seat: -1, name })

describe('Roster', () => {
  it('has who was added, once, and not who has left', () => {
    const roster = new Roster<Member>()
    const [a, b] = [member(1), member(2)]
    roster.add(a)
    roster.add(b)
    roster.add(a)
    expect([roster.size, roster.has(a), roster.has(b)]).toEqual([2, true, true])
    expect([roster.remove(a), roster.remove(a)]).toEqual([true, false])
    expect([roster.size, roster.has(a), roster.has(b)]).toEqual([1, false, true])
  })

  it('takes nobody for a member who sits elsewhere', () => {
    const [one, other] = [new Roster<Member>(), new Roster<Member>()]
    const [a, b] = [member(1), member(2)]
    one.add(a)
    other.add(b)
    expect([one.has(b), one.remove(b), other.has(b)]).toEqual([false, false, true])
  })

  it('lets members leave while it is walked', () => {
    const roster = new Roster<Member>()
    for (let i = 0; i < 5; i++) roster.add(member(i))
    for (const each of roster.members()) roster.remove(each)
    expect(roster.size).toBe(0)
  })

  it('holds what a Set would, whatever comes and goes', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(15)), { maxLength: 200 })
    fc.assert(
      fc.property(steps, (all) => {
        const everybody = Array.from({ length: 16 }, (_, i) => member(i))
        const roster = new Roster<Member>()
        const set = new Set<Member>()
        for (const [isComing, at] of all) {
          const each = everybody[at] as Member
          if (isComing) {
            roster.add(each)
            set.add(each)
          } else expect(roster.remove(each)).toBe(set.delete(each))
          expect(new Set(roster.members())).toEqual(set)
          expect(roster.size).toBe(set.size)
        }
      }),
    )
  })
})
