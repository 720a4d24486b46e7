import type { EndpointSlice, ObjectMeta, Pod, Service } from '#shared/k8s'
import { type IpFamily, ipFamily, parseIp } from '#shared/net'

/** A running pod as an endpoint. */
export interface EndpointPod {
  readonly pod: Pod
  readonly isReady: boolean
}

/**
 * What kube-controller-manager makes of a service's selector: per address family, and per set of port numbers where a
 * named target port differs between pods, one slice. A service without selector has its slices written by its user.
 */
export function deriveSlices(
  service: Service,
  pods: readonly EndpointPod[],
  families: readonly IpFamily[],
): readonly EndpointSlice[] {
  const selector = Object.entries(service.spec.selector)
  if (selector.length === 0) return []
  const selected = pods.filter(
    ({ pod }) =>
      pod.metadata.namespace === service.metadata.namespace &&
      selector.every(([key, value]) => pod.metadata.labels[key] === value),
  )
  return families.flatMap((family) => {
    const groups = new Map<string, { readonly ports: EndpointSlice['ports']; readonly members: EndpointPod[] }>()
    for (const member of selected) {
      const ports = portsOf(service, member.pod)
      const key = JSON.stringify(ports)
      const group = groups.get(key) ?? { ports, members: [] }
      groups.set(key, group)
      group.members.push(member)
    }
    return [...groups.values()].map(
      ({ ports, members }, i): EndpointSlice => ({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: sliceMeta(service, family, i),
        addressType: family === 4 ? 'IPv4' : 'IPv6',
        ports,
        endpoints: members.flatMap((member) => endpointOf(member, family, service.spec.publishNotReadyAddresses)),
      }),
    )
  })
}

function endpointOf(
  { pod, isReady }: EndpointPod,
  family: IpFamily,
  publishNotReady: boolean,
): EndpointSlice['endpoints'] {
  const addresses = pod.status.podIPs.filter((text) => {
    const ip = parseIp(text)
    return ip !== undefined && ipFamily(ip) === family
  })
  if (addresses.length === 0) return []
  const { namespace, name } = pod.metadata
  const targetRef = { kind: 'Pod', namespace, name }
  return [{ addresses, ready: isReady || publishNotReady, nodeName: pod.spec.nodeName, targetRef }]
}

/** A named target port means the pod's container port of that name; a pod without it has no such port. */
function portsOf(service: Service, pod: Pod): EndpointSlice['ports'] {
  return service.spec.ports.flatMap(({ name, protocol, targetPort }) => {
    const port =
      typeof targetPort === 'number'
        ? targetPort
        : pod.spec.containers
            .flatMap((container) => container.ports)
            .find((other) => other.name === targetPort && other.protocol === protocol)?.containerPort
    return port === undefined ? [] : [{ name, port, protocol }]
  })
}

function sliceMeta(service: Service, family: IpFamily, number: number): ObjectMeta {
  const { name, namespace } = service.metadata
  const sliceName = `${name}-v${family}${number === 0 ? '' : `-${number}`}`
  return {
    name: sliceName,
    generateName: '',
    namespace,
    uid: `${service.metadata.uid}-${family}-${number}`,
    labels: { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'ambit.dev/local' },
    annotations: {},
    creationTimestamp: undefined,
    deletionTimestamp: undefined,
    generation: undefined,
    ownerReferences: [{ kind: 'Service', name, controller: true }],
  }
}
