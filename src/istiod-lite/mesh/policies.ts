import type {
  AuthorizationPolicy,
  PolicyOperation,
  PolicyRule,
  PolicySource,
  PolicyCondition as When,
} from '#shared/k8s'
import type { Authorization, AuthorizationMatch, ServiceAccountMatch, StringMatch } from '#shared/model'
import { type Cidr, parseCidr } from '#shared/net'
import type { Shortfall, ZtunnelAccepted } from './conditions.ts'
import { isUnselective } from './labels.ts'
import {
  actionUnsupported,
  allowShortfalls,
  type ConvertedMatch,
  type ConvertedRule,
  DRY_RUN_UNSUPPORTED,
  denyShortfalls,
  lostOf,
  SELECTOR_EMPTY,
  saysSomething,
} from './policy-shortfalls.ts'
import type { MeshSettings } from './settings.ts'

/** What a policy becomes for tunnels: what is sent, if anything, and what its author is told. */
export interface PolicyOutcome {
  readonly authorization: Authorization | undefined
  /** Undefined for a policy with targets: what becomes of it is its waypoints' word. */
  readonly condition: ZtunnelAccepted | undefined
  /** What is not enforced as it is written, the worst first. */
  readonly shortfalls: readonly Shortfall[]
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
  const dryRun = isDryRun(policy)
  if (dryRun && !settings.isDryRunSent)
    return refused('dry-run is not supported: the policy is not enforced', DRY_RUN_UNSUPPORTED)
  if (spec.targetRefs.length > 0) return { authorization: undefined, condition: undefined, shortfalls: [] }
  if (spec.action !== 'ALLOW' && spec.action !== 'DENY')
    return refused(
      `action ${spec.action} is not supported by ztunnel: the policy is not enforced`,
      actionUnsupported(spec.action),
    )

  const rules = spec.rules.map((rule) => convertRule(rule, metadata.namespace))
  const unsupported = [...new Set(rules.flatMap(lostOf))].sort()
  const kept = spec.action === 'ALLOW' ? rules.filter((rule) => lostOf(rule).length === 0) : rules
  const authorization: Authorization = {
    name: metadata.name,
    namespace: metadata.namespace,
    scope: scopeOf(policy, settings),
    action: spec.action === 'ALLOW' ? 'Allow' : 'Deny',
    rules: kept.map((rule) => rule.map((clause) => clause.map(({ match }) => match))),
    dryRun,
  }
  const isUnattached = spec.selector !== undefined && isUnselective(spec.selector)
  return {
    authorization,
    condition: conditionOf(authorization, unsupported),
    shortfalls: [
      ...(isUnattached ? [SELECTOR_EMPTY] : []),
      ...(spec.action === 'ALLOW' ? allowShortfalls(rules) : denyShortfalls(rules)),
    ],
  }
}

/** Whether the policy is only to be told of, never enforced. */
export function isDryRun({ metadata }: AuthorizationPolicy): boolean {
  return TRUE_WORDS.has(metadata.annotations[DRY_RUN] ?? '')
}

function scopeOf(policy: AuthorizationPolicy, settings: MeshSettings): Authorization['scope'] {
  if (policy.spec.selector !== undefined) return 'WorkloadSelector'
  return policy.metadata.namespace === settings.rootNamespace ? 'Global' : 'Namespace'
}

function refused(message: string, shortfall: Shortfall): PolicyOutcome {
  const condition: ZtunnelAccepted = { type: 'ZtunnelAccepted', status: 'False', reason: 'UnsupportedValue', message }
  return { authorization: undefined, condition, shortfalls: [shortfall] }
}

function conditionOf(authorization: Authorization, unsupported: readonly string[]): ZtunnelAccepted {
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

/** Clauses in Istio's order: to, from, then one for each condition. */
function convertRule(rule: PolicyRule, namespace: string): ConvertedRule {
  return [
    ...(rule.to.length > 0 ? [rule.to.map(matchOperation)] : []),
    ...(rule.from.length > 0 ? [rule.from.map((source) => matchSource(source, namespace))] : []),
    ...rule.when.map((condition) => [matchCondition(condition)]),
  ]
}

function matchOperation(operation: PolicyOperation): ConvertedMatch {
  return {
    match: {
      ...EMPTY_MATCH,
      destinationPorts: operation.ports.map(Number),
      notDestinationPorts: operation.notPorts.map(Number),
    },
    lost: fieldsBeyond(operation, L4_OPERATION_FIELDS),
  }
}

const L4_OPERATION_FIELDS: ReadonlySet<string> = new Set(['ports', 'notPorts'])
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
function matchSource(source: PolicySource, namespace: string): ConvertedMatch {
  const match = {
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
  return { match, lost: fieldsBeyond(source, L4_SOURCE_FIELDS) }
}

function fieldsBeyond(written: PolicySource | PolicyOperation, known: ReadonlySet<string>): readonly string[] {
  return Object.entries(written).flatMap(([field, values]) => (values.length > 0 && !known.has(field) ? [field] : []))
}

/** A condition that only HTTP knows leaves an empty match, which never matches: its rule has no effect. */
function matchCondition({ key, values, notValues }: When): ConvertedMatch {
  const only = (fields: Partial<AuthorizationMatch>): ConvertedMatch => ({
    match: { ...EMPTY_MATCH, ...fields },
    lost: [],
  })
  switch (key) {
    case 'source.ip':
      return only({ sourceIps: values.flatMap(cidr), notSourceIps: notValues.flatMap(cidr) })
    case 'source.namespace':
      return only({ namespaces: values.map(stringMatch), notNamespaces: notValues.map(stringMatch) })
    case 'source.principal':
      return only({ principals: values.map(stringMatch), notPrincipals: notValues.map(stringMatch) })
    case 'destination.ip':
      return only({ destinationIps: values.flatMap(cidr), notDestinationIps: notValues.flatMap(cidr) })
    case 'destination.port':
      return only({ destinationPorts: values.map(Number), notDestinationPorts: notValues.map(Number) })
    default:
      return { match: EMPTY_MATCH, lost: [key] }
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
