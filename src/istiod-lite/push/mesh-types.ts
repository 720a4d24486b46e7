import { type Authorization, type Service, serviceKey, type Workload } from '#shared/model'
import type { IpAddress } from '#shared/net'
import { type AdsNode, addressType, authorizationType, type EncodedResource, type ResourceView } from '#shared/xds'
import { type Collection, derive, type Graph, type Index, indexBy, join } from '../collections/index.ts'
import type { Mesh } from '../mesh/index.ts'
import { type PushType, plainType, versioned } from './push-type.ts'

/** A workload or service, encoded once for all clients. */
export interface AddressResource extends EncodedResource {
  readonly kind: 'workload' | 'service'
  /** Of a workload; empty for services and for workloads without a node. */
  readonly node: string
  /** Of a workload: keys of the services that it serves. */
  readonly services: readonly string[]
}

/** What tunnels are told of the mesh: addresses and L4 policies, each encoded once for all clients. */
export function meshTypes(graph: Graph, mesh: Mesh): readonly PushType[] {
  const workloads = derive<Workload, AddressResource>(graph, {
    name: 'encoded workloads',
    from: mesh.workloads,
    keyOf: nameOf,
    derive: (workload) => [encodeWorkload(workload)],
  })
  const services = derive<Service, AddressResource>(graph, {
    name: 'encoded services',
    from: mesh.services,
    keyOf: nameOf,
    derive: (service) => [encodeService(service)],
  })
  const addresses = join(graph, 'encoded addresses', [workloads, services])
  const byAlias = indexBy(addresses, 'addresses by alias', (resource) => resource.aliases)
  const authorizations = derive<Authorization, EncodedResource>(graph, {
    name: 'encoded authorizations',
    from: mesh.authorizations,
    keyOf: nameOf,
    derive: (policy) => [encodeAuthorization(policy)],
  })
  return [
    {
      typeUrl: addressType.typeUrl,
      resources: addresses,
      view: ({ node }) => new AddressView(addresses, byAlias, nodeNameOf(node)),
    },
    plainType(authorizationType.typeUrl, authorizations),
  ]
}

/** The node whose proxy that is; undefined = of no node. */
function nodeNameOf({ metadata }: AdsNode): string | undefined {
  return typeof metadata.NODE_NAME === 'string' ? metadata.NODE_NAME : undefined
}

function encodeWorkload(workload: Workload): AddressResource {
  // A host's address belongs to all its pods and so to none.
  const addresses = workload.networkMode === 'HostNetwork' ? [] : workload.addresses
  const services = [...workload.services.keys()]
  return {
    kind: 'workload',
    name: workload.uid,
    // A service's key is a name for its workloads too: who asks for a service gets them with it.
    aliases: [...addresses.map((ip) => addressAlias(workload.network, ip)), ...services],
    ...versioned(addressType.encode({ kind: 'workload', workload })),
    node: workload.node,
    services,
  }
}

function encodeService(service: Service): AddressResource {
  return {
    kind: 'service',
    name: serviceKey(service),
    aliases: service.vips.map(({ network, ip }) => addressAlias(network, ip)),
    ...versioned(addressType.encode({ kind: 'service', service })),
    node: '',
    services: [],
  }
}

function encodeAuthorization(policy: Authorization): EncodedResource {
  return {
    name: `${policy.namespace}/${policy.name}`,
    aliases: [],
    ...versioned(authorizationType.encode(policy)),
  }
}

/** `<network>/<ip>`, as tunnels ask for an address (hbone-and-ztunnel a.4). */
function addressAlias(network: string, ip: IpAddress): string {
  return `${network}/${ip}`
}

function nameOf(resource: EncodedResource): string {
  return resource.name
}

class AddressView implements ResourceView {
  readonly #addresses: Collection<AddressResource>
  readonly #byAlias: Index<AddressResource>
  readonly #node: string | undefined

  constructor(addresses: Collection<AddressResource>, byAlias: Index<AddressResource>, node: string | undefined) {
    this.#addresses = addresses
    this.#byAlias = byAlias
    this.#node = node
  }

  all(): Iterable<EncodedResource> {
    return this.#addresses.list()
  }

  get(name: string): EncodedResource | undefined {
    return this.#addresses.get(name)
  }

  /** In Istio's order: uid, workload by address, service by name, service by address; a service with its workloads. */
  resolve(name: string): readonly EncodedResource[] {
    const named = this.#addresses.get(name)
    if (named?.kind === 'workload') return [named]
    const aliased = this.#byAlias.get(name)
    const byAddress = aliased.filter((resource) => resource.kind === 'workload' && !resource.services.includes(name))
    if (byAddress.length > 0) return byAddress
    const services = named === undefined ? aliased.filter((resource) => resource.kind === 'service') : [named]
    return services.flatMap((service) => [service, ...this.#workloadsOf(service.name)])
  }

  /** The workloads of the client's own node: a tunnel waits for them without asking (hbone-and-ztunnel a.3). */
  isUnasked(resource: EncodedResource): boolean {
    if (this.#node === undefined || this.#node === '') return false
    const own = this.#addresses.get(resource.name)
    return own?.kind === 'workload' && own.node === this.#node
  }

  #workloadsOf(service: string): readonly AddressResource[] {
    return this.#byAlias.get(service).filter((resource) => resource.services.includes(service))
  }
}
