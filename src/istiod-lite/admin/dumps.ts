import { type AdminRoutes, indexRoute, jsonRoute } from '#shared/admin'
import type { Clock } from '#shared/clock'
import type { ObjectProblem } from '#shared/k8s'
import { formatCidr } from '#shared/net'
import { caStatus, type KeeperView } from '../authority/index.ts'
import type { Graph } from '../collections/index.ts'
import { isMet, type Mesh, type ObjectCondition } from '../mesh/index.ts'
import type { PushClient } from '../push/index.ts'

/** What the dumps look into. */
export interface DumpSources {
  readonly graph: Graph
  readonly mesh: Mesh
  /** Undefined until clients are served. */
  readonly clients: () => readonly PushClient[]
  readonly objectProblems: () => readonly ObjectProblem[]
  /** Undefined until there is a CA. */
  readonly authority: () => KeeperView | undefined
  readonly clock: Clock
  /** Settings as they are in force; without secrets, which are kept in files. */
  readonly config: object
}

/** What is wrong with the input right now. */
export interface Problems {
  readonly objects: readonly ObjectProblem[]
  /** Policies that are enforced in part or not at all, services without the waypoint they ask for. */
  readonly conditions: readonly ObjectCondition[]
}

/** `/debug/*` of the monitoring port. Bodies are JSON; the page `/debug` lists them. */
export function debugRoutes(sources: DumpSources): AdminRoutes {
  const { graph, mesh, clients, authority, clock, config } = sources
  return {
    '/debug': indexRoute('istiod-lite', {
      '/debug/syncz': 'connected clients and what they have of each type',
      '/debug/problems': 'what could not be read, and objects that do not work as they are written',
      '/debug/ambientz': 'workloads, services and policies as they are pushed',
      '/debug/krtz': 'collections, and how often each derivation ran',
      '/debug/ca': 'the CA: what signs, what is trusted, how far a rotation is',
      '/debug/config': 'settings in force',
      '/metrics': 'metrics',
    }),
    '/debug/syncz': jsonRoute(() => clients().map(clientDump)),
    '/debug/problems': jsonRoute(() => problemsOf(sources)),
    '/debug/ambientz': jsonRoute(() => ({
      workloads: mesh.workloads.list(),
      services: mesh.services.list().map(plain),
      policies: mesh.authorizations.list().map(plain),
    })),
    '/debug/krtz': jsonRoute(() => graph.statistics()),
    '/debug/ca': jsonRoute(() => {
      const view = authority()
      return view === undefined ? null : caStatus(view, clock.nowMs())
    }),
    '/debug/config': jsonRoute(() => plain(config)),
  }
}

export function problemsOf({ mesh, objectProblems }: DumpSources): Problems {
  return { objects: objectProblems(), conditions: mesh.conditions.list().filter((each) => !isMet(each)) }
}

function clientDump(client: PushClient): unknown {
  return {
    proxy: client.node.id,
    nodeName: client.node.metadata.NODE_NAME,
    cluster: client.node.metadata.CLUSTER_ID,
    version: client.node.metadata.ISTIO_VERSION,
    peer: client.peer.address,
    principal: client.peer.principal,
    connectedAt: new Date(client.connectedAtMs).toISOString(),
    types: client.watches.map(({ typeUrl, mode, heldCount, state, progress }) => ({
      typeUrl,
      mode,
      held: heldCount,
      state,
      sentNonce: progress?.sentNonce,
      ackedNonce: progress?.ackedNonce,
      rejection: progress?.rejection,
    })),
  }
}

/** Networks as text, sets as lists. */
function plain(value: unknown): unknown {
  if (value instanceof Set) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Map) return value
  if ('prefixBits' in value && 'network' in value && 'family' in value) {
    return formatCidr(value as Parameters<typeof formatCidr>[0])
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
