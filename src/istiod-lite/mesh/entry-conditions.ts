import type { EntryVisibility, HostAddress, MeshConfig, Service, ServiceEntry } from '#shared/k8s'
import { appliedAsWritten, type Condition } from './conditions.ts'
import type { HostClaim } from './entry-hosts.ts'
import { distributionProblems } from './services.ts'
import type { MeshSettings } from './settings.ts'

/** What a ServiceEntry's author is to be told depends on. */
export interface EntryConditionFacts {
  readonly visibility: EntryVisibility
  /** The mesh's settings say who sees entries. */
  readonly isVisibilityConfigured: boolean
  readonly claims: readonly HostClaim[]
  readonly automatic: readonly HostAddress[]
  readonly hasWaypoint: boolean
}

const EXPORT_TO = 'networking.istio.io/exportTo'

/** @see istio-control-plane b.3, b.4, d.6 */
export function entryConditions(entry: ServiceEntry, facts: EntryConditionFacts): readonly Condition[] {
  const { visibility } = facts
  if (visibility === 'NONE') {
    const none = appliedAsWritten(['serviceEntryVisibility of the mesh hides it from everybody'], 'NotPublished')
    return none === undefined ? [] : [none]
  }
  const conditions: Condition[] = []
  if (facts.isVisibilityConfigured) {
    const reason = visibility === 'NAMESPACE' ? 'Namespace' : 'Public'
    const whom = reason === 'Namespace' ? 'its own namespace' : 'every namespace'
    conditions.push({ type: 'istio.io/VisibilityApplied', status: 'True', reason, message: `visible in ${whom}` })
  }
  if (!facts.hasWaypoint && entry.spec.hosts.some((host) => host.startsWith('*')))
    conditions.push({
      type: 'istio.io/WaypointMissing',
      status: 'True',
      reason: 'NoWaypointForWildcardService',
      message: 'tunnels cannot route by a host that begins with *: it needs a waypoint',
    })
  const lost = facts.claims.filter(({ outcome }) => outcome.kind === 'lost')
  const problem = appliedAsWritten(
    entryProblems(entry, facts),
    lost.length > 0 && lost.length === facts.claims.length ? 'NotPublished' : 'PartlyIgnored',
  )
  return problem === undefined ? conditions : [...conditions, problem]
}

function entryProblems(entry: ServiceEntry, { claims, automatic }: EntryConditionFacts): readonly string[] {
  const { spec, metadata } = entry
  const problems = claims.flatMap(({ hostname, outcome }) =>
    outcome.kind === 'lost' ? [`host ${hostname} belongs to ${outcome.to}`] : [],
  )
  if (spec.exportTo.some((namespace) => namespace !== '*'))
    problems.push('spec.exportTo is not read by tunnels: every namespace sees it (see serviceEntryVisibility)')
  problems.push(...endpointProblems(entry), ...distributionProblems('', metadata))
  if (spec.resolution === 'DYNAMIC_DNS' && spec.location === 'MESH_INTERNAL')
    problems.push('resolution DYNAMIC_DNS is for MESH_EXTERNAL only')
  const without = spec.hosts.filter((host) => {
    const own = automatic.filter((address) => address.host === host)
    return own.length > 0 && own.every(({ value }) => value.includes(':'))
  })
  for (const host of without) problems.push(`no automatic IPv4 address is left for ${host}`)
  return problems
}

function endpointProblems({ spec }: ServiceEntry): readonly string[] {
  const { endpoints, resolution } = spec
  const problems: string[] = []
  if (resolution === 'DYNAMIC_DNS' && (endpoints.length > 0 || spec.workloadSelector !== undefined))
    problems.push('endpoints have no effect with resolution DYNAMIC_DNS')
  if (resolution === 'STATIC' && endpoints.length === 0 && spec.workloadSelector === undefined)
    problems.push('resolution STATIC without endpoints or workloadSelector leads nowhere')
  if (spec.workloadSelector !== undefined && Object.keys(spec.workloadSelector.labels).length === 0)
    problems.push('a workloadSelector without labels selects nothing')
  endpoints.forEach(({ address }, i) => {
    const twin = endpoints.findIndex((other) => other.address === address)
    if (twin < i) problems.push(`spec.endpoints[${twin}] has no effect: spec.endpoints[${i}] has the same address`)
  })
  return problems
}

/** What has no effect of a Kubernetes service. */
export function serviceCondition({ metadata, spec }: Service): Condition | undefined {
  const exported = metadata.annotations[EXPORT_TO] ?? '*'
  return appliedAsWritten([
    ...(exported === '*' ? [] : [`annotation ${EXPORT_TO} is not read by tunnels: every namespace sees the service`]),
    ...distributionProblems(spec.trafficDistribution, metadata),
  ])
}

/** What has no effect of the mesh's settings. */
export function meshConfigCondition({ spec }: MeshConfig, settings: MeshSettings): Condition | undefined {
  const { trustDomain, rootNamespace, unread } = spec
  return appliedAsWritten([
    ...(trustDomain === undefined || trustDomain === settings.trustDomain
      ? []
      : [`trustDomain ${trustDomain} has no effect: TRUST_DOMAIN says ${settings.trustDomain}`]),
    ...(rootNamespace === undefined || rootNamespace === settings.rootNamespace
      ? []
      : [`rootNamespace ${rootNamespace} has no effect: AMBIT_ROOT_NAMESPACE says ${settings.rootNamespace}`]),
    ...unread.flatMap((key) => (Object.hasOwn(UNREAD, key) ? [`${key} is not read: ${UNREAD[key]}`] : [])),
    ...notRead(unread.filter((key) => !Object.hasOwn(UNREAD, key))),
  ])
}

/** Settings that change what becomes of requests; what holds in their place. */
const UNREAD: Readonly<Record<string, string>> = {
  defaultHttpRetryPolicy: 'a route without retries has the built-in policy; write retries into the route',
  defaultTrafficPolicy: 'Istio does not apply it to services of a waypoint either; write a DestinationRule',
  extensionProviders: 'there are no external authorizers, and what a CUSTOM policy matches is denied',
  pathNormalization: 'it cannot be chosen how paths are normalised before policies and routes see them',
}

function notRead(keys: readonly string[]): readonly string[] {
  return keys.length === 0 ? [] : [`not read: ${keys.join(', ')}`]
}
