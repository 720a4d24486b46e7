import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KubeObject } from '#shared/k8s'
import { DerivedMesh } from '../../../support/derived-mesh.ts'
import { meshSettings } from '../../../support/mesh-objects.ts'
import { head, objectsOf, objectTexts, SECURITY } from '../../../support/object-texts.ts'
import { arrive, type Way, waysOf } from '../../../support/object-ways.ts'

const states = fc.array(fc.array(objectTexts, { maxLength: 14 }), { minLength: 1, maxLength: 5 })

const ways = waysOf(objectTexts)

/** A mesh that came to these objects by its own way. */
const arrived = (objects: readonly KubeObject[], way: Way): DerivedMesh => {
  const derived = new DerivedMesh()
  arrive(derived, objects, way)
  return derived
}

describe('the mesh', () => {
  it('is after any changes what it would be from the start, and names nothing that is not sent', () => {
    fc.assert(
      fc.property(states, (all) => {
        const derived = new DerivedMesh()
        const { mesh } = derived
        for (const texts of all) {
          const objects = objectsOf(texts)
          derived.hold(objects)
          expect(derived.outcome()).toEqual(DerivedMesh.of(objects).outcome())
          for (const workload of mesh.workloads.list()) {
            for (const key of workload.authorizationPolicies) {
              expect(mesh.authorizations.get(key), `${workload.uid} names ${key}`).toMatchObject({
                scope: 'WorkloadSelector',
              })
            }
            for (const key of workload.services.keys()) expect(mesh.services.get(key), key).toBeDefined()
          }
        }
      }),
      { numRuns: 60 },
    )
  }, 30_000)

  it('is the same byte by byte, whatever came first and whatever was there and went on the way', () => {
    fc.assert(
      fc.property(fc.array(objectTexts, { maxLength: 20 }), ways, ways, (texts, one, other) => {
        const objects = objectsOf(texts)
        const fresh = DerivedMesh.of(objects).outcome()
        expect(arrived(objects, one).outcome()).toEqual(fresh)
        expect(arrived(objects, other).outcome()).toEqual(fresh)
      }),
      { numRuns: 100 },
    )
  }, 30_000)

  it('tells of a change exactly what it makes different', () => {
    fc.assert(
      fc.property(fc.array(objectTexts, { maxLength: 14 }), objectTexts, (texts, text) => {
        const derived = DerivedMesh.of(objectsOf(texts))
        const told: string[] = []
        const versions = (): ReadonlyMap<string, string> =>
          new Map(derived.types.flatMap(({ resources }) => resources.list()).map(({ name, body }) => [name, `${body}`]))
        const before = versions()
        const ends = derived.types.map(({ resources }) => {
          let isFirst = resources.size > 0
          return resources.subscribe((changes) => {
            if (!isFirst) told.push(...changes.map(({ key }) => key))
            isFirst = false
          })
        })
        for (const object of objectsOf([text])) derived.table.put(object)
        derived.graph.settle()
        for (const end of ends) end()
        const after = versions()
        const names = [...new Set([...before.keys(), ...after.keys()])]
        expect(told.sort()).toEqual(names.filter((name) => before.get(name) !== after.get(name)).sort())
      }),
      { numRuns: 100 },
    )
  }, 30_000)
})

/** Pods of a few apps, each app with its service. */
const town = (pods: number, apps: number): readonly string[] => [
  ...Array.from(
    { length: apps },
    (_, i) => `${head('Service', 'shop', `s${i}`)}spec: {selector: {app: app${i}}, ports: [{port: 80}]}\n`,
  ),
  ...Array.from({ length: pods }, (_, i) => pod(i, `app${i % apps}`)),
]

const pod = (i: number, app: string, more = ''): string =>
  `${head('Pod', 'shop', `p${i}`)}  labels: {app: ${app}}\n${more}spec: {nodeName: n}\nstatus: {podIP: 10.0.${i >> 8}.${i & 255}}\n`

const policy = (app: string): string =>
  `${head('AuthorizationPolicy', 'shop', 'p', SECURITY)}spec: {selector: {matchLabels: {app: ${app}}}, rules: [{}]}\n`

describe('the work of a change', () => {
  const put = (derived: DerivedMesh, ...texts: readonly string[]): number => {
    const before = derived.runs()
    for (const object of objectsOf(texts)) derived.table.put(object)
    derived.graph.settle()
    return derived.runs() - before
  }

  it('is for a pod five derivations at most, however many pods and services there are', () => {
    for (const size of [50, 400]) {
      const derived = DerivedMesh.of(objectsOf(town(size, size / 5)))
      expect(put(derived, pod(7, 'app8'))).toBeLessThanOrEqual(5)
    }
  })

  it('is nothing when the object says what it said, and stops where a result is as before', () => {
    const derived = DerivedMesh.of(objectsOf(town(50, 10)))
    expect(put(derived, pod(7, 'app7'))).toBe(0)
    // One derivation reads what the mesh does not care about; nothing after it runs.
    expect(put(derived, pod(7, 'app7', '  annotations: {note: new}\n'))).toBe(1)
  })

  it('is for a selector only of those that could match it', () => {
    const derived = DerivedMesh.of(objectsOf([...town(50, 10), policy('app1')]))
    const before = derived.runs('pod workloads')
    put(derived, policy('app2'))
    expect(derived.runs('pod workloads') - before).toBe(10)
    const named = derived.mesh.workloads.list().filter((workload) => workload.authorizationPolicies.length > 0)
    expect(named).toHaveLength(5)
  })

  it('is for an entry only of what shares its hosts or is selected by it', () => {
    const entry = (i: number, selector: string, port = 80): string =>
      `${head('ServiceEntry', 'shop', `e${i}`, 'networking.istio.io/v1')}spec: {hosts: [h${i}.example], resolution: STATIC, ports: [{name: http, number: ${port}}], workloadSelector: {labels: {app: ${selector}}}}\n`
    const entries = Array.from({ length: 20 }, (_, i) => entry(i, `app${i % 10}`))
    const derived = DerivedMesh.of(objectsOf([...town(50, 10), ...entries]))
    const before = { pods: derived.runs('pod workloads'), entries: derived.runs('services of entries') }
    put(derived, entry(3, 'app3', 81))
    expect(derived.runs('pod workloads') - before.pods).toBe(5)
    expect(derived.runs('services of entries') - before.entries).toBe(1)
  })
})

describe('a dry-run policy', () => {
  const dry = `apiVersion: ${SECURITY}\nkind: AuthorizationPolicy\nmetadata: {name: dry, namespace: shop, annotations: {istio.io/dry-run: "true"}}\nspec: {action: DENY, rules: [{}]}\n`

  it('is sent as one when the mesh is told to send such', () => {
    const { mesh } = DerivedMesh.of(objectsOf([dry]), { ...meshSettings, isDryRunSent: true })
    expect(mesh.authorizations.list()).toMatchObject([{ name: 'dry', action: 'Deny', dryRun: true }])
    expect(mesh.conditions.list()).toMatchObject([
      { key: 'shop/dry', condition: { status: 'True', reason: 'Accepted' } },
    ])
  })
})
