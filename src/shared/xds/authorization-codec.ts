import type {
  Authorization,
  AuthorizationClause,
  AuthorizationMatch,
  AuthorizationRule,
  ServiceAccountMatch,
  StringMatch,
} from '#shared/model'
import { type Cidr, cidrFromBytes } from '#shared/net'
import type { AuthorizationMessage, CidrMessage, MatchMessage, StringMatchMessage } from './messages.ts'
import type { Written } from './schema.ts'
import { MAX_UNKNOWN_FIELDS, type UnknownField } from './unknown-fields.ts'
import { enumName, port, withoutZeros } from './wire-fields.ts'

/** Numbers of the enums of authorization.proto are places in these lists. */
const scopes: readonly Authorization['scope'][] = ['Global', 'Namespace', 'WorkloadSelector']
const actions: readonly Authorization['action'][] = ['Allow', 'Deny']

/**
 * A policy as hbone-and-ztunnel f reads it: malformed addresses and string matches with nothing set vanish from their
 * lists, which may leave a match that never matches.
 *
 * @throws MeshError `RESOURCE_INVALID` for an unknown scope or action
 */
export function decodeAuthorization(message: AuthorizationMessage): Authorization {
  return {
    name: message.name,
    namespace: message.namespace,
    scope: enumName(scopes, 'scope', message.scope),
    action: enumName(actions, 'action', message.action),
    rules: message.rules.map(ruleOf),
    dryRun: message.dryRun,
  }
}

/**
 * A policy of which not everything is known, read so that it lets nobody pass whom its author keeps out: what may not be
 * all of an ALLOW's condition never holds, and what may not be all of a DENY's always does. A rule keeps its place.
 *
 * - A field of the policy itself, or more than can be listed: an ALLOW allows nothing, a DENY refuses everything.
 * - An action: connections that the rules match are refused.
 * - A scope: the policy is for the workloads that name it.
 */
export function strictestAuthorization(message: AuthorizationMessage, unknown: readonly UnknownField[]): Authorization {
  const action = actions[message.action] ?? 'Deny'
  const isAllUnsure = unknown.length >= MAX_UNKNOWN_FIELDS || unknown.some(({ path }) => path.length === 0)
  const strictest = action === 'Allow' ? NEVER : ALWAYS
  const rules = message.rules.map((rule, index): AuthorizationRule => {
    const unsure = unknown.filter(({ path }) => path[0]?.field === 'rules' && path[0].index === index)
    if (unsure.length === 0) return ruleOf(rule)
    if (action === 'Allow' || unsure.some(({ path }) => path.length === 1)) return strictest
    // All clauses of a rule must hold: of a DENY, one that may be more than is known is taken to.
    const unsureClauses = new Set(unsure.map(({ path }) => path[1]?.index))
    return ruleOf(rule).filter((_, clause) => !unsureClauses.has(clause))
  })
  return {
    name: message.name,
    namespace: message.namespace,
    scope: scopes[message.scope] ?? 'WorkloadSelector',
    action,
    rules: isAllUnsure ? [strictest] : rules,
    dryRun: message.dryRun,
  }
}

/** A rule without clauses. */
const ALWAYS: AuthorizationRule = []

export function encodeAuthorization(policy: Authorization): Written<AuthorizationMessage> {
  return withoutZeros({
    name: policy.name,
    namespace: policy.namespace,
    scope: scopes.indexOf(policy.scope),
    action: actions.indexOf(policy.action),
    rules: policy.rules.map((rule) => ({
      clauses: rule.map((clause) => ({ matches: clause.map(encodeMatch) })),
    })),
    dryRun: policy.dryRun,
  })
}

function ruleOf(rule: AuthorizationMessage['rules'][number]): AuthorizationRule {
  return rule.clauses.map((clause): AuthorizationClause => clause.matches.map(match))
}

function match(message: MatchMessage): AuthorizationMatch {
  return {
    namespaces: message.namespaces.flatMap(stringMatch),
    notNamespaces: message.notNamespaces.flatMap(stringMatch),
    principals: message.principals.flatMap(stringMatch),
    notPrincipals: message.notPrincipals.flatMap(stringMatch),
    sourceIps: message.sourceIps.flatMap(cidr),
    notSourceIps: message.notSourceIps.flatMap(cidr),
    destinationIps: message.destinationIps.flatMap(cidr),
    notDestinationIps: message.notDestinationIps.flatMap(cidr),
    destinationPorts: message.destinationPorts.map(port),
    notDestinationPorts: message.notDestinationPorts.map(port),
    serviceAccounts: message.serviceAccounts.map(serviceAccount),
    notServiceAccounts: message.notServiceAccounts.map(serviceAccount),
  }
}

function encodeMatch(one: AuthorizationMatch): MatchMessage {
  return {
    namespaces: one.namespaces.map(encodeStringMatch),
    notNamespaces: one.notNamespaces.map(encodeStringMatch),
    principals: one.principals.map(encodeStringMatch),
    notPrincipals: one.notPrincipals.map(encodeStringMatch),
    sourceIps: one.sourceIps.map(encodeCidr),
    notSourceIps: one.notSourceIps.map(encodeCidr),
    destinationIps: one.destinationIps.map(encodeCidr),
    notDestinationIps: one.notDestinationIps.map(encodeCidr),
    destinationPorts: one.destinationPorts,
    notDestinationPorts: one.notDestinationPorts,
    serviceAccounts: one.serviceAccounts,
    notServiceAccounts: one.notServiceAccounts,
  }
}

function stringMatch(message: StringMatchMessage): StringMatch | [] {
  if (message.exact !== undefined) return { kind: 'exact', value: message.exact }
  if (message.prefix !== undefined) return { kind: 'prefix', value: message.prefix }
  if (message.suffix !== undefined) return { kind: 'suffix', value: message.suffix }
  return message.presence ? { kind: 'presence' } : []
}

function encodeStringMatch(one: StringMatch): StringMatchMessage {
  if (one.kind === 'presence') return { presence: {} }
  return { [one.kind]: one.value }
}

function cidr({ address, length }: CidrMessage): Cidr | [] {
  return cidrFromBytes(address, length) ?? []
}

function encodeCidr({ network, prefixBits }: Cidr): CidrMessage {
  return { address: network, length: prefixBits }
}

function serviceAccount({ namespace, serviceAccount: name }: ServiceAccountMatch): ServiceAccountMatch {
  return { namespace, serviceAccount: name }
}

/** A clause with a match that asks for nothing. */
const NEVER: AuthorizationRule = [
  [
    match({
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
    }),
  ],
]
