import { describe, expect, it } from 'vitest'
import { deprecations } from '../../../../src/shared/analysis/deprecations.ts'
import { findingsOf } from '../../../support/analysed.ts'

const of = (kind: string, spec: string): string => `kind: ${kind}\nmetadata: {name: a}\nspec: ${spec}\n`

describe('a field that has a successor', () => {
  it.each([
    [
      of('VirtualService', '{http: [{}, {mirrorPercent: 5}]}'),
      ['IST0002 VirtualService shop/a spec.http[1].mirrorPercent'],
    ],
    [
      of('VirtualService', '{http: [{fault: {delay: {percent: 5}}}]}'),
      ['IST0002 VirtualService shop/a spec.http[0].fault.delay.percent'],
    ],
    [
      of('VirtualService', '{http: [{corsPolicy: {allowOrigin: ["*"]}}]}'),
      ['IST0002 VirtualService shop/a spec.http[0].corsPolicy.allowOrigin'],
    ],
    [of('VirtualService', '{http: [{mirrorPercentage: {value: 5}}]}'), []],
    [
      of('DestinationRule', '{trafficPolicy: {outlierDetection: {consecutiveErrors: 5}}}'),
      ['IST0002 DestinationRule shop/a spec.trafficPolicy.outlierDetection.consecutiveErrors'],
    ],
    [of('DestinationRule', '{trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5}}}'), []],
    [of('VirtualService', '{http: 7}'), []],
  ])('is told: %s', (yaml, found) => expect(findingsOf(deprecations, yaml)).toEqual(found))
})
