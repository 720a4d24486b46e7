import { describe, expect, it } from 'vitest'
import { notAsWritten, SHORTFALL_REASONS, type Shortfall } from '../../../../src/istiod-lite/mesh/conditions.ts'
import { EMPTY_MATCH } from '../../../../src/istiod-lite/mesh/policies.ts'
import {
  allowShortfalls,
  type ConvertedMatch,
  type ConvertedRule,
  denyShortfalls,
  saysSomething,
} from '../../../../src/istiod-lite/mesh/policy-shortfalls.ts'

/** Something that a tunnel can compare, beside what it cannot see. */
const port = (...lost: readonly string[]): ConvertedMatch => ({
  match: { ...EMPTY_MATCH, destinationPorts: [80] },
  lost,
})
/** Only what it cannot see. */
const unseen = (...lost: readonly string[]): ConvertedMatch => ({ match: EMPTY_MATCH, lost })

const told = (shortfalls: readonly Shortfall[]): readonly string[] =>
  shortfalls.map(({ reason, message }) => {
    expect(message).toMatch(/^ztunnel cannot see .*; bind the policy to a waypoint with targetRefs\.$/)
    return `${reason}: ${message.replace(/^ztunnel cannot see /, '').replace(/; bind .*/, '')}`
  })

describe('an ALLOW', () => {
  it.each<[string, readonly ConvertedRule[], readonly string[]]>([
    ['without rules loses nothing', [], []],
    ['of an empty rule loses nothing', [[]], []],
    ['of what tunnels see loses nothing', [[[port()]], [[port()], [port()]]], []],
    [
      'loses a rule that asks for more',
      [[[unseen('methods')]]],
      ['AllowRulesLeftOut: methods: nothing is allowed by rule 0'],
    ],
    [
      'loses a rule of which one entry asks for more',
      [[[port()]], [[port(), port('paths')]]],
      ['AllowRulesLeftOut: paths: nothing is allowed by rule 1'],
    ],
    [
      'names attributes once, sorted, and rules by number',
      [[[port('paths', 'hosts')]], [[port()]], [[port('hosts')], [unseen('methods')]]],
      ['AllowRulesLeftOut: hosts, methods, paths: nothing is allowed by rules 0, 2'],
    ],
  ])('%s', (_what, rules, expected) => {
    expect(told(allowShortfalls(rules))).toEqual(expected)
  })
})

describe('a DENY', () => {
  it.each<[string, readonly ConvertedRule[], readonly string[]]>([
    ['without rules loses nothing', [], []],
    ['of an empty rule loses nothing', [[]], []],
    ['of what tunnels see loses nothing', [[[port()]]], []],
    [
      'of which nothing is left never matches',
      [[[unseen('paths')]]],
      ['NeverMatches: paths: nothing is denied by rule 0'],
    ],
    [
      'of which no rule is left never matches',
      [[[unseen('paths')]], [[port()], [unseen('hosts')]]],
      ['NeverMatches: hosts, paths: nothing is denied by rules 0, 1'],
    ],
    [
      'keeps its other rules beside one that never matches',
      [[[unseen('paths')]], [[port()]]],
      ['RulesNeverMatch: paths: nothing is denied by rule 0'],
    ],
    [
      'keeps an empty rule, which matches everything, beside one that never matches',
      [[], [[unseen('paths')]]],
      ['RulesNeverMatch: paths: nothing is denied by rule 1'],
    ],
    [
      'denies more where an entry keeps a part',
      [[[port('methods')]]],
      ['DeniesMore: methods: more is denied by rule 0 than it says'],
    ],
    [
      'says which entries are lost beside others of their list',
      [[[port(), unseen('paths')]]],
      ['RulesNeverMatch: paths: nothing is denied by entries of rule 0 that have only these'],
    ],
    [
      'says both of a list where one entry is lost and one keeps a part',
      [[[port('methods'), unseen('methods')]]],
      [
        'RulesNeverMatch: methods: nothing is denied by entries of rule 0 that have only these',
        'DeniesMore: methods: more is denied by rule 0 than it says',
      ],
    ],
    [
      'does not deny more by a rule that never matches',
      [[[port('methods')], [unseen('request.headers[x]')]], [[port()]]],
      ['RulesNeverMatch: methods, request.headers[x]: nothing is denied by rule 0'],
    ],
  ])('%s', (_what, rules, expected) => {
    expect(told(denyShortfalls(rules))).toEqual(expected)
  })
})

describe('what is told', () => {
  it('names five rules and five attributes, and counts the others', () => {
    const rules = Array.from({ length: 7 }, (_, i): ConvertedRule => [[unseen(`request.headers[${i}]`)]])
    const headers = [0, 1, 2, 3, 4].map((i) => `request.headers[${i}]`).join(', ')
    expect(told(allowShortfalls(rules))).toEqual([
      `AllowRulesLeftOut: ${headers} and 2 more: nothing is allowed by rules 0, 1, 2, 3, 4 and 2 more`,
    ])
    const five = told(denyShortfalls(rules.slice(0, 5)))
    expect(five).toEqual([`NeverMatches: ${headers}: nothing is denied by rules 0, 1, 2, 3, 4`])
  })

  it('cuts names that are made of users’ own words', () => {
    const [told] = allowShortfalls([[[unseen(`request.headers[${'x'.repeat(10_000)}]`)]]])
    expect(told?.message).toContain(`ztunnel cannot see request.headers[${'x'.repeat(24)}: nothing`)
  })

  it('is one condition: all messages, under the reason of the worst', () => {
    const all = SHORTFALL_REASONS.map((reason) => ({ reason, message: `${reason}.` }))
    expect(notAsWritten(all.toReversed())).toEqual({
      type: 'ambit.dev/AppliedAsWritten',
      status: 'False',
      reason: 'ActionUnsupported',
      message: SHORTFALL_REASONS.map((reason) => `${reason}.`).join(' '),
    })
    expect(notAsWritten([])).toBeUndefined()
  })
})

describe('a match', () => {
  it.each(Object.keys(EMPTY_MATCH))('says something with %s', (field) => {
    expect(saysSomething(EMPTY_MATCH)).toBe(false)
    expect(saysSomething({ ...EMPTY_MATCH, [field]: [1] })).toBe(true)
  })
})
