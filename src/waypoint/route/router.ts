import { DEFAULT_RETRY, type HeaderChanges, type Routes } from '#shared/l7'
import type { IpAddress } from '#shared/net'
import type { Principal } from '../authn/index.ts'
import type { Exchange } from '../codec/index.ts'
import type { InnerConnection } from '../listen/index.ts'
import type { Destination, WaypointView } from '../state/index.ts'
import { compiledRules } from './compile.ts'
import { matchHttp } from './match-http.ts'
import { matchTcp } from './match-tcp.ts'
import { Subject } from './subject.ts'
import type { ChosenBackend, MatchOutcome, RouteMatch } from './types.ts'

export type RouterView = Pick<WaypointView, 'mesh' | 'network' | 'labelsOf' | 'routes'>

/** Where requests and connections go, as the rules of what was dialled say. */
export class Router {
  readonly #view: RouterView
  readonly #random: () => number
  readonly #defaults = new WeakMap<Destination, RouteMatch>()

  /** @param random gives numbers in [0, 1), for choices by weight */
  constructor(view: RouterView, random: () => number) {
    this.#view = view
    this.#random = random
  }

  match({ connection, request }: Exchange, who: Principal): MatchOutcome {
    const routes = this.#routesOf(connection.destination)
    if (routes?.http === undefined) return this.#defaultOf(connection.destination)
    const rules = compiledRules(routes, routes.http)
    return matchHttp(rules, new Subject(request, who, connection, this.#view, rules.asked), this.#random)
  }

  /**
   * @param sni of TLS, if that is what is spoken
   * @param address the one that was asked for, if it was one
   * @returns undefined when no rule matches
   */
  matchStream(
    connection: InnerConnection,
    sni: string | undefined,
    address: IpAddress | undefined,
  ): ChosenBackend['to'] | undefined {
    const rules = this.#routesOf(connection.destination)?.tcp
    if (rules === undefined) return ownBackend(connection.destination)
    return matchTcp(rules, { sni, address, connection, view: this.#view }, this.#random)
  }

  #routesOf(destination: Destination): Routes | undefined {
    return destination.kind === 'service' ? this.#view.routes(destination.service, destination.port) : undefined
  }

  #defaultOf(destination: Destination): RouteMatch {
    const known = this.#defaults.get(destination)
    if (known !== undefined) return known
    const made = defaultMatch(destination)
    this.#defaults.set(destination, made)
    return made
  }
}

const NO_CHANGES: HeaderChanges = { set: [], add: [], remove: [] }

/** Without a word of anybody a port is forwarded to its own service, and tried again by the defaults (c.4). */
function defaultMatch(destination: Destination): RouteMatch {
  return {
    kind: 'match',
    rule: undefined,
    name: 'default',
    path: undefined,
    forward: {
      action: { rewrite: undefined, authority: '', persistence: undefined },
      backend: {
        to: ownBackend(destination),
        weight: 1,
        requestHeaders: NO_CHANGES,
        responseHeaders: NO_CHANGES,
        authority: '',
      },
    },
    retry: DEFAULT_RETRY,
    timeoutMs: undefined,
  }
}

function ownBackend(destination: Destination): ChosenBackend['to'] {
  if (destination.kind === 'workload') return destination
  const { service, port } = destination
  return { kind: 'cluster', namespace: service.namespace, hostname: service.hostname, port, subset: '' }
}
