import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Change,
  type Collection,
  derive,
  Graph,
  indexBy,
  join,
  type Singleton,
  type Source,
  singleton,
  source,
} from '../../../../src/istiod-lite/collections/index.ts'

interface Pod {
  readonly name: string
  readonly app: string
  readonly node: string
}
interface Service {
  readonly name: string
  readonly app: string
}
interface Endpoint {
  readonly id: string
  readonly zone: string
  readonly services: readonly string[]
}

interface Mesh {
  readonly graph: Graph
  readonly pods: Source<Pod>
  readonly extra: Source<Endpoint>
  readonly services: Source<Service>
  readonly zones: Source<{ readonly zone: string }>
  readonly endpoints: Collection<Endpoint>
  readonly all: Collection<Endpoint>
  readonly apps: Collection<{ readonly app: string; readonly by: string }>
  readonly count: Singleton<number>
  readonly described: Collection<{ readonly id: string; readonly text: string }>
}

/** Every means of the engine at once: fetch by key, by index, whole, of a singleton; join; several outputs an input. */
const build = (): Mesh => {
  const graph = new Graph({ schedule: () => {} })
  const pods = source<Pod>(graph, 'pods')
  const extra = source<Endpoint>(graph, 'extra')
  const services = source<Service>(graph, 'services')
  const zones = source<{ readonly zone: string }>(graph, 'zones')
  const byApp = indexBy(services, 'services by app', (service) => [service.app])
  const endpoints = derive<Pod, Endpoint>(graph, {
    name: 'endpoints',
    from: pods,
    keyOf: (endpoint) => endpoint.id,
    derive: (pod, fetch) => {
      if (pod.app === 'none') return []
      const zone = fetch.one(zones, pod.node)?.zone ?? ''
      return [{ id: pod.name, zone, services: fetch.by(byApp, pod.app).map((service) => service.name) }]
    },
  })
  const all = join(graph, 'all', [extra, endpoints])
  const apps = derive<Pod, { readonly app: string; readonly by: string }>(graph, {
    name: 'apps',
    from: pods,
    keyOf: (entry) => entry.app,
    derive: (pod) => [pod.app, `${pod.app}-too`].map((app) => ({ app, by: pod.name })),
  })
  const count = singleton(graph, 'count', (fetch) => fetch.all(all).length)
  const described = derive<Endpoint, { readonly id: string; readonly text: string }>(graph, {
    name: 'described',
    from: all,
    keyOf: (entry) => entry.id,
    derive: (endpoint, fetch) => [
      { id: endpoint.id, text: `${endpoint.services.join()} of ${fetch.value(count)} in ${endpoint.zone}` },
    ],
  })
  return { graph, pods, extra, services, zones, endpoints, all, apps, count, described }
}

type Operation =
  | { readonly on: 'pods'; readonly key: string; readonly value: Pod | undefined }
  | { readonly on: 'extra'; readonly key: string; readonly value: Endpoint | undefined }
  | { readonly on: 'services'; readonly key: string; readonly value: Service | undefined }
  | { readonly on: 'zones'; readonly key: string; readonly value: { readonly zone: string } | undefined }
  | { readonly on: 'settle' }

const apply = (mesh: Mesh, operation: Operation): void => {
  if (operation.on === 'settle') {
    mesh.graph.settle()
    return
  }
  const target = mesh[operation.on] as Source<unknown>
  if (operation.value === undefined) target.delete(operation.key)
  else target.set(operation.key, operation.value)
}

const snapshot = (mesh: Mesh): unknown => ({
  endpoints: mesh.endpoints.list(),
  all: mesh.all.list(),
  apps: mesh.apps.list(),
  count: mesh.count.get(),
  described: mesh.described.list(),
})

const mirror = <T>(collection: Collection<T>): Map<string, T> => {
  const state = new Map<string, T>()
  collection.subscribe((changes: readonly Change<T>[]) => {
    for (const change of changes) {
      expect(state.has(change.key)).toBe(change.type !== 'added')
      if (change.type !== 'added') expect(state.get(change.key)).toEqual(change.before)
      if (change.type === 'deleted') state.delete(change.key)
      else state.set(change.key, change.value)
      if (change.type === 'updated') expect(change.value).not.toEqual(change.before)
    }
  })
  return state
}

const names = fc.constantFrom('a', 'b', 'c', 'd')
const appNames = fc.constantFrom('web', 'cart', 'none')
const pod = fc.record({ name: names, app: appNames, node: fc.constantFrom('n1', 'n2') })
const operations: fc.Arbitrary<readonly Operation[]> = fc.array(
  fc.oneof(
    fc.record({ on: fc.constant('pods' as const), key: names, value: fc.option(pod, { nil: undefined }) }),
    fc.record({
      on: fc.constant('extra' as const),
      key: names,
      value: fc.option(
        names.map((id) => ({ id, zone: 'x', services: [] })),
        { nil: undefined },
      ),
    }),
    fc.record({
      on: fc.constant('services' as const),
      key: names,
      value: fc.option(fc.record({ name: names, app: appNames }), { nil: undefined }),
    }),
    fc.record({
      on: fc.constant('zones' as const),
      key: fc.constantFrom('n1', 'n2'),
      value: fc.option(fc.record({ zone: fc.constantFrom('z1', 'z2') }), { nil: undefined }),
    }),
    fc.constant({ on: 'settle' as const }),
  ),
  { maxLength: 40 },
)

describe('derived collections', () => {
  it('hold after any changes what a fresh computation gives, and tell subscribers exactly that', () => {
    fc.assert(
      fc.property(operations, (all) => {
        const mesh = build()
        const mirrors: readonly Map<string, unknown>[] = [mirror(mesh.all), mirror(mesh.apps), mirror(mesh.described)]
        const final = new Map<string, Operation>()
        for (const operation of all) {
          apply(mesh, operation)
          if (operation.on !== 'settle') final.set(`${operation.on}/${operation.key}`, operation)
        }
        mesh.graph.settle()

        const fresh = build()
        for (const operation of final.values()) apply(fresh, operation)
        fresh.graph.settle()
        expect(snapshot(mesh)).toEqual(snapshot(fresh))
        const lists: readonly (readonly unknown[])[] = [mesh.all.list(), mesh.apps.list(), mesh.described.list()]
        expect(mirrors.map((state) => new Set(state.values()))).toEqual(lists.map((list) => new Set(list)))
      }),
      { numRuns: 300 },
    )
  })

  const runs = (mesh: Mesh, name: string): number =>
    mesh.graph.statistics().find((node) => node.name === name)?.runs ?? Number.NaN

  const filled = (): Mesh => {
    const mesh = build()
    for (let i = 0; i < 100; i++) mesh.pods.set(`p${i}`, { name: `p${i}`, app: `app${i % 10}`, node: `n${i % 2}` })
    mesh.services.set('s', { name: 's', app: 'app3' })
    mesh.graph.settle()
    return mesh
  }

  it('run again only for the inputs that read what changed', () => {
    const mesh = filled()
    const before = runs(mesh, 'endpoints')
    mesh.services.set('s', { name: 's2', app: 'app3' })
    mesh.graph.settle()
    expect(runs(mesh, 'endpoints') - before).toBe(10)
    mesh.services.set('unrelated', { name: 'u', app: 'nobody' })
    mesh.graph.settle()
    expect(runs(mesh, 'endpoints') - before).toBe(10)
  })

  it('stop at an equal result', () => {
    const mesh = filled()
    const before = runs(mesh, 'described')
    mesh.pods.set('p1', { name: 'p1', app: 'app1', node: 'another without a zone' })
    mesh.graph.settle()
    expect(runs(mesh, 'described')).toBe(before)
  })

  it('run once for many changes between two settlements, and see only the last', () => {
    const mesh = filled()
    const seen: string[] = []
    mesh.endpoints.subscribe((changes) => seen.push(...changes.map((change) => `${change.type} ${change.key}`)))
    seen.length = 0
    const before = runs(mesh, 'endpoints')
    for (let i = 0; i < 5; i++) mesh.pods.set('p1', { name: 'p1', app: `app${i}`, node: 'n1' })
    mesh.pods.set('q', { name: 'q', app: 'x', node: 'n1' })
    mesh.pods.delete('q')
    mesh.graph.settle()
    expect(runs(mesh, 'endpoints') - before).toBe(1)
    expect(seen).toEqual([])
    mesh.services.set('s4', { name: 's4', app: 'app4' })
    mesh.graph.settle()
    expect(seen).toContain('updated p1')
  })

  it('leave no readers behind for inputs that are gone', () => {
    const mesh = filled()
    for (let i = 0; i < 100; i++) mesh.pods.delete(`p${i}`)
    mesh.graph.settle()
    const before = runs(mesh, 'endpoints')
    mesh.services.delete('s')
    mesh.zones.set('n1', { zone: 'z' })
    mesh.graph.settle()
    expect(runs(mesh, 'endpoints')).toBe(before)
    expect(mesh.all.size).toBe(0)
  })

  it('keep the last result of a derivation that fails, tell of it, and go on with the others', () => {
    const failures: string[] = []
    const graph = new Graph({ schedule: () => {}, onFailure: (node, key) => failures.push(`${node} ${key}`) })
    const numbers = source<number>(graph, 'numbers')
    const halves = derive<number, { readonly half: number }>(graph, {
      name: 'halves',
      from: numbers,
      keyOf: ({ half }) => String(half),
      derive: (n) => {
        if (n % 2 === 1) throw new Error('odd')
        return [{ half: n / 2 }]
      },
    })
    numbers.set('a', 2)
    numbers.set('b', 4)
    graph.settle()
    numbers.set('a', 3)
    numbers.set('b', 6)
    graph.settle()
    expect(halves.list()).toEqual([{ half: 1 }, { half: 3 }])
    expect(failures).toEqual(['halves a'])
    numbers.set('a', 8)
    graph.settle()
    expect(halves.list()).toEqual([{ half: 3 }, { half: 4 }])
  })

  it('refuse to read what is made after them', () => {
    const graph = new Graph({ schedule: () => {} })
    const numbers = source<number>(graph, 'numbers')
    const late: Collection<number>[] = []
    derive<number, number>(graph, {
      name: 'early',
      from: numbers,
      keyOf: String,
      derive: (_, fetch) => fetch.all(late[0] as Collection<number>),
    })
    late.push(source<number>(graph, 'late'))
    numbers.set('a', 1)
    expect(() => graph.settle()).toThrow('early failed for "a"')
  })

  it('settle by themselves after a write', async () => {
    const graph = new Graph()
    const numbers = source<number>(graph, 'numbers')
    const doubles = derive<number, number>(graph, { name: 'd', from: numbers, keyOf: String, derive: (n) => [2 * n] })
    const seen: string[] = []
    doubles.subscribe((changes) => seen.push(changes.map((change) => change.key).join()))
    numbers.set('a', 1)
    numbers.set('b', 2)
    expect(seen).toEqual([])
    await Promise.resolve()
    expect(seen).toEqual(['2,4'])
  })
})
