import { describe, expect, it } from 'vitest'
import { readObjects } from '#shared/k8s'
import { Configured } from '../../../support/waypoint-configuration.ts'

const SERVICES = 60

const world = `apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/use-waypoint: gate } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gate, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: IPAddress, value: 10.96.9.9 }] }
`
const service = (i: number): string => `---
apiVersion: v1
kind: Service
metadata: { name: s${i}, namespace: shop }
spec: { clusterIP: 10.96.0.${i + 1}, selector: { app: s${i} }, ports: [{ name: http, port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r${i}, namespace: shop }
spec: { parentRefs: [{ group: '', kind: Service, name: s${i} }], rules: [{ backendRefs: [{ name: s${(i + 1) % SERVICES}, port: 80 }] }] }
`
const pod = (labels: string): string => `---
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: shop, labels: { ${labels} } }
spec: { nodeName: n, containers: [] }
status: { phase: Running, podIP: 10.1.0.1 }
`

const runs = ({ graph }: Configured): Readonly<Record<string, number>> =>
  Object.fromEntries(graph.statistics().map((node) => [node.name, node.runs]))

/** How often each derivation ran for a change. */
const workOf = (configured: Configured, change: () => void): Readonly<Record<string, number>> => {
  const before = runs(configured)
  change()
  configured.graph.settle()
  const after = Object.entries(runs(configured)).map(([name, count]): [string, number] => [
    name,
    count - (before[name] ?? 0),
  ])
  return Object.fromEntries(after.filter(([, count]) => count > 0))
}

const start = (): { readonly configured: Configured; readonly put: (yaml: string) => void } => {
  const configured = new Configured()
  const objects = new Map<string, string>([['world', world]])
  const put = (yaml: string): void => {
    const [, kind = '', name = ''] = /kind: (\w+)\nmetadata: \{ name: ([\w-]+)/.exec(yaml) ?? []
    objects.set(`${kind} ${name}`, yaml)
    configured.table.replaceAll(readObjects([...objects.values()].join(''), 'test').objects)
  }
  for (let i = 0; i < SERVICES; i++) objects.set(`s${i}`, service(i))
  put(pod('app: s1'))
  configured.graph.settle()
  return { configured, put }
}

describe('the work for a change', () => {
  it('is of one pod none at all for routes and clusters', () => {
    const { configured, put } = start()
    const work = workOf(configured, () => put(pod('app: s1, x: y')))
    expect(Object.keys(work).filter((name) => /routes|clusters|verdicts|policies of|telemetry/.test(name))).toEqual([])
  })

  it('is of one rule that of the services that it names or that send there', () => {
    const { configured, put } = start()
    const work = workOf(configured, () =>
      put(`---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: d, namespace: shop }
spec: { host: s5, trafficPolicy: { loadBalancer: { simple: RANDOM } } }
`),
    )
    // Its own, and s4 whose route leads to it.
    expect(work['clusters of waypoints']).toBe(2)
    expect(work['routes of waypoints']).toBeUndefined()
  })

  it('leaves the same whether objects came in this order or that', () => {
    const read = (yaml: string) => readObjects(yaml, 'test').objects
    const all = [
      ...read(world),
      ...Array.from({ length: 5 }, (_, i) => read(service(i))).flat(),
      ...read(pod('app: s1')),
    ]
    const forwards = new Configured()
    const backwards = new Configured()
    for (const object of all) forwards.table.replaceAll([...all.slice(0, all.indexOf(object) + 1)])
    for (let i = all.length; i-- > 0; ) {
      backwards.table.replaceAll(all.slice(i))
      backwards.graph.settle()
    }
    expect(backwards.told()).toEqual(forwards.told())
  })
})
