import { describe, expect, it } from 'vitest'
import { enrolment } from '../../../../src/shared/analysis/enrolment.ts'
import { findingsOf } from '../../../support/analysed.ts'

const namespace = (labels: string): string => `kind: Namespace\nmetadata: {name: shop, labels: {${labels}}}`
const pod = (labels: string, spec = '{}'): string =>
  `kind: Pod\nmetadata: {name: a, labels: {${labels}}}\nspec: ${spec}`
const mode = 'istio.io/dataplane-mode'

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  ['ambient', namespace(`${mode}: ambient`), []],
  ['a mode that there is not', namespace(`${mode}: ambiant`), [`IST0125 Namespace shop metadata.labels.${mode}`]],
  ['a mode of a pod that there is not', pod(`${mode}: sidecar`), [`IST0125 Pod shop/a metadata.labels.${mode}`]],
  [
    'a kind of traffic that there is not',
    'kind: Gateway\nmetadata: {name: w, labels: {istio.io/waypoint-for: services}}',
    ['IST0125 Gateway shop/w metadata.labels.istio.io/waypoint-for'],
  ],
  [
    'sidecars and ambient',
    namespace(`istio-injection: enabled, ${mode}: ambient`),
    ['AMB0305 Namespace shop metadata.labels.istio-injection'],
  ],
  ['no sidecars and ambient', namespace(`istio-injection: disabled, ${mode}: ambient`), []],
  ['a revision and ambient', namespace(`istio.io/rev: canary, ${mode}: ambient`), []],
  [
    'two labels for sidecars',
    namespace('istio-injection: enabled, istio.io/rev: canary'),
    ['IST0123 Namespace shop metadata.labels'],
  ],
  [
    'ambient on the network of the node',
    pod(`${mode}: ambient`, '{hostNetwork: true}'),
    [`AMB0306 Pod shop/a spec.hostNetwork`],
  ],
  ['the network of the node', pod('app: a', '{hostNetwork: true}'), []],
]

describe('a label that asks for', () => {
  it.each(table)('%s', (_what, yaml, found) => expect(findingsOf(enrolment, yaml)).toEqual(found))
})
