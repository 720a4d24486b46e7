import type {
  AnyOf,
  PolicyPathMatch,
  RequestOperation,
  RequestPolicy,
  RequestPolicyRule,
  RequestSource,
} from '#shared/l7'
import { type Cidr, ipToBytes, parseCidr } from '#shared/net'
import type { AddressFact, RequestFacts } from '#shared/policy'
import { textMatch, tokenMatch } from '../../src/istiod-lite/routes/request-policies.ts'
import { ip } from './mesh-builder.ts'

/** Values as an AuthorizationPolicy writes them; those behind `!` are excluded. */
type Values = readonly string[]

export interface SourceText {
  readonly principals?: Values
  readonly namespaces?: Values
  readonly serviceAccounts?: Values
  readonly trustDomains?: Values
  readonly requestPrincipals?: Values
  readonly ips?: Values
  readonly remoteIps?: Values
}

export interface OperationText {
  readonly hosts?: Values
  readonly ports?: Values
  readonly methods?: Values
  readonly paths?: Values
}

export function source(text: SourceText): RequestSource {
  return {
    principals: anyOf(text.principals, textMatch),
    namespaces: anyOf(text.namespaces, textMatch),
    serviceAccounts: anyOf(text.serviceAccounts, (account) => {
      const [namespace = '', serviceAccount = ''] = account.split('/')
      return { namespace, serviceAccount }
    }),
    trustDomains: anyOf(text.trustDomains, textMatch),
    requestPrincipals: anyOf(text.requestPrincipals, tokenMatch),
    ips: anyOf(text.ips, cidr),
    remoteIps: anyOf(text.remoteIps, cidr),
  }
}

export function operation(text: OperationText): RequestOperation {
  return {
    hosts: anyOf(text.hosts, textMatch),
    ports: anyOf(text.ports, Number),
    methods: anyOf(text.methods, textMatch),
    paths: anyOf(text.paths, path),
  }
}

export function path(value: string): PolicyPathMatch {
  return value.includes('{') ? { kind: 'template', value } : textMatch(value)
}

export function anyOf<T>(values: Values = [], read: (value: string) => T): AnyOf<T> {
  return {
    any: values.filter((value) => !value.startsWith('!')).map(read),
    none: values.filter((value) => value.startsWith('!')).map((value) => read(value.slice(1))),
  }
}

export function cidr(text: string): Cidr {
  const found = parseCidr(text)
  if (found === undefined) throw new Error(`no network: ${text}`)
  return found
}

export function rule(parts: Partial<RequestPolicyRule> = {}): RequestPolicyRule {
  return { from: [], to: [], when: [], ...parts }
}

export function requestPolicy(parts: Partial<RequestPolicy> = {}): RequestPolicy {
  return {
    ...{ namespace: 'shop', name: 'policy', targets: [{ kind: 'waypoint' }] },
    ...{ action: 'allow', dryRun: false, rules: [rule()] },
    ...parts,
  }
}

export function addressFact(text: string): AddressFact {
  const address = ip(text)
  return { ip: address, bytes: ipToBytes(address) }
}

/** GET cart.shop/items of alice in shop, who has shown no token. */
export function requestFacts(
  parts: Partial<Omit<RequestFacts, 'header'>> & {
    readonly headers?: Readonly<Record<string, readonly string[]>>
  } = {},
): RequestFacts {
  const { headers = {}, ...others } = parts
  return {
    ...{ principal: 'cluster.local/ns/shop/sa/alice', trustDomain: 'cluster.local', namespace: 'shop' },
    ...{ account: 'shop/alice', source: addressFact('10.0.1.7'), remote: addressFact('10.0.1.7') },
    ...{ destinations: [addressFact('10.96.0.10')], port: 80, sni: undefined },
    ...{ method: 'GET', path: '/items', authority: 'cart.shop', host: 'cart.shop', token: undefined },
    header: (name) => headers[name] ?? [],
    ...others,
  }
}

/** Facts of somebody without identity. */
export const anonymous = {
  principal: undefined,
  trustDomain: undefined,
  namespace: undefined,
  account: undefined,
} as const
