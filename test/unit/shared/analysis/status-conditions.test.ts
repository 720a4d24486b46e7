import { describe, expect, it } from 'vitest'
import { statusConditions } from '../../../../src/shared/analysis/status-conditions.ts'
import { findingsOf } from '../../../support/analysed.ts'

describe('the status of an object', () => {
  const status = (conditions: string): string => `kind: Service\nmetadata: {name: a}\nstatus: ${conditions}\n`

  it.each([
    [
      status('{conditions: [{type: istio.io/WaypointBound, status: "False"}]}'),
      ['AMB0307 Service shop/a status.conditions[0]'],
    ],
    [status('{conditions: [{type: istio.io/WaypointBound, status: "True"}]}'), []],
    [status('{conditions: [{type: Other, status: "False"}]}'), []],
    [status('{conditions: [{type: Conflicted, status: "True"}]}'), ['AMB0307 Service shop/a status.conditions[0]']],
    [status('{conditions: [{type: Accepted, status: Unknown}]}'), []],
    [
      status('{parents: [{conditions: [{type: Accepted, status: "True"}, {type: ResolvedRefs, status: "False"}]}]}'),
      ['AMB0307 Service shop/a status.parents[0].conditions[1]'],
    ],
  ])('is told: %s', (yaml, found) => expect(findingsOf(statusConditions, yaml)).toEqual(found))
})
