import type {
  Authorization,
  AuthorizationClause,
  AuthorizationMatch,
  ServiceAccountMatch,
  StringMatch,
} from '#shared/model'
import { type Cidr, cidrFromBytes } from '#shared/net'
import type { AuthorizationMessage, CidrMessage, MatchMessage, StringMatchMessage } from './messages.ts'
import type { Written } from './schema.ts'
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
    rules: message.rules.map((rule) => rule.clauses.map((clause): AuthorizationClause => clause.matches.map(match))),
    dryRun: message.dryRun,
  }
}

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
