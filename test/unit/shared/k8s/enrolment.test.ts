import { describe, expect, it } from 'vitest'
import { DEFAULT_EXCLUDED_NAMESPACES, decideEnrolment, type EnrolmentFacts } from '#shared/k8s'

const AMBIENT = { 'istio.io/dataplane-mode': 'ambient' }
const NONE = { 'istio.io/dataplane-mode': 'none' }
const facts = (part: Partial<EnrolmentFacts>): EnrolmentFacts => ({
  namespace: 'shop',
  namespaceLabels: {},
  podLabels: {},
  podAnnotations: {},
  isHostNetwork: false,
  ...part,
})

describe('enrolment', () => {
  const rows: readonly [shows: string, facts: Partial<EnrolmentFacts>, verdict: string][] = [
    ['without labels: no', {}, 'not-labelled'],
    ['by the namespace', { namespaceLabels: AMBIENT }, 'namespace-label'],
    ['by the pod alone', { podLabels: AMBIENT }, 'pod-label'],
    ['the pod wins over a namespace that says none', { podLabels: AMBIENT, namespaceLabels: NONE }, 'pod-label'],
    ['the pod opts out', { podLabels: NONE, namespaceLabels: AMBIENT }, 'pod-opted-out'],
    [
      'another word on the pod leaves it to the namespace',
      { podLabels: { 'istio.io/dataplane-mode': 'x' }, namespaceLabels: AMBIENT },
      'namespace-label',
    ],
    [
      'another word on the namespace is no enrolment',
      { namespaceLabels: { 'istio.io/dataplane-mode': 'Ambient' } },
      'not-labelled',
    ],
    ['host network never', { podLabels: AMBIENT, isHostNetwork: true }, 'host-network'],
    ['a sidecar never', { podLabels: AMBIENT, podAnnotations: { 'sidecar.istio.io/status': '{}' } }, 'sidecar'],
    ['an excluded namespace never', { namespace: 'kube-system', podLabels: AMBIENT }, 'excluded-namespace'],
  ]
  it.each(rows)('%s', (_, part, verdict) => {
    const enrolment = decideEnrolment(facts(part), DEFAULT_EXCLUDED_NAMESPACES)
    expect(enrolment.kind === 'enrolled' ? enrolment.by : enrolment.because).toBe(verdict)
  })
})
