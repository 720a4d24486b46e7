import {
  type AdminAnswer,
  type AdminRoute,
  type AdminRoutes,
  indexRoute,
  jsonAnswer,
  jsonRoute,
  only,
  type Profiles,
} from '#shared/admin'
import type { Clock } from '#shared/clock'
import { formatProblem, type KubeObject, type ObjectProblem } from '#shared/k8s'
import { formatCidr } from '#shared/net'
import { caStatus, type KeeperView } from '../authority/index.ts'
import type { Collection, Graph } from '../collections/index.ts'
import { isMet, type Mesh, type ObjectCondition } from '../mesh/index.ts'
import type { PushClient, PushServer } from '../push/index.ts'
import { connectionsDump, findClients, synczDump } from './client-dumps.ts'

const MAX_ROLLOUT_WAIT_MS = 10_000
const ROLLOUT_USAGE = `usage: GET /debug/rolloutz?kind=KIND[.GROUP]&revision=N[&object=NAMESPACE/NAME]&waitMs=0..${MAX_ROLLOUT_WAIT_MS}\n`

/** What the dumps look into. */
export interface DumpSources {
  readonly graph: Graph
  readonly mesh: Mesh
  /** Undefined until clients are served. */
  readonly push: () => PushServer | undefined
  readonly objectProblems: () => readonly ObjectProblem[]
  /** Objects as they came, by the name of their collection. */
  readonly objects: readonly (readonly [name: string, objects: Collection<KubeObject>])[]
  /** Undefined until there is a CA. */
  readonly authority: () => KeeperView | undefined
  readonly clock: Clock
  /** Settings as they are in force; without secrets, which are kept in files. */
  readonly config: object
  /** Undefined: neither profiles nor what disturbs clients is served. */
  readonly unsafe: { readonly profiles: Profiles } | undefined
}

/** What is wrong with the input right now. */
export interface Problems {
  readonly objects: readonly ObjectProblem[]
  /** Policies that are enforced in part or not at all, services without the waypoint they ask for. */
  readonly conditions: readonly ObjectCondition[]
}

/** A page by its name below `/debug/`, with its query; undefined when there is none. */
export async function debugPage(routes: AdminRoutes, name: string): Promise<string | undefined> {
  const [below = '', query] = name.split('?', 2)
  const path = `/debug/${below}`
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined
  const answer = await route?.({ method: 'GET', path, query: new URLSearchParams(query), accept: '' })
  return answer?.body.toString()
}

interface Page {
  readonly text: string
  readonly route: AdminRoute
}

/** `/debug/*` of the monitoring port, under Istio's names. Bodies are JSON; the page `/debug` lists them. */
export function debugRoutes(sources: DumpSources): AdminRoutes {
  const pages = { ...clientPages(sources), ...meshPages(sources), ...unsafePages(sources) }
  const texts = Object.fromEntries(Object.entries(pages).map(([path, { text }]) => [path, text]))
  const index = indexRoute('istiod-lite', { ...texts, '/metrics': 'metrics' })
  const listed = { ...pages, '/debug/list': { text: 'these pages', route: jsonRoute(() => texts) } }
  const routes = Object.fromEntries(Object.entries(listed).map(([path, { route }]) => [path, route]))
  return { '/debug': index, ...routes, ...sources.unsafe?.profiles.routes() }
}

function clientPages({ push, objectProblems }: DumpSources): Readonly<Record<string, Page>> {
  const clients = (): readonly PushClient[] => push()?.clients() ?? []
  const connections = jsonRoute(() => connectionsDump(clients()))
  return {
    '/debug/syncz': { text: 'clients and what they have of each type', route: jsonRoute(() => synczDump(clients())) },
    '/debug/adsz': { text: 'who is connected, and what it watches', route: connections },
    '/debug/connections': { text: 'the same', route: connections },
    '/debug/config_dump': {
      text: 'names and versions that a client was sent: ?proxyID=POD.NAMESPACE',
      route: only('GET', 'method not allowed\n', ({ query }) => configDump(push(), query.get('proxyID'))),
    },
    '/debug/push_status': { text: 'pushes so far, and who is behind', route: jsonRoute(() => push()?.status()) },
    '/debug/rolloutz': {
      text: 'who has a change: ?kind=Pod&revision=12&waitMs=1000, or without a kind for everything',
      route: only('GET', 'method not allowed\n', ({ query }) => rolloutPage(push(), query, objectProblems)),
    },
  }
}

function meshPages(sources: DumpSources): Readonly<Record<string, Page>> {
  const { graph, mesh, objects, authority, clock, config } = sources
  const page = (text: string, dump: () => unknown): Page => ({ text, route: jsonRoute(dump) })
  return {
    '/debug/problems': page('what could not be read, and objects that do not work as they are written', () =>
      problemsOf(sources),
    ),
    '/debug/ambientz': page('workloads, services and policies as they are pushed', () => ({
      workloads: mesh.workloads.list(),
      services: mesh.services.list().map(plain),
      policies: mesh.authorizations.list().map(plain),
    })),
    '/debug/registryz': page('services', () => mesh.services.list().map(plain)),
    '/debug/endpointz': page('workloads by service', () => endpointsDump(mesh)),
    '/debug/configz': page('objects that configure the mesh, as they were read', () =>
      objects.flatMap(([, collection]) => collection.list().filter(isConfiguration)),
    ),
    '/debug/networkz': page('networks, and how many workloads are in them', () => networksDump(mesh)),
    '/debug/krtz': page('collections, and how often each derivation ran', () => graph.statistics()),
    '/debug/mesh': page('settings of the mesh', () => plain(config)),
    '/debug/config': page('the same', () => plain(config)),
    '/debug/ca': page('the CA: what signs, what is trusted, how far a rotation is', () => {
      const view = authority()
      return view === undefined ? null : caStatus(view, clock.nowMs())
    }),
  }
}

function unsafePages({ push, unsafe }: DumpSources): Readonly<Record<string, Page>> {
  if (unsafe === undefined) return {}
  const usage = 'usage: POST /debug/force_disconnect?proxyID=POD.NAMESPACE\n'
  return {
    '/debug/force_disconnect': {
      text: 'POST: ends the streams of a client, which comes back: ?proxyID=POD.NAMESPACE',
      route: only('POST', usage, ({ query }) => {
        const found = findClients(push()?.clients() ?? [], query.get('proxyID') ?? '')
        for (const { node } of found) push()?.disconnect(node.id)
        return found.length > 0 ? { status: 200, body: 'disconnected\n' } : { status: 404, body: usage }
      }),
    },
  }
}

/** What a client holds, as far as it was sent or told us. */
function configDump(push: PushServer | undefined, proxyId: string | null): AdminAnswer {
  if (proxyId === null) return { status: 400, body: 'usage: GET /debug/config_dump?proxyID=POD.NAMESPACE\n' }
  const [client] = findClients(push?.clients() ?? [], proxyId)
  if (push === undefined || client === undefined)
    // The words by which istioctl knows that it has to ask another replica.
    return {
      status: 404,
      body: 'Proxy not connected to this Pilot instance. It may be connected to another instance.\n',
    }
  return jsonAnswer({ proxy: client.node.id, metadata: client.node.metadata, held: push.heldBy(client.id) })
}

/** An object that cannot be read keeps its last good form: nobody is going to have the new one. */
async function rolloutPage(
  push: PushServer | undefined,
  query: URLSearchParams,
  problems: DumpSources['objectProblems'],
): Promise<AdminAnswer> {
  const [kind, revision, wait] = [query.get('kind'), query.get('revision'), query.get('waitMs') ?? '0']
  const waitMs = Number(wait)
  if ((kind === null) !== (revision === null) || !/^\d{1,5}$/.test(wait) || waitMs > MAX_ROLLOUT_WAIT_MS)
    return { status: 400, body: ROLLOUT_USAGE }
  const of = kind === null || revision === null ? undefined : { kind, revision }
  const rollout = (await push?.rollout(of, waitMs)) ?? { state: 'unseen' }
  const where = `${kind?.split('.')[0]} ${query.get('object')}`
  const problem = rollout.state === 'unseen' ? undefined : problems().find((each) => each.where === where)
  if (problem === undefined) return jsonAnswer(rollout)
  return jsonAnswer({ state: 'unreadable', reason: formatProblem(problem) })
}

export function problemsOf({ mesh, objectProblems }: DumpSources): Problems {
  return { objects: objectProblems(), conditions: mesh.conditions.list().filter((each) => !isMet(each)) }
}

function endpointsDump(mesh: Mesh): unknown {
  const byService = new Map<string, unknown[]>()
  for (const { uid, addresses, status, services, node } of mesh.workloads.list())
    for (const [service, ports] of services) {
      const endpoints = byService.get(service) ?? []
      byService.set(service, endpoints)
      endpoints.push({ uid, addresses, status, node, ports })
    }
  return byService
}

function networksDump(mesh: Mesh): unknown {
  const counts = new Map<string, number>()
  for (const { network } of mesh.workloads.list()) counts.set(network, (counts.get(network) ?? 0) + 1)
  return [...counts].map(([network, workloads]) => ({ network, workloads }))
}

/** Of a group that is not Kubernetes' own. */
function isConfiguration({ apiVersion }: KubeObject): boolean {
  return /^[^/]*\.(istio\.io|networking\.k8s\.io)\//.test(apiVersion)
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
