import { type AuthorizationPolicy, objectKey, type PeerAuthentication } from '#shared/k8s'
import type { GatewayAddress, Workload } from '#shared/model'
import { type Collection, derive, type Fetch, indexBy, join } from '../collections/index.ts'
import { type Condition, notAsWritten, type ObjectCondition, type Shortfall } from './conditions.ts'
import { isUnselective } from './labels.ts'
import { peerAuthenticationShortfalls } from './peer-authentications.ts'
import { isDryRun, type PolicyOutcome } from './policies.ts'
import { type TargetFacts, targetShortfalls, targetState, waypointAccepted } from './policy-targets.ts'
import { conditionKey, some, type WireParts } from './wire-parts.ts'
import type { WiredPolicies } from './wire-policies.ts'
import { bindingKey, type WiredWaypoints } from './wire-waypoints.ts'

export interface PolicyTopics {
  readonly policies: WiredPolicies
  readonly waypoints: WiredWaypoints
  readonly workloads: Collection<Workload>
}

export interface WiredPolicyConditions {
  readonly conditions: Collection<ObjectCondition>
  /** What authors are told of a policy, also of one that is not stored yet; what it selects is left out then. */
  explain(policy: AuthorizationPolicy, outcome: PolicyOutcome, fetch: Fetch): PolicyReport
  explainPeerAuthentication(policy: PeerAuthentication, fetch: Fetch): PolicyReport
}

/** Conditions as Istio states them, and everything that is not enforced as it is written. */
export interface PolicyReport {
  readonly stated: readonly Condition[]
  readonly shortfalls: readonly Shortfall[]
}

/** One thing that some workload does: is selected by a policy, is captured under one, goes through a waypoint. */
interface Use {
  readonly use: string
}

/** What becomes of policies once it is known whom they select and which waypoints there are. */
export function wirePolicyConditions(parts: WireParts, topics: PolicyTopics): WiredPolicyConditions {
  const { graph, objects, settings } = parts
  const { policies, workloads } = topics
  // A workload that changes in anything else gives the same uses again, and no policy looks at itself anew.
  const uses = derive<Workload, Use>(graph, {
    name: 'uses of policies and waypoints',
    from: workloads,
    keyOf: ({ use }) => use,
    derive: (workload) => usesOf(workload).map((use) => ({ use })),
  })
  const factsFor = wireTargets(parts, topics, uses)

  const explain: WiredPolicyConditions['explain'] = (policy, outcome, fetch) => {
    if (outcome.condition !== undefined) return { stated: [outcome.condition], shortfalls: outcome.shortfalls }
    const facts = factsFor(fetch)
    const states = policy.spec.targetRefs.map((ref) => targetState(ref, policy.metadata.namespace, facts))
    const shortfalls = [...outcome.shortfalls, ...targetShortfalls(states)]
    return { stated: [waypointAccepted(policy, states)], shortfalls }
  }
  const selection = (policy: AuthorizationPolicy, fetch: Fetch): readonly Shortfall[] => {
    if (isUnselective(policy.spec.selector)) return []
    const key = objectKey(policy)
    if (fetch.one(uses, selectedBy(key)) === undefined) return [SELECTS_NOTHING]
    return fetch.one(uses, capturedUnder(key)) === undefined ? [NOT_CAPTURED] : []
  }
  const ofPolicies = derive(graph, {
    name: 'conditions of policies',
    from: policies.converted,
    keyOf: conditionKey,
    derive: ({ policy, ...outcome }, fetch) => {
      const { stated, shortfalls } = explain(policy, outcome, fetch)
      const isSent = outcome.authorization !== undefined && !isDryRun(policy)
      const all = isSent ? [...shortfalls, ...selection(policy, fetch)] : shortfalls
      return conditionsOf('AuthorizationPolicy', policy, [...stated, ...some(notAsWritten(all))])
    },
  })
  const explainPeerAuthentication: WiredPolicyConditions['explainPeerAuthentication'] = (policy, fetch) => {
    const others = policies.peerAuthenticationsFor(policy.metadata.namespace, fetch)
    return { stated: [], shortfalls: peerAuthenticationShortfalls(policy, others, settings) }
  }
  const ofPeerAuthentications = derive<PeerAuthentication, ObjectCondition>(graph, {
    name: 'conditions of peer authentications',
    from: objects.peerAuthentications,
    keyOf: conditionKey,
    derive: (policy, fetch) => {
      const { shortfalls } = explainPeerAuthentication(policy, fetch)
      return conditionsOf('PeerAuthentication', policy, some(notAsWritten(shortfalls)))
    },
  })
  const conditions = join(graph, 'policy conditions', [ofPolicies, ofPeerAuthentications])
  return { conditions, explain, explainPeerAuthentication }
}

const SELECTS_NOTHING: Shortfall = {
  reason: 'SelectsNothing',
  message: 'The selector matches no workload right now.',
}
const NOT_CAPTURED: Shortfall = {
  reason: 'NotCaptured',
  message: 'None of the selected workloads is in the mesh: nobody enforces it for them.',
}

function wireTargets(
  { objects, settings }: WireParts,
  { waypoints }: PolicyTopics,
  uses: Collection<Use>,
): (fetch: Fetch) => TargetFacts {
  const bindingsByWaypoint = indexBy(waypoints.bindings, 'bindings by waypoint', (binding) => binding.waypoints)
  const collections = { Service: objects.services, ServiceEntry: objects.serviceEntries, Gateway: objects.gateways }
  return (fetch) => ({
    rootNamespace: settings.rootNamespace,
    has: (kind, key) => fetch.one<unknown>(collections[kind], key) !== undefined,
    bindingOf: (kind, key) => fetch.one(waypoints.bindings, bindingKey({ kind, key })),
    isWaypointReady: (key) => fetch.one(waypoints.waypoints, key) !== undefined,
    isWaypointUsed: (key) => {
      if (fetch.by(bindingsByWaypoint, key).length > 0) return true
      const waypoint = fetch.one(waypoints.waypoints, key)
      return waypoint !== undefined && fetch.one(uses, throughWaypoint(waypoint.address)) !== undefined
    },
    controllerOf: (name) => fetch.one(objects.gatewayClasses, name)?.spec.controllerName,
  })
}

function usesOf({ authorizationPolicies, protocol, waypoint }: Workload): readonly string[] {
  return [
    ...authorizationPolicies.map(selectedBy),
    ...(protocol === 'HBONE' ? authorizationPolicies.map(capturedUnder) : []),
    ...(waypoint === undefined ? [] : [throughWaypoint(waypoint)]),
  ]
}

function selectedBy(policy: string): string {
  return `selected by ${policy}`
}

function capturedUnder(policy: string): string {
  return `captured under ${policy}`
}

function throughWaypoint({ destination }: GatewayAddress): string {
  return `through ${Object.values(destination).join(' ')}`
}

function conditionsOf(
  kind: ObjectCondition['kind'],
  policy: AuthorizationPolicy | PeerAuthentication,
  conditions: readonly Condition[],
): readonly ObjectCondition[] {
  const { generation } = policy.metadata
  return conditions.map((condition) => ({ kind, key: objectKey(policy), generation, condition }))
}
