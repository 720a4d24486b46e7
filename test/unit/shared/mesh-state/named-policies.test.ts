import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Workload } from '#shared/model'
import { addressUpdate, meshOf, policy, policyUpdate, workload } from '../../../support/mesh-builder.ts'

const NAMES = ['a', 'b', 'c', 'd']
const PODS = ['p', 'q', 'r']

type Step =
  | { readonly kind: 'put'; readonly name: string }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'list'; readonly pod: string; readonly names: readonly string[] }
  | { readonly kind: 'gone'; readonly pod: string }

const name = fc.constantFrom(...NAMES)
const pod = fc.constantFrom(...PODS)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), name }),
  fc.record({ kind: fc.constant('remove' as const), name }),
  fc.record({ kind: fc.constant('list' as const), pod, names: fc.array(name, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('gone' as const), pod }),
)

describe('the policies that workloads name', () => {
  it('are those of the list and known now, whatever came, changed and went, and in which order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const mesh = meshOf([])
        const known = new Set<string>()
        const pods = new Map<string, Workload>()
        for (const one of steps) {
          if (one.kind === 'put') {
            mesh.applyAuthorizations(policyUpdate([policy({ name: one.name, scope: 'WorkloadSelector' })]))
            known.add(`default/${one.name}`)
          } else if (one.kind === 'remove') {
            mesh.applyAuthorizations(policyUpdate([], [`default/${one.name}`]))
            known.delete(`default/${one.name}`)
          } else if (one.kind === 'gone') {
            mesh.applyAddresses(addressUpdate([], [`Kubernetes//Pod/default/${one.pod}`]))
          } else {
            const names = one.names.map((each) => `default/${each}`)
            pods.set(one.pod, workload({ name: one.pod, authorizationPolicies: names }))
            mesh.applyAddresses(addressUpdate([pods.get(one.pod) as Workload])) // set in the line before
          }
          for (const each of pods.values()) {
            const names = new Set(each.authorizationPolicies)
            const { sets, missing } = mesh.policiesOf(each)
            const found = sets.flatMap((set) => [...set.policies()].map(({ key }) => key))
            expect(found.sort()).toEqual([...names].filter((key) => known.has(key)).sort())
            expect([...missing].sort()).toEqual([...names].filter((key) => !known.has(key)).sort())
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('are one set for pods that name the same ones in any order', () => {
    const [one, other] = [
      ['default/a', 'default/b'],
      ['default/b', 'default/a'],
    ].map((authorizationPolicies, i) => workload({ name: `w${i}`, authorizationPolicies }))
    const mesh = meshOf([one as Workload, other as Workload], [policy({ name: 'a', scope: 'WorkloadSelector' })])
    expect(mesh.policiesOf(one as Workload).sets[0]).toBe(mesh.policiesOf(other as Workload).sets[0])
  })

  it('stay the same set when the list of their only pod grows', () => {
    const before = workload({ name: 'w', authorizationPolicies: ['default/a'] })
    const mesh = meshOf(
      [before],
      ['a', 'b'].map((each) => policy({ name: each, scope: 'WorkloadSelector' })),
    )
    const [set] = mesh.policiesOf(before).sets
    const after = { ...before, authorizationPolicies: ['default/a', 'default/b'] }
    expect(mesh.policiesOf(after).sets).toEqual([set])
    expect(set?.size).toBe(2)
    expect(mesh.policiesOf(before).sets.map(({ size }) => size)).toEqual([1])
  })

  it('of workloads beyond the bound are found again when they are asked about', () => {
    const pods = Array.from({ length: 4100 }, (_, i) =>
      workload({ name: `w${i}`, authorizationPolicies: [`default/p${i}`] }),
    )
    const mesh = meshOf(pods)
    for (const each of pods) expect(mesh.policiesOf(each).missing).toEqual(each.authorizationPolicies)
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'p0', scope: 'WorkloadSelector' })]))
    expect(mesh.policiesOf(pods[0] as Workload).missing).toEqual([])
  })
})
