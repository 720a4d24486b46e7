import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideAdmission } from '../../../../src/istiod-lite/admission/decide.ts'
import { type ReviewRequest, readReview, reviewAnswer } from '../../../../src/istiod-lite/admission/review.ts'
import { DerivedMesh } from '../../../support/derived-mesh.ts'

const review = (request: unknown): string =>
  JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request })
const kind = { group: 'security.istio.io', version: 'v1', kind: 'AuthorizationPolicy' }
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

describe('a review', () => {
  it('is read with the object as it was and as it will be', () => {
    const [object, oldObject] = [{ spec: { action: 'DENY' } }, { spec: {} }]
    expect(readReview(review({ uid: 'u', operation: 'UPDATE', kind, object, oldObject }))).toEqual({
      uid: 'u',
      group: 'security.istio.io',
      kind: 'AuthorizationPolicy',
      object,
      old: oldObject,
    })
  })

  it.each<[string, object, Partial<ReviewRequest>]>([
    ['of a new object has no old one', { object: {}, oldObject: null }, { object: {}, old: undefined }],
    ['of a deletion has no new one', { object: null, oldObject: {} }, { object: undefined, old: {} }],
    ['of a core kind has an empty group', { kind: { version: 'v1', kind: 'Pod' } }, { group: '', kind: 'Pod' }],
    ['whose object is none has none', { object: 'text', oldObject: [1] }, { object: undefined, old: undefined }],
  ])('%s', (_what, more, expected) => {
    expect(readReview(review({ uid: 'u', operation: 'CREATE', kind, ...more }))).toMatchObject(expected)
  })

  it.each([
    ['no JSON', '{', 'is no JSON'],
    ['nothing', '', 'is no JSON'],
    ['null', 'null', 'is no AdmissionReview of admission.k8s.io/v1'],
    ['a list', '[]', 'is no AdmissionReview of admission.k8s.io/v1'],
    ['another kind', review({}).replace('AdmissionReview', 'Pod'), 'is no AdmissionReview of admission.k8s.io/v1'],
    ['another version', review({}).replace('io/v1', 'io/v1beta1'), 'is no AdmissionReview of admission.k8s.io/v1'],
    ['no request', review(undefined), 'has no request'],
    ['a request without an id', review({ kind }), 'has no request'],
    ['a request without a kind', review({ uid: 'u' }), 'has no request'],
    ['a kind without a name', review({ uid: 'u', kind: {} }), 'does not say which kind it asks about'],
    [
      'a group that cannot be made a text',
      review({ uid: 'u', kind: { ...kind, group: { toString: 1 } } }),
      'does not say which kind it asks about',
    ],
    ['a depth that nobody writes', review(0).replace(':0', `:${nested(100_000)}`), 'is nested deeper than 100 levels'],
  ])('is not taken for one: %s', (_what, body, problem) => {
    expect(readReview(body)).toBe(problem)
  })

  it('may be as deep as the limit', () => {
    // The review, its request and the object are three levels.
    const at = (depth: number) =>
      readReview(review({ uid: 'u', kind, object: { spec: 0 } }).replace(':0', `:${nested(depth)}`))
    expect(at(97)).toMatchObject({ uid: 'u' })
    expect(at(98)).toBe('is nested deeper than 100 levels')
  })
})

describe('the answer', () => {
  const answer = (verdict: Parameters<typeof reviewAnswer>[1]): unknown =>
    JSON.parse(reviewAnswer('u', verdict)).response

  it('allows without a word, or with warnings', () => {
    expect(answer({ kind: 'allowed', warnings: [] })).toEqual({ uid: 'u', allowed: true })
    expect(answer({ kind: 'allowed', warnings: ['w'] })).toEqual({ uid: 'u', allowed: true, warnings: ['w'] })
  })

  it('refuses as invalid, and still warns', () => {
    expect(answer({ kind: 'refused', message: 'm', warnings: ['w'] })).toEqual({
      uid: 'u',
      allowed: false,
      warnings: ['w'],
      status: { code: 422, reason: 'Invalid', message: 'm' },
    })
  })

  it('holds ten warnings and as many words as API servers pass on', () => {
    const warnings = Array.from({ length: 11 }, () => 'w'.repeat(251))
    const long = answer({ kind: 'refused', message: 'm'.repeat(2_049), warnings })
    expect(long).toMatchObject({
      warnings: Array.from({ length: 10 }, () => `${'w'.repeat(249)}…`),
      status: { message: `${'m'.repeat(2_047)}…` },
    })
    const message = 'm'.repeat(2_048)
    expect(answer({ kind: 'refused', message, warnings: ['w'.repeat(250)] })).toMatchObject({
      warnings: ['w'.repeat(250)],
      status: { message },
    })
  })
})

describe('whatever is asked', () => {
  const { mesh } = DerivedMesh.of([])
  const anything = fc.jsonValue({ maxDepth: 6 })
  /** Near to a policy: its fields, with anything in them. */
  const nearly = fc.record(
    {
      metadata: fc.oneof(anything, fc.record({ name: fc.string(), namespace: fc.string(), annotations: anything })),
      spec: fc.oneof(
        anything,
        fc.dictionary(
          fc.constantFrom('action', 'rules', 'selector', 'targetRef', 'targetRefs', 'mtls', 'portLevelMtls', 'more'),
          fc.oneof(anything, fc.constantFrom('ALLOW', 'DENY', 'AUDIT', 'CUSTOM')),
        ),
      ),
    },
    { requiredKeys: [] },
  )
  const request = fc.record(
    {
      uid: fc.oneof(fc.string(), anything),
      operation: anything,
      kind: fc.oneof(anything, fc.constantFrom(kind, { ...kind, kind: 'PeerAuthentication' })),
      object: fc.oneof(anything, nearly),
      oldObject: fc.oneof(anything, nearly),
    },
    { requiredKeys: ['uid', 'kind'] },
  )
  const bodies = fc.oneof(
    fc.string(),
    anything.map((value) => JSON.stringify(value)),
    request.map(review),
  )

  it('is answered in bounds or said to be no review', () => {
    let answered = 0
    fc.assert(
      fc.property(bodies, fc.constantFrom('strict' as const, 'warn' as const), (body, mode) => {
        const read = readReview(body)
        if (typeof read === 'string') {
          expect(read.length).toBeLessThan(80)
          return
        }
        answered++
        const verdict = decideAdmission(mode, read, mesh.explain)
        const { response } = JSON.parse(reviewAnswer(read.uid, verdict))
        expect(response).toMatchObject({ uid: read.uid, allowed: verdict.kind === 'allowed' })
        if (mode === 'warn') expect(verdict.kind).toBe('allowed')
        const { warnings = [], status = { message: '' } } = response
        expect(warnings.length).toBeLessThanOrEqual(10)
        for (const text of [...warnings, status.message]) expect(text.length).toBeLessThanOrEqual(2_048)
      }),
      { numRuns: 2_000 },
    )
    expect(answered).toBeGreaterThan(100)
  })
})
