import { MeshError } from '#shared/errors'
import type { ConnectTarget } from '#shared/hbone'
import { findGateway, gatewayName, type MeshView } from '#shared/mesh-state'
import { type GatewayAddress, type Service, serviceKey, type Workload } from '#shared/model'

/** One workload of a network gateway, and where it takes tunnels. */
export interface GatewayHop {
  readonly workload: Workload
  readonly service: Service | undefined
  readonly address: ConnectTarget
}

/**
 * A gateway to the network of an endpoint: any of its healthy workloads that can be dialled from here.
 *
 * @param random in [0, 1)
 * @throws MeshError `UPSTREAM_CONNECT_FAILED` when there is none
 */
export function gatewayTo(
  { uid, networkGateway: reference, network }: Workload,
  mesh: MeshView,
  own: { readonly network: string; readonly namespace: string },
  random: () => number,
): GatewayHop {
  const where = `workload ${uid} is on network ${JSON.stringify(network)}`
  if (reference === undefined) throw new MeshError('UPSTREAM_CONNECT_FAILED', `${where}, which has no network gateway`)
  const hops = hopsOf(reference, mesh, own.namespace).filter(({ workload }) => workload.network === own.network)
  const hop = hops[Math.floor(random() * hops.length)]
  if (hop !== undefined) return hop
  throw new MeshError('UPSTREAM_CONNECT_FAILED', `${where}, whose gateway ${gatewayName(reference)} is not there`)
}

function hopsOf(reference: GatewayAddress, mesh: MeshView, ownNamespace: string): readonly GatewayHop[] {
  const { hboneMtlsPort } = reference
  const found = findGateway(mesh, reference, ownNamespace)
  if (found === undefined) return []
  if (found.kind === 'workload') return hopAt(found.workload, undefined, hboneMtlsPort)
  const { service } = found
  const shared = service.ports.find(({ servicePort }) => servicePort === hboneMtlsPort)?.targetPort ?? 0
  return mesh
    .endpoints(serviceKey(service))
    .flatMap(({ workload, ports }) =>
      workload.capacity > 0 ? hopAt(workload, service, ports.get(hboneMtlsPort) ?? shared) : [],
    )
}

function hopAt(workload: Workload, service: Service | undefined, port: number): readonly GatewayHop[] {
  const [ip] = workload.addresses
  if (port === 0) return []
  if (ip !== undefined) return [{ workload, service, address: { kind: 'address', ip, port } }]
  const { hostname } = workload
  return hostname === '' ? [] : [{ workload, service, address: { kind: 'hostname', hostname, port } }]
}
