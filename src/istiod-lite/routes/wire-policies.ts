import type {
  AuthorizationPolicy,
  Gateway,
  KubeObject,
  RateLimitPolicy,
  RequestAuthentication,
  TargetRef,
  Telemetry,
} from '#shared/k8s'
import type { PolicyTarget, RateLimit, RequestPolicy, ServiceTelemetry, TokenPolicy } from '#shared/l7'
import { type Collection, derive, type Fetch, type Index, indexBy } from '../collections/index.ts'
import { byAge } from './hosts.ts'
import { rateLimit } from './rate-limits.ts'
import { requestPolicy } from './request-policies.ts'
import { type ForWaypoint, type Served, servedKey } from './scope.ts'
import { type Target, targetKey, targetOf, WAYPOINT_CLASSES } from './targets.ts'
import { serviceTelemetry } from './telemetry.ts'
import { tokenPolicy } from './token-policies.ts'
import type { RouteParts, WiredFacts } from './wire-facts.ts'

export interface WiredPolicies {
  readonly requestPolicies: Collection<ForWaypoint<RequestPolicy>>
  readonly tokenPolicies: Collection<ForWaypoint<TokenPolicy>>
  readonly rateLimits: Collection<ForWaypoint<RateLimit>>
  readonly telemetry: Collection<ForWaypoint<ServiceTelemetry>>
}

/** A policy of any kind that says by references what it is for. */
interface TargetingObject extends KubeObject {
  readonly spec: { readonly targetRefs: readonly TargetRef[] }
}

const nameOf = ({ name }: { readonly name: string }): string => name

export function wirePolicies(parts: RouteParts, wired: WiredFacts): WiredPolicies {
  const { graph, objects } = parts
  const scopesOf = wireScopes(parts, wired)
  /** One policy for each waypoint that it concerns, with just that waypoint's targets. */
  const targeted = <P extends TargetingObject, R extends object>(
    name: string,
    from: Collection<P>,
    compile: (policy: P) => R | undefined,
  ): Collection<ForWaypoint<R & { readonly targets: readonly PolicyTarget[] }>> =>
    derive(graph, {
      name,
      from,
      keyOf: nameOf,
      derive: (policy, fetch) => {
        if (policy.spec.targetRefs.length === 0) return []
        const compiled = compile(policy)
        if (compiled === undefined) return []
        const { namespace, name: own } = policy.metadata
        return [...scopesOf(policy, fetch)].map(([waypoint, targets]) => ({
          waypoint,
          name: `${waypoint}/${namespace}/${own}`,
          resource: { ...compiled, targets },
        }))
      },
    })
  const untold = (): void => {}
  return {
    requestPolicies: targeted<AuthorizationPolicy, Omit<RequestPolicy, 'targets'>>(
      'request policies of waypoints',
      objects.authorizationPolicies,
      (policy) => requestPolicy(policy, untold),
    ),
    tokenPolicies: targeted<RequestAuthentication, Omit<TokenPolicy, 'targets'>>(
      'token policies of waypoints',
      objects.requestAuthentications,
      tokenPolicy,
    ),
    rateLimits: targeted<RateLimitPolicy, Omit<RateLimit, 'targets'>>(
      'rate limits of waypoints',
      objects.rateLimits,
      rateLimit,
    ),
    telemetry: wireTelemetry(parts, wired),
  }
}

type ScopesOf = (policy: TargetingObject, fetch: Fetch) => ReadonlyMap<string, readonly PolicyTarget[]>

/** Which waypoints a policy concerns, and there which services; a waypoint as a whole includes its services. */
function wireScopes({ objects, mesh, settings }: RouteParts, { served }: WiredFacts): ScopesOf {
  const servedByOrigin = indexBy<Served>(served, 'served by origin', ({ origin }) => [`${origin.kind} ${origin.key}`])
  const gatewaysByClass = indexBy<Gateway>(objects.gateways, 'waypoints by class', ({ spec }) =>
    WAYPOINT_CLASSES.has(spec.gatewayClassName) ? [spec.gatewayClassName] : [],
  )
  return (policy, fetch) => {
    const scopes = new Map<string, PolicyTarget[]>()
    const add = (waypoint: string, target: PolicyTarget): void => {
      const known = scopes.get(waypoint) ?? []
      scopes.set(waypoint, known)
      if (!known.some((other) => isSame(other, target))) known.push(target)
    }
    const addWaypoint = (key: string): void => {
      if (fetch.one(mesh.waypoints, key) !== undefined) add(key, { kind: 'waypoint' })
    }
    const targeting = { namespace: policy.metadata.namespace, targetRefs: policy.spec.targetRefs }
    for (const ref of policy.spec.targetRefs) {
      const target = targetOf(ref, targeting, settings.rootNamespace)
      if (target.kind === 'gateway') addWaypoint(target.key)
      if (target.kind === 'class') {
        for (const { metadata } of fetch.by(gatewaysByClass, target.key))
          addWaypoint(`${metadata.namespace}/${metadata.name}`)
      }
      for (const { waypoint, service } of servedOf(target, servedByOrigin, fetch)) {
        add(waypoint, { kind: 'service', namespace: service.namespace, hostname: service.hostname })
      }
    }
    return scopes
  }
}

function servedOf(target: Target, index: Index<Served>, fetch: Fetch): readonly Served[] {
  if (target.kind === 'service') return fetch.by(index, `Service ${target.key}`)
  return target.kind === 'service-entry' ? fetch.by(index, `ServiceEntry ${target.key}`) : []
}

function isSame(a: PolicyTarget, b: PolicyTarget): boolean {
  if (a.kind !== 'service' || b.kind !== 'service') return a.kind === b.kind
  return a.namespace === b.namespace && a.hostname === b.hostname
}

/**
 * From the widest to the narrowest: the root namespace, the waypoint's, the service's, each with its oldest object
 * without selector and targets; then what is targeted from the service's namespace (d.6).
 */
function wireTelemetry({ graph, objects, settings }: RouteParts, { served }: WiredFacts): WiredPolicies['telemetry'] {
  const wide = indexBy<Telemetry>(objects.telemetries, 'telemetry by namespace', ({ metadata, spec }) =>
    spec.selector === undefined && spec.targetRefs.length === 0 ? [metadata.namespace] : [],
  )
  const targeted = indexBy<Telemetry>(objects.telemetries, 'telemetry by target', ({ metadata, spec }) => {
    const { namespace } = metadata
    return spec.targetRefs.flatMap((ref) => {
      const target = targetOf(ref, { namespace, targetRefs: spec.targetRefs }, settings.rootNamespace)
      return target.kind === 'invalid' ? [] : [`${namespace} ${targetKey(target)}`]
    })
  })
  return derive<Served, ForWaypoint<ServiceTelemetry>>(graph, {
    name: 'telemetry of waypoints',
    from: served,
    keyOf: nameOf,
    derive: (one, fetch) => {
      const { service, origin, waypoint, client } = one
      const gateway = fetch.one(objects.gateways, waypoint)
      const { namespace } = service
      const levels = [...new Set([settings.rootNamespace, client, namespace])].map((level) => fetch.by(wide, level))
      const layers = levels.flatMap((level) => [...level].sort(byAge).slice(0, 1))
      const own = origin.kind === 'Service' ? 'service' : 'service-entry'
      const names = [`class ${gateway?.spec.gatewayClassName ?? ''}`, `gateway ${waypoint}`, `${own} ${origin.key}`]
      const narrow = names.flatMap((key) => [...fetch.by(targeted, `${namespace} ${key}`)].sort(byAge))
      const all = [...layers, ...narrow]
      if (all.length === 0) return []
      return [{ waypoint, name: servedKey(one), resource: serviceTelemetry(service, all) }]
    },
  })
}
