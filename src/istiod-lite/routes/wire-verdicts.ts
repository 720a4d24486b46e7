import {
  type AuthorizationPolicy,
  type DestinationRule,
  type FieldNote,
  type GRPCRoute,
  type HTTPRoute,
  objectKey,
  type ParentRef,
  type RateLimitPolicy,
  type RequestAuthentication,
  type TargetRef,
  type TCPRoute,
  type Telemetry,
  type TLSRoute,
  type VirtualService,
} from '#shared/k8s'
import type { Service } from '#shared/model'
import { type Collection, derive, type Fetch, indexBy, join } from '../collections/index.ts'
import type { Find, Finding } from './findings.ts'
import { grpcRouteRules, httpRouteRules } from './gateway-routes.ts'
import { hostPatterns, resolveHost } from './hosts.ts'
import { MESH } from './istio-match.ts'
import { carriesHttp, carriesOther, gatewayHttpRules } from './port-routes.ts'
import { requestPolicy } from './request-policies.ts'
import { namesPort, parentKey, type Served } from './scope.ts'
import { streamRouteRules } from './stream-routes.ts'
import { targetOf, WAYPOINT_CLASSES } from './targets.ts'
import { telemetryFindings } from './telemetry.ts'
import {
  type Attachment,
  type ObjectVerdict,
  objectVerdict,
  type ParentVerdict,
  parentConditions,
  type RouteVerdict,
} from './verdicts.ts'
import { type VirtualServiceFacts, virtualServiceRules, virtualServiceStreams } from './virtual-services.ts'
import type { RouteParts, WiredFacts } from './wire-facts.ts'
import type { ObjectsFor } from './wire-routes.ts'

export interface WiredVerdicts {
  /** By `<kind> <namespace>/<name>`. */
  readonly ofRoutes: Collection<RouteVerdict>
  /** By `<kind> <namespace>/<name> <type>`, as the mesh's conditions. */
  readonly ofObjects: Collection<ObjectVerdict>
}

type Route = HTTPRoute | GRPCRoute | TCPRoute | TLSRoute

const keyOf = ({ kind, key }: RouteVerdict): string => `${kind} ${key}`
const objectKeyOf = ({ kind, key, condition }: ObjectVerdict): string => `${kind} ${key} ${condition.type}`

/** What the authors of routes and policies are to be told. Objects are compiled once more for it, each on its own. */
export function wireVerdicts(parts: RouteParts, wired: WiredFacts, objectsFor: ObjectsFor): WiredVerdicts {
  const { graph, objects } = parts
  const attach = wireAttachments(parts, wired)
  const ofRoutes = (collection: Collection<Route>): Collection<RouteVerdict> =>
    derive<Route, RouteVerdict>(graph, {
      name: `verdicts on ${collection.name}`,
      from: collection,
      keyOf,
      derive: (route, fetch) => {
        const parents = route.spec.parentRefs.flatMap((ref): ParentVerdict[] => {
          const attachment = attach(ref, route, fetch)
          if (attachment === undefined) return []
          const { findings, rules } = findingsOf(
            route,
            ref.port ?? ANY_PORT,
            wired.factsFor(route.metadata.namespace, fetch),
          )
          return [{ ref, conditions: parentConditions(attachment, findings, rules) }]
        })
        if (parents.length === 0) return []
        return [{ kind: route.kind, key: objectKey(route), generation: route.metadata.generation, parents }]
      },
    })
  return {
    ofRoutes: join(graph, 'verdicts on routes', [
      ofRoutes(objects.httpRoutes),
      ofRoutes(objects.grpcRoutes),
      ofRoutes(objects.tcpRoutes),
      ofRoutes(objects.tlsRoutes),
    ]),
    ofObjects: join(graph, 'verdicts on objects', wireObjectVerdicts(parts, wired, objectsFor)),
  }
}

/** Findings do not depend on the port that was asked for; only where a redirect goes does. */
const ANY_PORT = 80

function findingsOf(route: Route, port: number, facts: VirtualServiceFacts) {
  const findings: Finding[] = [...notesOf(route.spec.notes)]
  const find: Find = (finding) => void findings.push(finding)
  const written = route.spec.rules.length
  if (route.kind === 'TCPRoute' || route.kind === 'TLSRoute') {
    return { findings, rules: { written, kept: streamRouteRules(route, facts, find).length } }
  }
  const rules =
    route.kind === 'HTTPRoute' ? httpRouteRules(route, port, facts, find) : grpcRouteRules(route, port, facts, find)
  return { findings, rules: { written, kept: rules.length } }
}

function notesOf(notes: readonly FieldNote[]): readonly Finding[] {
  return notes.map(({ path, reason }) => ({ path, reason: 'UnsupportedValue', message: `is not supported: ${reason}` }))
}

/** Undefined for a parent of somebody else. */
function wireAttachments(
  { objects, mesh, settings }: RouteParts,
  { served }: WiredFacts,
): (ref: ParentRef, route: Route, fetch: Fetch) => Attachment | undefined {
  const { clusterDomain } = settings
  const services = indexBy<Service>(mesh.services, 'services by parent', ({ namespace, name, hostname }) => [
    `Hostname ${hostname}`,
    `${hostname === resolveHost(name, namespace, clusterDomain) ? 'Service' : 'ServiceEntry'} ${namespace}/${name}`,
  ])
  const servedByHost = indexBy<Served>(served, 'served by host', ({ service }) => [service.hostname])
  return (ref, route, fetch) => {
    const { namespace } = route.metadata
    if (ref.kind === 'Gateway') {
      const gateway = fetch.one(objects.gateways, `${ref.namespace || namespace}/${ref.name}`)
      if (gateway === undefined || !WAYPOINT_CLASSES.has(gateway.spec.gatewayClassName)) return undefined
      return {
        kind: 'refused',
        reason: 'NotAllowedByListeners',
        message: 'a waypoint routes by what is attached to its services',
      }
    }
    const key = parentKey(ref, namespace, clusterDomain)
    if (key === undefined) return undefined
    const parents = fetch.by(services, key)
    if (parents.length === 0) return { kind: 'refused', reason: 'NoMatchingParent', message: `there is no ${key}` }
    const using = parents.flatMap(({ hostname }) => fetch.by(servedByHost, hostname))
    const kubeService =
      ref.kind === 'Service' ? fetch.one(objects.services, `${ref.namespace || namespace}/${ref.name}`) : undefined
    const portNames = new Map(
      kubeService?.spec.ports.map(({ port, name }) => [port, name]) ??
        using.flatMap(({ portNames: names }) => [...names]),
    )
    const ports = parents.flatMap((service) => service.ports)
    const named = ports.filter(({ servicePort }) => namesPort(ref, servicePort, portNames))
    if (named.length === 0) return { kind: 'refused', reason: 'NoMatchingParent', message: `${key} has no such port` }
    const isHttp = route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute'
    if (!named.some(({ appProtocol }) => (isHttp ? carriesHttp(appProtocol) : carriesOther(appProtocol)))) {
      const message = `${key} says that its port is not for ${isHttp ? 'HTTP' : 'connections other than HTTP'}`
      return { kind: 'refused', reason: 'NoMatchingParent', message }
    }
    const isUsed = using.some(({ client, service }) => namespace === client || namespace === service.namespace)
    return { kind: 'attached', isUsed }
  }
}

function wireObjectVerdicts(
  { graph, objects, mesh, settings }: RouteParts,
  wired: WiredFacts,
  objectsFor: ObjectsFor,
): readonly Collection<ObjectVerdict>[] {
  const { clusterDomain, rootNamespace } = settings
  const servedByPattern = indexBy<Served>(wired.served, 'served by pattern', ({ service }) =>
    hostPatterns(service.hostname),
  )
  const verdicts = <O extends Parameters<typeof objectVerdict>[0]>(
    collection: Collection<O>,
    look: (object: O, find: Find, fetch: Fetch) => void,
  ): Collection<ObjectVerdict> =>
    derive<O, ObjectVerdict>(graph, {
      name: `verdicts on each ${collection.name}`,
      from: collection,
      keyOf: objectKeyOf,
      derive: (object, fetch) => {
        const findings = new Map<string, Finding>()
        look(object, (finding) => void findings.set(`${finding.path} ${finding.message}`, finding), fetch)
        return objectVerdict(object, [...findings.values()])
      },
    })
  const delegates = indexBy<VirtualService>(objects.virtualServices, 'roots by delegate', ({ metadata, spec }) =>
    spec.http.flatMap(({ delegate }) =>
      delegate === undefined ? [] : [`${delegate.namespace || metadata.namespace}/${delegate.name}`],
    ),
  )
  const isServed = (host: string, namespace: string, fetch: Fetch): readonly Served[] =>
    fetch
      .by(servedByPattern, resolveHost(host, namespace, clusterDomain))
      .filter(
        ({ client, service }) => namespace === client || namespace === service.namespace || namespace === rootNamespace,
      )

  const shadowed = (one: Served, port: number, fetch: Fetch, find: Find): void => {
    if (gatewayHttpRules(one, port, objectsFor(one, fetch), wired.factsFor(one.client, fetch)).length === 0) return
    const message = `routes of the Gateway API take its place for ${one.service.hostname} port ${port}`
    find({ path: 'spec.http', reason: 'Conflicted', message })
  }

  const ofVirtualServices = verdicts<VirtualService>(objects.virtualServices, (object, find, fetch) => {
    const { metadata, spec } = object
    for (const finding of notesOf(spec.notes)) find(finding)
    if (spec.gateways.length > 0 && !spec.gateways.includes(MESH)) return
    if (spec.hosts.length === 0) {
      if (fetch.by(delegates, objectKey(object)).length > 0) return
      find({
        path: 'spec.hosts',
        reason: 'Invalid',
        message: 'is missing, and nobody delegates to it: it has no effect',
      })
      return
    }
    const using = spec.hosts.flatMap((host) => isServed(host, metadata.namespace, fetch))
    if (using.length === 0) {
      find({
        path: 'spec.hosts',
        reason: 'AncestorNotBound',
        message: 'no waypoint serves any of them: it has no effect',
      })
    }
    const facts = wired.factsFor(metadata.namespace, fetch)
    for (const one of using) {
      for (const { servicePort: port } of one.service.ports) {
        const rules = virtualServiceRules(object, port, facts, find)
        if (rules !== undefined) shadowed(one, port, fetch, find)
        virtualServiceStreams(object, port, facts, find)
      }
    }
  })
  const ofDestinationRules = verdicts<DestinationRule>(objects.destinationRules, (object, find) => {
    for (const finding of notesOf(object.spec.notes)) find(finding)
    if (object.spec.workloadSelector !== undefined) {
      find({
        path: 'spec.workloadSelector',
        reason: 'UnsupportedValue',
        message: 'waypoints pass over rules for chosen clients',
      })
    }
  })
  const targets = (object: TargetingSpec, find: Find, fetch: Fetch): void => {
    const { namespace } = object.metadata
    for (const [i, ref] of object.spec.targetRefs.entries()) {
      const path = `spec.targetRefs[${i}]`
      const target = targetOf(ref, { namespace, targetRefs: object.spec.targetRefs }, rootNamespace)
      if (target.kind === 'invalid') find({ path, reason: 'Invalid', message: target.problem })
      if (target.kind === 'gateway' && fetch.one(mesh.waypoints, target.key) === undefined)
        find({ path, reason: 'AncestorNotBound', message: `there is no waypoint ${target.key}` })
    }
  }
  const ofTokens = verdicts<RequestAuthentication>(objects.requestAuthentications, (object, find, fetch) => {
    for (const finding of notesOf(object.spec.notes)) find(finding)
    if (object.spec.targetRefs.length === 0)
      find({
        path: 'spec.targetRefs',
        reason: 'AncestorNotBound',
        message: 'is missing: only waypoints look at tokens, and no target names one',
      })
    targets(object, find, fetch)
  })
  const ofTelemetry = verdicts<Telemetry>(objects.telemetries, (object, find, fetch) => {
    for (const finding of notesOf(object.spec.notes)) find(finding)
    if (object.spec.selector !== undefined)
      find({
        path: 'spec.selector',
        reason: 'UnsupportedValue',
        message: 'waypoints are not selected by labels: name them in targetRefs',
      })
    telemetryFindings(object, find)
    targets(object, find, fetch)
  })
  const ofRateLimits = verdicts<RateLimitPolicy>(objects.rateLimits, targets)
  const ofPolicies = verdicts<AuthorizationPolicy>(objects.authorizationPolicies, (object, find) => {
    // Whether it has a waypoint at all is told with what tunnels make of it.
    if (object.spec.targetRefs.length > 0) requestPolicy(object, find)
  })
  return [ofVirtualServices, ofDestinationRules, ofTokens, ofTelemetry, ofRateLimits, ofPolicies]
}

interface TargetingSpec {
  readonly metadata: { readonly namespace: string }
  readonly spec: { readonly targetRefs: readonly TargetRef[] }
}
