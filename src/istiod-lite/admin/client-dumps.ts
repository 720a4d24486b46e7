import type { JsonObject, ProxyState } from '#shared/xds'
import type { PushClient, PushWatch } from '../push/index.ts'

/**
 * `/debug/syncz`: what each client has of each type. Keys as Istio's (`proxy`, `cluster_id`, `resources` …), and beside
 * them `types`, which says more.
 */
export function synczDump(clients: readonly PushClient[]): unknown {
  return clients.map((client) => {
    const { id, metadata } = client.node
    return {
      proxy: id,
      proxy_type: id.split('~')[0],
      cluster_id: metadata.CLUSTER_ID,
      istio_version: metadata.ISTIO_VERSION,
      nodeName: metadata.NODE_NAME,
      peer: client.peer.address,
      principal: client.peer.principal,
      connectedAt: new Date(client.connectedAtMs).toISOString(),
      resources: Object.fromEntries(client.watches.map((watch) => [watch.typeUrl, istioStatus(watch)])),
      types: client.watches.map(({ typeUrl, mode, heldCount, state, lagMs, progress }) => ({
        typeUrl,
        mode,
        held: heldCount,
        state,
        lagMs,
        sentNonce: progress?.sentNonce,
        ackedNonce: progress?.ackedNonce,
        refusal: progress?.refusal,
      })),
    }
  })
}

/** The same for istioctl, which asks over xDS. */
export function proxyStates(clients: readonly PushClient[]): readonly ProxyState[] {
  return clients.map(({ node, watches }) => ({
    id: node.id,
    metadata: textsOf(node.metadata, ['CLUSTER_ID', 'NAMESPACE', 'ISTIO_VERSION']),
    types: watches.map(({ typeUrl, state, progress }) => ({
      typeUrl,
      state,
      sentAtMs: progress?.sentAtMs,
      error: progress?.refusal?.message ?? '',
    })),
  }))
}

function textsOf(metadata: Readonly<Record<string, unknown>>, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => (typeof metadata[name] === 'string' ? [[name, metadata[name]] as const] : [])),
  )
}

/** `/debug/adsz` and `/debug/connections`: who is connected, and what it watches. */
export function connectionsDump(clients: readonly PushClient[]): unknown {
  return {
    totalClients: clients.length,
    clients: clients.map(({ id, node, peer, connectedAtMs, watches }) => ({
      connectionId: `${node.id}-${id}`,
      connectedAt: new Date(connectedAtMs).toISOString(),
      address: peer.address,
      metadata: node.metadata,
      watches: Object.fromEntries(watches.map(({ typeUrl, heldCount }) => [typeUrl, heldCount])),
    })),
  }
}

/** A client by its node id, or by the `POD.NAMESPACE` within it. */
export function findClients(clients: readonly PushClient[], proxyId: string): readonly PushClient[] {
  return clients.filter(({ node }) => node.id === proxyId || node.id.split('~')[2] === proxyId)
}

function istioStatus({ progress }: PushWatch): unknown {
  return {
    sent: progress?.sentNonce,
    acked: progress?.ackedNonce,
    sentTime: progress && new Date(progress.sentAtMs).toISOString(),
    lastError: progress?.refusal?.message,
  }
}
