import { describe, expect, it } from 'vitest'
import { type AdmissionMode, decideAdmission, type Verdict } from '../../../../src/istiod-lite/admission/decide.ts'
import type { ReviewRequest } from '../../../../src/istiod-lite/admission/review.ts'
import { SHORTFALL_REASONS } from '../../../../src/istiod-lite/mesh/conditions.ts'
import type { PolicyExplainer, ShortfallReason } from '../../../../src/istiod-lite/mesh/index.ts'

/** Finds these shortfalls in whatever it is shown. */
const finding = (...reasons: readonly ShortfallReason[]): PolicyExplainer => {
  const report = { stated: [], shortfalls: reasons.map((reason) => ({ reason, message: `about ${reason}.` })) }
  return { authorizationPolicy: () => report, peerAuthentication: () => report }
}
const unasked: PolicyExplainer = {
  authorizationPolicy: () => expect.fail('nobody explains this'),
  peerAuthentication: () => expect.fail('nobody explains this'),
}

const policy = (spec: unknown = { action: 'DENY' }, metadata: object = {}) => ({
  metadata: { name: 'p', namespace: 'shop', ...metadata },
  spec,
})
const request = (more: Partial<ReviewRequest> = {}): ReviewRequest => ({
  uid: 'u',
  group: 'security.istio.io',
  kind: 'AuthorizationPolicy',
  object: policy(),
  old: undefined,
  ...more,
})
const ALLOWED: Verdict = { kind: 'allowed', warnings: [] }

const HARMLESS: readonly ShortfallReason[] = ['DisableIsPermissive', 'WaypointUnused', 'NotCaptured', 'SelectsNothing']

describe.each<AdmissionMode>(['warn', 'strict'])('in mode %s', (mode) => {
  it.each<[string, Partial<ReviewRequest>]>([
    ['a deletion', { object: undefined, old: policy() }],
    ['an object that is being deleted', { object: policy({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }) }],
    ['a kind that nobody reads', { kind: 'Sidecar' }],
    ['that kind of another group', { group: 'example.com' }],
    [
      'a kind that is no policy',
      { group: 'networking.istio.io', kind: 'WorkloadEntry', object: policy({ address: '10.0.0.1' }) },
    ],
  ])('%s is allowed unseen', (_what, more) => {
    expect(decideAdmission(mode, request(more), unasked)).toEqual(ALLOWED)
  })

  it.each(['AuthorizationPolicy', 'PeerAuthentication'])('a good %s is allowed without a word', (kind) => {
    expect(decideAdmission(mode, request({ kind, object: policy({}) }), finding())).toEqual(ALLOWED)
  })

  it.each(HARMLESS)('%s is a warning', (reason) => {
    const warnings = [`${reason}: about ${reason}.`]
    expect(decideAdmission(mode, request(), finding(reason))).toEqual({ kind: 'allowed', warnings })
  })
})

describe('what is not enforced as it is written', () => {
  const serious = SHORTFALL_REASONS.filter((reason) => !HARMLESS.includes(reason))

  it.each(serious)('%s is refused in strict mode, and a warning otherwise', (reason) => {
    const text = `${reason}: about ${reason}.`
    expect(decideAdmission('warn', request(), finding(reason))).toEqual({ kind: 'allowed', warnings: [text] })
    expect(decideAdmission('strict', request(), finding(reason))).toEqual({
      kind: 'refused',
      message: text,
      warnings: [],
    })
  })

  it('is refused with all reasons, beside what is only warned of', () => {
    const explain = finding('NeverMatches', 'SelectsNothing', 'SelectorEmpty')
    expect(decideAdmission('strict', request(), explain)).toEqual({
      kind: 'refused',
      message: 'NeverMatches: about NeverMatches. SelectorEmpty: about SelectorEmpty.',
      warnings: ['SelectsNothing: about SelectsNothing.'],
    })
  })

  it('of a PeerAuthentication is refused, too', () => {
    const object = policy({ mtls: { mode: 'STRICT' } })
    const asked = request({ kind: 'PeerAuthentication', object })
    expect(decideAdmission('strict', asked, finding('Ignored'))).toMatchObject({ message: 'Ignored: about Ignored.' })
  })
})

describe('what cannot be read', () => {
  const broken = request({ object: policy({ action: 'PERHAPS', rules: 3 }) })

  it('is refused in strict mode with each field', () => {
    const verdict = decideAdmission('strict', broken, unasked)
    expect(verdict).toMatchObject({ kind: 'refused', warnings: [] })
    const { message } = verdict as { readonly message: string }
    expect(message).toContain('istiod-lite cannot read it and keeps what it had: spec.action: ')
    expect(message).toContain('istiod-lite cannot read it and keeps what it had: spec.rules: ')
  })

  it('is a warning for each field otherwise', () => {
    expect(decideAdmission('warn', broken, unasked)).toEqual({
      kind: 'allowed',
      warnings: [expect.stringContaining(': spec.action: '), expect.stringContaining(': spec.rules: ')],
    })
  })
})

describe('a change in strict mode of what is not enforced', () => {
  const dryRun = { annotations: { 'istio.io/dry-run': 'true' } }
  const allow = policy({ action: 'ALLOW' })

  it.each<[string, object, object, Verdict['kind']]>([
    ['in labels is allowed', policy(undefined, { labels: { a: 'b' } }), policy(), 'allowed'],
    ['in other annotations is allowed', policy(undefined, { annotations: { a: 'b' } }), policy(), 'allowed'],
    ['in the status is allowed', { ...policy(), status: { conditions: [] } }, policy(), 'allowed'],
    [
      'in the order of fields is allowed',
      policy({ rules: [], action: 'DENY' }),
      policy({ action: 'DENY', rules: [] }),
      'allowed',
    ],
    ['in the spec is refused', policy(), allow, 'refused'],
    ['that makes it a trial is refused', policy(undefined, dryRun), policy(), 'refused'],
    ['that ends a trial is refused', policy(), policy(undefined, dryRun), 'refused'],
  ])('%s', (_what, object, old, kind) => {
    const asked = request({ object: { ...object }, old: { ...old } })
    const verdict = decideAdmission('strict', asked, finding('DeniesMore'))
    expect(verdict.kind).toBe(kind)
    // Allowed or not, nobody is left without the reason.
    expect(JSON.stringify(verdict)).toContain('DeniesMore: about DeniesMore.')
  })
})
