import type {
  AuthorizationPolicy,
  PolicyOperation,
  PolicyRule,
  PolicySource,
  PolicyCondition as When,
} from '#shared/k8s'
import type {
  Authorization,
  AuthorizationClause,
  AuthorizationMatch,
  AuthorizationRule,
  ServiceAccountMatch,
  StringMatch,
} from '#shared/model'
import { type Cidr, parseCidr } from '#shared/net'
import type { Condition } from './conditions.ts'
import type { MeshSettings } from './settings.ts'

/** What a policy becomes for tunnels: what is sent, if anything, and what its author is told. */
export interface PolicyOutcome {
  readonly authorization: Authorization | undefined
  readonly condition: Condition
}

/** Policies for waypoints are never sent to tunnels, and there are no waypoints yet. */
const NO_WAYPOINT: Condition = {
  type: 'WaypointAccepted',
  status: 'False',
  reason: 'AncestorNotBound',
  message: 'no waypoint serves the target: the policy is not enforced',
}
const DRY_RUN = 'istio.io/dry-run'
/** What Go's ParseBool takes for true; anything else is false. */
const TRUE_WORDS = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])

/** A match that says nothing; tunnels never let it match. */
export const EMPTY_MATCH: AuthorizationMatch = {
  namespaces: [],
  notNamespaces: [],
  principals: [],
  notPrincipals: [],
  sourceIps: [],
  notSourceIps: [],
  destinationIps: [],
  notDestinationIps: [],
  destinationPorts: [],
  notDestinationPorts: [],
  serviceAccounts: [],
  notServiceAccounts: [],
}

/**
 * The part of an AuthorizationPolicy that a tunnel can enforce. What it cannot see makes an ALLOW rule vanish and a DENY
 * rule lose that part; the condition names each such attribute.
 *
 * @see istio-control-plane b.6
 */
export function convertPolicy(policy: AuthorizationPolicy, settings: MeshSettings): PolicyOutcome {
  const { metadata, spec } = policy
  const dryRun = TRUE_WORDS.has(metadata.annotations[DRY_RUN] ?? '')
  if (dryRun && !settings.isDryRunSent) return refused('dry-run is not supported: the policy is not enforced')
  if (spec.targetRefs.length > 0) return { authorization: undefined, condition: NO_WAYPOINT }
  if (spec.action !== 'ALLOW' && spec.action !== 'DENY')
    return refused(`action ${spec.action} is not supported by ztunnel: the policy is not enforced`)

  const rules = spec.rules.map((rule) => convertRule(rule, metadata.namespace))
  const unsupported = [...new Set(rules.flatMap((rule) => rule.unsupported))].sort()
  const kept = spec.action === 'ALLOW' ? rules.filter((rule) => rule.unsupported.length === 0) : rules
  const authorization: Authorization = {
    name: metadata.name,
    namespace: metadata.namespace,
    scope: scopeOf(policy, settings),
    action: spec.action === 'ALLOW' ? 'Allow' : 'Deny',
    rules: kept.map((rule) => rule.rule),
    dryRun,
  }
  return { authorization, condition: conditionOf(authorization, unsupported) }
}

function scopeOf(policy: AuthorizationPolicy, settings: MeshSettings): Authorization['scope'] {
  if (policy.spec.selector !== undefined) return 'WorkloadSelector'
  return policy.metadata.namespace === settings.rootNamespace ? 'Global' : 'Namespace'
}

function refused(message: string): PolicyOutcome {
  const condition: Condition = { type: 'ZtunnelAccepted', status: 'False', reason: 'UnsupportedValue', message }
  return { authorization: undefined, condition }
}

function conditionOf(authorization: Authorization, unsupported: readonly string[]): Condition {
  const accepted = { type: 'ZtunnelAccepted', status: 'True' } as const
  if (unsupported.length === 0) return { ...accepted, reason: 'Accepted', message: 'attached to ztunnel' }
  const canMatch = authorization.rules.some((rule) => rule.every((clause) => clause.some(saysSomething)))
  const consequence =
    authorization.action === 'Allow'
      ? 'Rules with them are left out, which allows less.'
      : canMatch
        ? 'DENY rules are enforced without them, which may deny more.'
        : 'Without them no DENY rule can match: the policy has no effect.'
  const message = `ztunnel does not support HTTP attributes (found: ${unsupported.join(', ')}). ${consequence}`
  return { ...accepted, reason: 'UnsupportedValue', message }
}

function saysSomething(match: AuthorizationMatch): boolean {
  return Object.values(match).some((list: readonly unknown[]) => list.length > 0)
}

interface ConvertedRule {
  readonly rule: AuthorizationRule
  /** Attributes that only HTTP has, as written. */
  readonly unsupported: readonly string[]
}

/** Clauses in Istio's order: to, from, then one for each condition. */
function convertRule(rule: PolicyRule, namespace: string): ConvertedRule {
  const unsupported: string[] = []
  const clauses: AuthorizationClause[] = []
  if (rule.to.length > 0) clauses.push(rule.to.map((operation) => matchOperation(operation, unsupported)))
  if (rule.from.length > 0) clauses.push(rule.from.map((source) => matchSource(source, namespace, unsupported)))
  for (const condition of rule.when) clauses.push([matchCondition(condition, unsupported)])
  return { rule: clauses, unsupported }
}

function matchOperation(operation: PolicyOperation, unsupported: string[]): AuthorizationMatch {
  for (const [field, values] of Object.entries(operation)) {
    if (values.length > 0 && field !== 'ports' && field !== 'notPorts') unsupported.push(field)
  }
  return {
    ...EMPTY_MATCH,
    destinationPorts: operation.ports.map(Number),
    notDestinationPorts: operation.notPorts.map(Number),
  }
}

const L4_SOURCE_FIELDS: ReadonlySet<string> = new Set([
  'principals',
  'notPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'ipBlocks',
  'notIpBlocks',
])

/**
 * Trust domains cannot be told on the wire either. Istio drops them silently, which would widen an ALLOW beside
 * another field; here they count as unsupported.
 */
function matchSource(source: PolicySource, namespace: string, unsupported: string[]): AuthorizationMatch {
  for (const [field, values] of Object.entries(source)) {
    if (values.length > 0 && !L4_SOURCE_FIELDS.has(field)) unsupported.push(field)
  }
  return {
    ...EMPTY_MATCH,
    principals: source.principals.map(stringMatch),
    notPrincipals: source.notPrincipals.map(stringMatch),
    namespaces: source.namespaces.map(stringMatch),
    notNamespaces: source.notNamespaces.map(stringMatch),
    serviceAccounts: source.serviceAccounts.map((account) => accountMatch(account, namespace)),
    notServiceAccounts: source.notServiceAccounts.map((account) => accountMatch(account, namespace)),
    sourceIps: source.ipBlocks.flatMap(cidr),
    notSourceIps: source.notIpBlocks.flatMap(cidr),
  }
}

/** A condition that only HTTP knows leaves an empty match, which never matches: its rule has no effect. */
function matchCondition(condition: When, unsupported: string[]): AuthorizationMatch {
  const { key, values, notValues } = condition
  switch (key) {
    case 'source.ip':
      return { ...EMPTY_MATCH, sourceIps: values.flatMap(cidr), notSourceIps: notValues.flatMap(cidr) }
    case 'source.namespace':
      return { ...EMPTY_MATCH, namespaces: values.map(stringMatch), notNamespaces: notValues.map(stringMatch) }
    case 'source.principal':
      return { ...EMPTY_MATCH, principals: values.map(stringMatch), notPrincipals: notValues.map(stringMatch) }
    case 'destination.ip':
      return { ...EMPTY_MATCH, destinationIps: values.flatMap(cidr), notDestinationIps: notValues.flatMap(cidr) }
    case 'destination.port':
      return { ...EMPTY_MATCH, destinationPorts: values.map(Number), notDestinationPorts: notValues.map(Number) }
    default:
      unsupported.push(key)
      return EMPTY_MATCH
  }
}

/** `*` any identity, `*x` ends with x, `x*` begins with x. */
function stringMatch(value: string): StringMatch {
  if (value === '*') return { kind: 'presence' }
  if (value.startsWith('*')) return { kind: 'suffix', value: value.slice(1) }
  if (value.endsWith('*')) return { kind: 'prefix', value: value.slice(0, -1) }
  return { kind: 'exact', value }
}

/** `[namespace/]name`; without a namespace it is the policy's. */
function accountMatch(account: string, namespace: string): ServiceAccountMatch {
  const [first = '', second] = account.split('/')
  return second === undefined ? { namespace, serviceAccount: first } : { namespace: first, serviceAccount: second }
}

/** Blocks were checked when the object was read. */
function cidr(block: string): readonly Cidr[] {
  const parsed = parseCidr(block)
  return parsed === undefined ? [] : [parsed]
}
