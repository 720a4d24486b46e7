import { headerValue, headerValues, parseBaggage } from '#shared/hbone'
import type { HeaderList } from '#shared/http2'
import type { MeshView } from '#shared/mesh-state'
import type { SpiffeId, Workload } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { AccessParty, DeclaredParty } from '#shared/telemetry'
import { partyOf } from '../reporting/index.ts'

/** The opener of a tunnelled connection: as the mesh knows it, or as it says itself. */
export interface TunnelClient {
  readonly labels: Workload | DeclaredParty | undefined
  readonly party: AccessParty
}

export interface ClientFacts {
  readonly source: SocketAddress
  readonly peer: SpiffeId
  readonly headers: HeaderList
  readonly network: string
  /** Clients outside the mesh are described by their baggage. */
  readonly isBaggageRead: boolean
}

/**
 * Who opened a tunnelled connection. Behind a gateway of another network the address is the gateway's, so it is not
 * looked up then (hbone-and-ztunnel d.3).
 */
export function clientOf(view: MeshView, facts: ClientFacts): TunnelClient {
  const { source, peer, headers, network } = facts
  const forwardedNetwork = headerValue(headers, 'x-forwarded-network')
  const isForwarded = forwardedNetwork !== undefined && forwardedNetwork.toLowerCase() !== network.toLowerCase()
  const workload = isForwarded ? undefined : view.workloadByIp(network, source.ip)
  if (workload !== undefined || !facts.isBaggageRead)
    return { labels: workload, party: partyOf(source, workload, peer) }
  const told = parseBaggage(headerValues(headers, 'baggage'))
  return {
    labels: {
      clusterId: told.cluster,
      namespace: told.namespace,
      workloadName: told.workloadName,
      canonicalName: told.service,
      canonicalRevision: told.revision,
      region: told.region,
      zone: told.zone,
    },
    party: {
      address: source,
      who: { workload: told.service, namespace: told.namespace, identity: peer, cluster: told.cluster },
    },
  }
}
