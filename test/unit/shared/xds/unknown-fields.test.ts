import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import type { Authorization } from '#shared/model'
import { type ConnectionFacts, compilePolicy, decide, PolicySet } from '#shared/policy'
import { addressType, authorizationType } from '#shared/xds'
import { identity, socket } from '../../../support/mesh-builder.ts'
import { authorization } from './arbitraries.ts'
import { type Field, message } from './wire-bytes.ts'

const ALLOW = 0
const DENY = 1
/** A number that none of our messages has. */
const NEW = 99
const unknown: Field = [NEW, 'new']

const shop: ConnectionFacts = {
  peer: identity('shop/alice'),
  source: socket('10.0.1.7:40000'),
  destination: socket('10.0.2.9:8080'),
}
const bank: ConnectionFacts = { ...shop, peer: identity('bank/bob') }

/** Parts of a policy that holds when the peer is of that namespace; further fields go into the part. */
const namespaceIs = (name: string, ...more: Field[]): Field => [1, [[1, name], ...more]]
const matchOf = (...fields: Field[]): Field => [2, fields]
const clauseOf = (...fields: Field[]): Field => [1, fields]
const ruleOf = (...fields: Field[]): Field => [5, fields]
const ofShop = clauseOf(matchOf(namespaceIs('shop')))
const policyOf = (action: number, ...fields: Field[]): Buffer =>
  message([1, 'one'], [2, 'default'], [4, action], ...fields)

function passes(policy: Authorization | undefined, facts: ConnectionFacts): boolean {
  const policies = policy === undefined ? [] : [compilePolicy('default/one', policy)]
  return decide([new PolicySet(policies)], facts).kind === 'allowed'
}

function refusal(bytes: Uint8Array): string {
  try {
    authorizationType.decode(bytes)
  } catch (error) {
    if (error instanceof MeshError) return error.message
    throw error
  }
  return 'taken'
}

describe('a policy with a field that is not known is refused, and read at its strictest', () => {
  it.each<[what: string, bytes: Buffer, reason: string, whoPasses: { shop: boolean; bank: boolean }]>([
    [
      'ALLOW, in the policy: allows nobody',
      policyOf(ALLOW, ruleOf(ofShop), unknown),
      'Authorization has field 99, which is not known',
      { shop: false, bank: false },
    ],
    [
      'ALLOW, in a rule: that rule allows nobody',
      policyOf(ALLOW, ruleOf(ofShop, unknown), ruleOf(clauseOf(matchOf(namespaceIs('bank'))))),
      'rules[0] has field 99, which is not known',
      { shop: false, bank: true },
    ],
    [
      'ALLOW, in a clause of the second rule',
      policyOf(ALLOW, ruleOf(ofShop), ruleOf(clauseOf(unknown))),
      'rules[1].clauses[0] has field 99, which is not known',
      { shop: true, bank: false },
    ],
    [
      'ALLOW, a further condition of a match',
      policyOf(ALLOW, ruleOf(clauseOf(matchOf(namespaceIs('shop'), unknown)))),
      'rules[0].clauses[0].matches[0] has field 99, which is not known',
      { shop: false, bank: false },
    ],
    [
      'ALLOW, a text that is compared in a new way',
      policyOf(ALLOW, ruleOf(clauseOf(matchOf([2, [unknown]], namespaceIs('shop'))))),
      'rules[0].clauses[0].matches[0].notNamespaces[0] has field 99, which is not known',
      { shop: false, bank: false },
    ],
    [
      'ALLOW, an extension of a match',
      policyOf(ALLOW, ruleOf(clauseOf(matchOf(namespaceIs('shop'), [13, [[1, 'x']]])))),
      'rules[0].clauses[0].matches[0] has field 13, which is not known',
      { shop: false, bank: false },
    ],
    [
      'DENY, in the policy: refuses everybody',
      policyOf(DENY, ruleOf(ofShop), unknown),
      'Authorization has field 99, which is not known',
      { shop: false, bank: false },
    ],
    [
      'DENY, in a rule: that rule refuses everybody',
      policyOf(DENY, ruleOf(ofShop, unknown)),
      'rules[0] has field 99, which is not known',
      { shop: false, bank: false },
    ],
    [
      'DENY, a further alternative of a clause: the other clauses still limit whom it refuses',
      policyOf(DENY, ruleOf(ofShop, clauseOf(matchOf([9, 22]), unknown))),
      'rules[0].clauses[1] has field 99, which is not known',
      { shop: false, bank: true },
    ],
    [
      'DENY, a match of nothing that is known',
      policyOf(DENY, ruleOf(ofShop, clauseOf(matchOf(unknown)))),
      'rules[0].clauses[1].matches[0] has field 99, which is not known',
      { shop: false, bank: true },
    ],
    [
      'DENY, in one rule: the others stay as they are',
      policyOf(DENY, ruleOf(clauseOf(matchOf(namespaceIs('bank')))), ruleOf(ofShop, clauseOf(matchOf(unknown)))),
      'rules[1].clauses[1].matches[0] has field 99, which is not known',
      { shop: false, bank: false },
    ],
    [
      'more of them than are listed',
      policyOf(DENY, ...new Array<Field>(101).fill(ruleOf(ofShop, clauseOf(unknown)))),
      'rules[0].clauses[1] has field 99, which is not known',
      { shop: false, bank: false },
    ],
    [
      'an action that is not known refuses whom the rules match',
      policyOf(2, ruleOf(ofShop)),
      'unknown action 2',
      { shop: false, bank: true },
    ],
  ])('%s', (_what, bytes, reason, whoPasses) => {
    expect(refusal(bytes)).toBe(reason)
    const standIn = authorizationType.standIn?.(bytes)
    expect({ shop: passes(standIn, shop), bank: passes(standIn, bank) }).toEqual(whoPasses)
  })

  it('with a scope that is not known, it is for the workloads that name it', () => {
    expect(authorizationType.standIn?.(message([3, 7], [4, DENY], ruleOf()))).toMatchObject({
      scope: 'WorkloadSelector',
      action: 'Deny',
      rules: [[]],
    })
  })

  it('in a dry run it stays a dry run, which refuses nobody', () => {
    const standIn = authorizationType.standIn?.(policyOf(DENY, ruleOf(ofShop), [6, 1], unknown))
    expect(standIn?.dryRun).toBe(true)
    expect(passes(standIn, shop)).toBe(true)
  })

  it('bytes that are no policy have no strictest reading', () => {
    expect(authorizationType.standIn?.(Buffer.from('0affff', 'hex'))).toBeUndefined()
  })

  it('extensions of the policy itself are no condition', () => {
    expect(refusal(policyOf(DENY, ruleOf(ofShop), [7, [[1, 'note']]]))).toBe('taken')
  })

  it('whatever the policy, nobody passes more than without the field', () => {
    fc.assert(
      fc.property(authorization, fc.constantFrom(shop, bank), (policy, facts) => {
        const bytes = Buffer.concat([authorizationType.encode(policy), message(ruleOf(clauseOf(unknown)))])
        const standIn = authorizationType.standIn?.(bytes)
        // The rule that was added is last, and may be anything: an ALLOW must not gain by it, a DENY must not lose.
        if (passes(standIn, facts)) expect(passes(policy, facts)).toBe(true)
        expect(standIn?.rules.slice(0, -1)).toEqual(policy.rules)
      }),
      { numRuns: 200 },
    )
  })
})

describe('a workload or service with a field that is not known is taken, and the field is told', () => {
  it.each<[what: string, fields: Field, told: string[]]>([
    ['nothing new', [1, [[20, 'u']]], []],
    ['a field of a workload', [1, [[20, 'u'], unknown]], ['workload.99']],
    [
      'the same one in many places, once',
      [
        1,
        [
          [
            22,
            [
              [
                2,
                [
                  [1, [unknown]],
                  [1, [unknown]],
                ],
              ],
            ],
          ],
        ],
      ],
      ['workload.services.value.ports.99'],
    ],
    ['a field of a locality', [1, [[24, [[4, 'rack']]]]], ['workload.locality.4']],
    [
      'a field of a service and of its waypoint',
      [
        2,
        [
          [
            7,
            [
              [1, []],
              [9, 1],
            ],
          ],
          [15, 1],
        ],
      ],
      ['service.waypoint.9', 'service.15'],
    ],
    ['a number that is reserved', [1, [[15, 'old']]], []],
    ['within a configuration of somebody else', [1, [[26, [[2, [unknown]]]]]], []],
    ['beside workload and service', [7, 'x'], ['7']],
  ])('%s', (_what, fields, told) => {
    expect(addressType.ignoredFields?.(message(fields))).toEqual(told)
  })

  it.each<[string, Buffer]>([
    ['cut short', message([1, [[20, 'uid']]]).subarray(0, 5)],
    ['of a group', Buffer.from('0b0c', 'hex')],
    ['of varints without an end', Buffer.alloc(64, 0xff)],
    ['of fixed numbers', Buffer.from('f906000000000000000afd0600000000', 'hex')],
  ])('bytes %s are read to their end and no further', (_what, bytes) => {
    expect(addressType.ignoredFields?.(bytes).length).toBeLessThan(3)
  })

  it('any bytes at all are read without an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(addressType.ignoredFields?.(bytes)).toBeInstanceOf(Array)
      }),
    )
  })
})
