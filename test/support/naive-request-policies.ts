import type { AnyOf, PolicyPathMatch, RequestCondition, RequestPolicy, RequestPolicyRule, TokenMatch } from '#shared/l7'
import { type Cidr, cidrContains } from '#shared/net'
import type { AddressFact, RequestDecision, RequestFacts } from '#shared/policy'

/**
 * The rules read aloud, one policy after the other, as the reference describes them: nothing is prepared, filed or left out.
 * Facts that are said several times are read as Envoy does, so that facts given to it must say everything once.
 */
export function naiveDecision(policies: readonly RequestPolicy[], facts: RequestFacts): RequestDecision {
  const sorted = [...policies].sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1))
  for (const action of ['deny', 'allow'] as const) {
    const chosen = sorted.filter((policy) => policy.action === action && !policy.dryRun)
    for (const { namespace, name, rules } of chosen) {
      const rule = rules.findIndex((each) => ruleMatches(each, facts))
      if (rule !== -1) return { kind: action === 'deny' ? 'denied' : 'allowed', by: { namespace, name, rule } }
    }
    if (action === 'allow' && chosen.length > 0) return { kind: 'denied', by: 'no-match' }
  }
  return { kind: 'allowed', by: 'no-policy' }
}

function ruleMatches(rule: RequestPolicyRule, facts: RequestFacts): boolean {
  const from = rule.from.some(
    (source) =>
      one(source.principals, facts.principal) &&
      one(source.namespaces, facts.namespace) &&
      one(source.trustDomains, facts.trustDomain) &&
      said(source.serviceAccounts, [facts.account], (a, text) => `${a.namespace}/${a.serviceAccount}` === text) &&
      tokens(source.requestPrincipals, facts) &&
      networks(source.ips, [facts.source]) &&
      networks(source.remoteIps, [facts.remote]),
  )
  const to = rule.to.some(
    ({ hosts, ports, methods, paths }) =>
      one(methods, facts.method) &&
      one(paths, facts.path) &&
      said(ports, [facts.port], (port, each) => port === each) &&
      said(hosts, [facts.host, facts.authority], (match, text) => holds(lower(match), text)),
  )
  const hasFrom = rule.from.length === 0 || from
  return hasFrom && (rule.to.length === 0 || to) && rule.when.every((condition) => conditionHolds(condition, facts))
}

function conditionHolds(condition: RequestCondition, facts: RequestFacts): boolean {
  switch (condition.kind) {
    case 'header':
      return said(
        condition,
        facts.header(condition.name),
        (match, line) => match.kind === 'presence' || holds(match, line),
      )
    case 'claim':
      return said(condition, claim(facts, condition.path), holds)
    case 'audience':
      return said(condition, facts.token?.audiences ?? [], holds)
    case 'presenter':
      return one(condition, facts.token?.presenter)
    case 'principal':
      return one(condition, facts.principal)
    case 'namespace':
      return one(condition, facts.namespace)
    case 'trust-domain':
      return one(condition, facts.trustDomain)
    case 'sni':
      return one(condition, facts.sni)
    case 'source-ip':
      return networks(condition, [facts.source])
    case 'remote-ip':
      return networks(condition, [facts.remote])
    case 'destination-ip':
      return networks(condition, facts.destinations)
    case 'destination-port':
      return said(condition, [facts.port], (port, each) => port === each)
    case 'service-account':
      return said(condition, [facts.account], (a, text) => `${a.namespace}/${a.serviceAccount}` === text)
    case 'request-principal':
      return tokens(condition, facts)
  }
}

/** Some of what is said is wanted, and nothing of it unwanted. */
function said<M, T>(
  list: AnyOf<M>,
  facts: readonly (T | undefined)[],
  isMatch: (match: M, fact: T) => boolean,
): boolean {
  const hits = (matches: readonly M[]): boolean =>
    facts.some((fact) => fact !== undefined && matches.some((match) => isMatch(match, fact)))
  return (list.any.length === 0 || hits(list.any)) && !hits(list.none)
}

function one(list: AnyOf<PolicyPathMatch>, fact: string | undefined): boolean {
  return said(list, [fact], holds)
}

function networks(list: AnyOf<Cidr>, addresses: readonly AddressFact[]): boolean {
  return said(list, addresses, (network, { ip }) => cidrContains(network, ip))
}

function tokens(list: AnyOf<TokenMatch>, { token }: RequestFacts): boolean {
  return said(list, [token], (match, each) => holds(match.issuer, each.issuer) && holds(match.subject, each.subject))
}

function claim({ token }: RequestFacts, path: readonly string[]): readonly string[] {
  const value = path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], token?.claims)
  const isList = path.length === 1 && token?.spacedClaims.includes(path[0] ?? '')
  if (typeof value === 'string') return isList ? value.split(' ') : [value]
  return Array.isArray(value) ? value : []
}

function lower(match: PolicyPathMatch): PolicyPathMatch {
  return match.kind === 'presence' ? match : { ...match, value: match.value.toLowerCase() }
}

/** Templates and expressions as JavaScript's, on texts that the tests make. */
function holds(match: PolicyPathMatch, text: string): boolean {
  if (match.kind === 'presence') return text.length > 0
  const { kind, value } = match
  const expression = {
    exact: escaped(value),
    prefix: `${escaped(value)}.*`,
    suffix: `.*${escaped(value)}`,
    regex: value,
    template: escaped(value).replaceAll('\\{\\*\\*\\}', '.*').replaceAll('\\{\\*\\}', '[^/]+'),
  }[kind]
  return new RegExp(`^(?:${expression})$`, 's').test(text)
}

function escaped(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')
}
