import { ipFamily, parseIp } from '#shared/net'
import { isDeleting } from '../core/kinds.ts'
import { isFinished, isReady } from '../core/pods.ts'
import type { Endpoint, EndpointPort, EndpointSubset, Pod, Service } from '../core/shapes.ts'

export type AddressType = 'IPv4' | 'IPv6'

/** Endpoints with the same ports and kind of address; becomes one slice or more. */
export interface EndpointGroup {
  readonly addressType: AddressType
  readonly ports: readonly EndpointPort[]
  readonly endpoints: readonly Endpoint[]
}

/**
 * What a service's selector finds: one group per kind of address and per set of port numbers, where a named target
 * port differs between pods. Pods without address and ended ones are left out.
 */
export function endpointGroups(service: Service, pods: readonly Pod[]): readonly EndpointGroup[] {
  const members = pods.filter((pod) => isSelected(service, pod) && !isFinished(pod))
  return addressTypes(service).flatMap((addressType) => {
    const groups = new Map<string, { readonly ports: readonly EndpointPort[]; readonly endpoints: Endpoint[] }>()
    for (const pod of members) {
      const addresses = addressesOf(pod).filter((ip) => familyOf(ip) === addressType)
      if (addresses.length === 0) continue
      const ports = portsOf(service, pod)
      const key = JSON.stringify(ports)
      const group = groups.get(key) ?? { ports, endpoints: [] }
      groups.set(key, group)
      group.endpoints.push(endpointOf(service, pod, addresses))
    }
    // A service without pods has one empty slice, so that its readers know it was looked at.
    if (groups.size === 0) groups.set('', { ports: fixedPorts(service), endpoints: [] })
    return [...groups.values()].map((group) => ({ addressType, ...group }))
  })
}

/** The same as `subsets` of the older Endpoints: the first family only, ready and other addresses apart. */
export function endpointSubsets(groups: readonly EndpointGroup[]): readonly EndpointSubset[] {
  const first = groups[0]?.addressType
  return groups.flatMap(({ addressType, ports, endpoints }) => {
    const shown = endpoints.filter(({ conditions }) => conditions.ready || !conditions.terminating)
    if (addressType !== first || shown.length === 0) return []
    const address = ({ addresses, hostname, nodeName, targetRef }: Endpoint): { readonly ip: string } => ({
      ip: addresses[0] ?? '',
      ...(hostname === undefined ? {} : { hostname }),
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(targetRef === undefined ? {} : { targetRef }),
    })
    const ready = shown.filter(({ conditions }) => conditions.ready).map(address)
    const notReady = shown.filter(({ conditions }) => !conditions.ready).map(address)
    return [
      {
        ...(ready.length === 0 ? {} : { addresses: ready }),
        ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
        ports: ports.map(({ name, ...rest }) => (name === '' ? rest : { name, ...rest })),
      },
    ]
  })
}

/** Whether it has a selector at all; without one its user writes the endpoints. */
export function hasSelector({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && Object.keys(spec.selector ?? {}).length > 0
}

export function isSelected(service: Service, pod: Pod): boolean {
  return (
    hasSelector(service) &&
    Object.entries(service.spec.selector ?? {}).every(([key, value]) => pod.metadata.labels?.[key] === value)
  )
}

function endpointOf(service: Service, pod: Pod, addresses: readonly string[]): Endpoint {
  const { namespace = '', name, uid = '' } = pod.metadata
  const { nodeName, hostname, subdomain } = pod.spec
  const isTerminating = isDeleting(pod)
  const isServing = isReady(pod)
  return {
    addresses: addresses.slice(0, 1),
    conditions: {
      ready: service.spec.publishNotReadyAddresses === true || (isServing && !isTerminating),
      serving: isServing,
      terminating: isTerminating,
    },
    ...(hostname !== undefined && subdomain === service.metadata.name ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid },
  }
}

/** A named target port means the pod's container port of that name; a pod without it has no such port. */
function portsOf(service: Service, pod: Pod): readonly EndpointPort[] {
  const containers = [
    ...pod.spec.containers,
    ...(pod.spec.initContainers ?? []).filter((each) => each.restartPolicy === 'Always'),
  ]
  const ports = containers.flatMap((container) => container.ports ?? [])
  return (service.spec.ports ?? []).flatMap((wanted) => {
    const { name = '', protocol = 'TCP', port, targetPort = port, appProtocol } = wanted
    const number =
      typeof targetPort === 'number'
        ? targetPort
        : ports.find((each) => each.name === targetPort && (each.protocol ?? 'TCP') === protocol)?.containerPort
    if (number === undefined) return []
    return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }]
  })
}

function fixedPorts(service: Service): readonly EndpointPort[] {
  return (service.spec.ports ?? []).flatMap(({ name = '', protocol = 'TCP', port, targetPort = port, appProtocol }) =>
    typeof targetPort === 'number'
      ? [{ name, port: targetPort, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }]
      : [],
  )
}

function addressesOf({ status }: Pod): readonly string[] {
  const all = (status?.podIPs ?? []).map(({ ip }) => ip)
  return all.length > 0 || status?.podIP === undefined ? all : [status.podIP]
}

function addressTypes({ spec }: Service): readonly AddressType[] {
  return spec.ipFamilies ?? ['IPv4']
}

function familyOf(text: string): AddressType | undefined {
  const ip = parseIp(text)
  if (ip === undefined) return undefined
  return ipFamily(ip) === 4 ? 'IPv4' : 'IPv6'
}
