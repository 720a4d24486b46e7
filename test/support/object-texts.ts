import fc from 'fast-check'
import { formatProblem, type KubeObject, meshConfigKind, meshKinds, readObjects } from '#shared/k8s'

/** Head of an object's YAML; more metadata may follow. */
export const head = (kind: string, namespace: string, name: string, api = 'v1'): string =>
  `apiVersion: ${api}\nkind: ${kind}\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\n`
export const SECURITY = 'security.istio.io/v1'
const NETWORKING = 'networking.istio.io/v1'
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

/** YAML of some object of the mesh, one of a few names so that they meet each other. */
export const objectTexts: fc.Arbitrary<string> = fc.oneof(
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
  fc
    .record({
      ns: namespaces,
      name: names,
      label: labels,
      made: fc.constantFrom('2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
      hosts: fc.constantFrom('[x.example]', '[x.example, y.example]', '[a.shop.svc.cluster.local]', '["*.z.example"]'),
      addresses: fc.constantFrom('[]', '[192.0.2.1]', '[240.240.0.1]'),
      held: fc.constantFrom('[]', '[{host: x.example, value: 240.240.0.1}]', '[{host: y.example, value: 240.240.0.1}]'),
      endpoints: fc.constantFrom('', 'endpoints: [{address: 198.51.100.1}]', 'workloadSelector: {labels: {app: web}}'),
      waypoint: waypointLabels,
    })
    .map(
      ({ ns, name, label, made, hosts, addresses, held, endpoints, waypoint }) =>
        `${head('ServiceEntry', ns, name, NETWORKING)}  creationTimestamp: ${made}\n  labels: {${label}${waypoint}}\nspec:\n  hosts: ${hosts}\n  addresses: ${addresses}\n  resolution: STATIC\n  ports: [{name: http, number: 80}]\n  ${endpoints}\nstatus: {addresses: ${held}}\n`,
    ),
  fc
    .tuple(namespaces, names, labels, fc.constantFrom('10.0.0.1', 'vm.example'), waypointLabels)
    .map(
      ([ns, name, label, address, waypoint]) =>
        `${head('WorkloadEntry', ns, name, NETWORKING)}  labels: {${label}${waypoint}}\nspec: {address: ${address}, labels: {app: cart}}\n`,
    ),
  fc
    .tuple(
      fc.constantFrom('', 'discoverySelectors: [{matchLabels: {istio.io/dataplane-mode: ambient}}]'),
      fc.constantFrom('PUBLIC', 'NAMESPACE', 'NONE'),
    )
    .map(
      ([discovery, visibility]) =>
        `${head('ConfigMap', 'istio-system', 'istio')}data:\n  mesh: |\n    serviceEntryVisibility: {defaultVisibility: ${visibility}}\n    ${discovery}\n`,
    ),
)

/** Of two objects of one name the later. */
export const objectsOf = (texts: readonly string[]): readonly KubeObject[] => {
  const read = readObjects(texts.join('---\n'), 'test', [...meshKinds, meshConfigKind])
  if (read.problems.length > 0) throw new Error(read.problems.map(formatProblem).join('\n'))
  const byKey = read.objects.map((object): [string, KubeObject] => [
    `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`,
    object,
  ])
  return [...new Map(byKey).values()]
}
