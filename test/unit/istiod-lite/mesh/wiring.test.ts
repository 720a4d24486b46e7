import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type KubeObject, ObjectTable, readObjects } from '#shared/k8s'
import { Graph } from '../../../../src/istiod-lite/collections/index.ts'
import { type Mesh, wireMesh } from '../../../../src/istiod-lite/mesh/index.ts'
import { collectObjects } from '../../../../src/istiod-lite/sources/index.ts'
import { meshSettings } from '../../../support/mesh-objects.ts'

const start = (
  settings = meshSettings,
): { readonly table: ObjectTable; readonly graph: Graph; readonly mesh: Mesh } => {
  const table = new ObjectTable()
  const graph = new Graph({ schedule: () => {} })
  const source = {
    subscribe: table.subscribe.bind(table),
    synced: Promise.resolve(),
    problems: [],
    close: async () => {},
  }
  const mesh = wireMesh(graph, collectObjects(graph, source).collections, settings)
  return { table, graph, mesh }
}

const snapshot = (mesh: Mesh): unknown => ({
  workloads: mesh.workloads.list(),
  services: mesh.services.list(),
  authorizations: mesh.authorizations.list(),
  conditions: mesh.conditions.list(),
})

const head = (kind: string, namespace: string, name: string, api = 'v1'): string =>
  `apiVersion: ${api}\nkind: ${kind}\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\n`
const SECURITY = 'security.istio.io/v1'
const namespaces = fc.constantFrom('shop', 'other', 'istio-system')
const names = fc.constantFrom('a', 'b', 'c')
const labels = fc.constantFrom('app: web', 'app: cart', 'app: web, tier: x', 'tier: x')
const modes = fc.constantFrom('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT')
const selectors = fc.option(labels, { nil: undefined })
const selectorText = (selector: string | undefined): string =>
  selector === undefined ? '' : `  selector: {matchLabels: {${selector}}}\n`

/** To go after other labels. */
const waypointLabels = fc
  .option(fc.tuple(fc.constantFrom('a', 'b', 'none'), fc.constantFrom('shop', 'other')), { nil: undefined })
  .map((use) =>
    use === undefined ? '' : `, istio.io/use-waypoint: ${use[0]}, istio.io/use-waypoint-namespace: ${use[1]}`,
  )

const objectTexts = fc.oneof(
  fc
    .tuple(fc.constantFrom('shop', 'other'), fc.boolean(), waypointLabels)
    .map(
      ([name, on, waypoint]) =>
        `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: {istio.io/dataplane-mode: ${on ? 'ambient' : 'none'}${waypoint}}}\n`,
    ),
  fc
    .tuple(namespaces, names, fc.constantFrom('service', 'workload', 'all'), fc.boolean(), fc.boolean())
    .map(
      ([ns, name, traffic, isReady, isOpen]) =>
        `${head('Gateway', ns, name, 'gateway.networking.k8s.io/v1')}  labels: {istio.io/waypoint-for: ${traffic}}\nspec:\n  gatewayClassName: istio-waypoint\n  listeners: [{name: mesh, port: 15008, protocol: HBONE, allowedRoutes: {namespaces: {from: ${isOpen ? 'All' : 'Same'}}}}]\nstatus: {addresses: [${isReady ? '{type: IPAddress, value: 10.9.9.9}' : ''}]}\n`,
    ),
  fc
    .tuple(
      namespaces,
      names,
      labels,
      fc.constantFrom('10.0.0.1', '10.0.0.2'),
      fc.constantFrom('n1', 'n2'),
      fc.oneof(waypointLabels, fc.constant(', gateway.networking.k8s.io/gateway-name: a')),
    )
    .map(
      ([ns, name, label, ip, node, waypoint]) =>
        `${head('Pod', ns, name)}  labels: {${label}${waypoint}}\nspec: {nodeName: ${node}}\nstatus: {phase: Running, podIP: ${ip}}\n`,
    ),
  fc
    .tuple(namespaces, names, selectors, waypointLabels)
    .map(
      ([ns, name, selector, waypoint]) =>
        `${head('Service', ns, name)}  labels: {app: s${waypoint}}\nspec:\n  ports: [{port: 80}]\n${selector === undefined ? '' : `  selector: {${selector}}\n`}`,
    ),
  fc
    .tuple(namespaces, names, names, names)
    .map(
      ([ns, name, service, pod]) =>
        `${head('EndpointSlice', ns, name, 'discovery.k8s.io/v1')}  labels: {kubernetes.io/service-name: ${service}}\naddressType: IPv4\nendpoints:\n- {addresses: [10.1.1.1]}\n- {addresses: [10.0.0.1], targetRef: {kind: Pod, name: ${pod}}}\n`,
    ),
  fc
    .tuple(namespaces, names, selectors, modes, fc.array(fc.tuple(fc.constantFrom(80, 81), modes), { maxLength: 2 }))
    .map(([ns, name, selector, mode, ports]) => {
      const port = new Map(selector === undefined ? [] : ports)
      const portModes = [...port].map(([number, each]) => `${number}: {mode: ${each}}`).join(', ')
      return `${head('PeerAuthentication', ns, name, SECURITY)}spec:\n${selectorText(selector)}  mtls: {mode: ${mode}}\n  portLevelMtls: {${portModes}}\n`
    }),
  fc
    .tuple(namespaces, names, selectors, fc.constantFrom('ALLOW', 'DENY', 'AUDIT'), fc.boolean())
    .map(
      ([ns, name, selector, action, isHttp]) =>
        `${head('AuthorizationPolicy', ns, name, SECURITY)}spec:\n${selectorText(selector)}  action: ${action}\n  rules: [{to: [{operation: {${isHttp ? 'methods: [GET]' : 'ports: ["80"]'}}}]}]\n`,
    ),
)

const objectsOf = (texts: readonly string[]): readonly KubeObject[] => {
  const read = readObjects(texts.join('---\n'), 'test')
  expect(read.problems).toEqual([])
  const byKey = read.objects.map((object): [string, KubeObject] => [
    `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`,
    object,
  ])
  return [...new Map(byKey).values()]
}

const states = fc.array(fc.array(objectTexts, { maxLength: 12 }), { minLength: 1, maxLength: 5 })

describe('the mesh', () => {
  it('is after any changes what it would be from the start, and no workload names a policy that is not sent', () => {
    fc.assert(
      fc.property(states, (all) => {
        const { table, graph, mesh } = start()
        for (const texts of all) {
          const objects = objectsOf(texts)
          table.replaceAll(objects)
          graph.settle()

          const fresh = start()
          fresh.table.replaceAll(objects)
          fresh.graph.settle()
          expect(snapshot(mesh)).toEqual(snapshot(fresh.mesh))
          for (const workload of mesh.workloads.list()) {
            for (const key of workload.authorizationPolicies) {
              expect(mesh.authorizations.get(key), `${workload.uid} names ${key}`).toMatchObject({
                scope: 'WorkloadSelector',
              })
            }
            for (const key of workload.services.keys()) expect(mesh.services.get(key)).toBeDefined()
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('reruns for one changed selector only what could match it', () => {
    const { table, graph, mesh } = start()
    const pods = Array.from(
      { length: 50 },
      (_, i) =>
        `${head('Pod', 'shop', `p${i}`)}  labels: {app: app${i % 10}}\nspec: {nodeName: n}\nstatus: {podIP: 10.0.0.${i}}\n`,
    )
    const policy = (app: string): string =>
      `${head('AuthorizationPolicy', 'shop', 'p', SECURITY)}spec: {selector: {matchLabels: {app: ${app}}}, rules: [{}]}\n`
    const runs = (): number => graph.statistics().find(({ name }) => name === 'pod workloads')?.runs ?? Number.NaN
    table.replaceAll(objectsOf([...pods, policy('app1')]))
    graph.settle()
    const before = runs()
    table.replaceAll(objectsOf([...pods, policy('app2')]))
    graph.settle()
    expect(runs() - before).toBe(10)
    expect(mesh.workloads.list().filter((workload) => workload.authorizationPolicies.length > 0)).toHaveLength(5)
  })
})

describe('a dry-run policy', () => {
  const dry = `apiVersion: ${SECURITY}\nkind: AuthorizationPolicy\nmetadata: {name: dry, namespace: shop, annotations: {istio.io/dry-run: "true"}}\nspec: {action: DENY, rules: [{}]}\n`

  it('is sent as one when the mesh is told to send such', () => {
    const { table, graph, mesh } = start({ ...meshSettings, isDryRunSent: true })
    table.replaceAll(objectsOf([dry]))
    graph.settle()
    expect(mesh.authorizations.list()).toMatchObject([{ name: 'dry', action: 'Deny', dryRun: true }])
    expect(mesh.conditions.list()).toMatchObject([
      { key: 'shop/dry', condition: { status: 'True', reason: 'Accepted' } },
    ])
  })
})
