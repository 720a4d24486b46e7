import type { AuthorizationPolicy, PolicyCondition, PolicyOperation, PolicyRule, PolicySource } from '#shared/k8s'
import type {
  AccountName,
  AnyOf,
  PolicyPathMatch,
  RequestCondition,
  RequestOperation,
  RequestPolicy,
  RequestPolicyRule,
  RequestSource,
  TextMatch,
  TokenMatch,
} from '#shared/l7'
import { type Cidr, parseCidr } from '#shared/net'
import type { Find } from './findings.ts'

const DRY_RUN = 'istio.io/dry-run'
/** What Go's ParseBool takes for true. */
const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const ACTIONS = { ALLOW: 'allow', DENY: 'deny', AUDIT: 'audit', CUSTOM: 'deny' } as const

/**
 * An AuthorizationPolicy as waypoints enforce it (istio-control-plane d.1). There are no external authorizers: what a
 * CUSTOM policy matches is denied, as Istio does for a provider that it does not know.
 */
export function requestPolicy(policy: AuthorizationPolicy, find: Find): Omit<RequestPolicy, 'targets'> {
  const { metadata, spec } = policy
  if (spec.action === 'CUSTOM') {
    const message = `provider ${spec.provider} is not known: whatever the rules match is denied`
    find({ path: 'spec.provider', reason: 'UnsupportedValue', message })
  }
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    action: ACTIONS[spec.action],
    dryRun: TRUE_WORDS.has(metadata.annotations[DRY_RUN] ?? ''),
    rules: spec.rules.flatMap((rule, i) => ruleOf(rule, metadata.namespace, `spec.rules[${i}]`, find) ?? []),
  }
}

/** Undefined when a part of it cannot be understood: such a rule never matches. */
function ruleOf(rule: PolicyRule, namespace: string, path: string, find: Find): RequestPolicyRule | undefined {
  const when = rule.when.map((condition, i) => conditionOf(condition, namespace, `${path}.when[${i}]`, find))
  const to = rule.to.map((operation, i) => operationOf(operation, `${path}.to[${i}].operation`, find))
  if (when.includes(undefined) || to.includes(undefined)) return undefined
  return {
    from: rule.from.map((source) => sourceOf(source, namespace)),
    to: to.flatMap((operation) => operation ?? []),
    when: when.flatMap((condition) => condition ?? []),
  }
}

function sourceOf(source: PolicySource, namespace: string): RequestSource {
  return {
    principals: anyOf(source.principals, source.notPrincipals, textMatch),
    namespaces: anyOf(source.namespaces, source.notNamespaces, namespaceMatch),
    serviceAccounts: anyOf(source.serviceAccounts, source.notServiceAccounts, (account) =>
      accountOf(account, namespace),
    ),
    trustDomains: anyOf(source.trustDomains, source.notTrustDomains, textMatch),
    requestPrincipals: anyOf(source.requestPrincipals, source.notRequestPrincipals, tokenMatch),
    ips: networks(source.ipBlocks, source.notIpBlocks),
    remoteIps: networks(source.remoteIpBlocks, source.notRemoteIpBlocks),
  }
}

function operationOf(operation: PolicyOperation, path: string, find: Find): RequestOperation | undefined {
  const paths: AnyOf<PolicyPathMatch> = {
    any: operation.paths.flatMap((value, i) => pathMatch(value, `${path}.paths[${i}]`, find) ?? []),
    none: operation.notPaths.flatMap((value, i) => pathMatch(value, `${path}.notPaths[${i}]`, find) ?? []),
  }
  const isWhole = paths.any.length === operation.paths.length && paths.none.length === operation.notPaths.length
  if (!isWhole) return undefined
  return {
    hosts: anyOf(operation.hosts, operation.notHosts, textMatch),
    ports: anyOf(operation.ports, operation.notPorts, Number),
    methods: anyOf(operation.methods, operation.notMethods, textMatch),
    paths,
  }
}

function anyOf<T>(any: readonly string[], none: readonly string[], read: (value: string) => T): AnyOf<T> {
  return { any: any.map(read), none: none.map(read) }
}

/** Blocks were checked when the object was read. */
function networks(any: readonly string[], none: readonly string[]): AnyOf<Cidr> {
  const read = (block: string): readonly Cidr[] => {
    const found = parseCidr(block)
    return found === undefined ? [] : [found]
  }
  return { any: any.flatMap(read), none: none.flatMap(read) }
}

/** `*` something, `*x` ends with x, `x*` begins with x. */
export function textMatch(value: string): TextMatch {
  if (value === '*') return { kind: 'presence' }
  if (value.startsWith('*')) return { kind: 'suffix', value: value.slice(1) }
  if (value.endsWith('*')) return { kind: 'prefix', value: value.slice(0, -1) }
  return { kind: 'exact', value }
}

/** In namespaces a star may stand anywhere. */
function namespaceMatch(value: string): TextMatch {
  const stars = value.split('*').length - 1
  const isAtAnEnd = stars === 1 && (value.startsWith('*') || value.endsWith('*'))
  if (stars === 0 || isAtAnEnd) return textMatch(value)
  const parts = value.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
  return { kind: 'regex', value: parts.join('.*') }
}

/** `iss/sub`, split at the last slash. */
export function tokenMatch(value: string): TokenMatch {
  if (value === '*') return { issuer: { kind: 'presence' }, subject: { kind: 'presence' } }
  const slash = value.lastIndexOf('/')
  if (slash === -1) {
    // Without a slash a star at the end leaves the subject open; without any it must be empty, which no token's is.
    if (value.startsWith('*'))
      return { issuer: { kind: 'presence' }, subject: { kind: 'suffix', value: value.slice(1) } }
    if (value.endsWith('*'))
      return { issuer: { kind: 'prefix', value: value.slice(0, -1) }, subject: { kind: 'presence' } }
    return { issuer: { kind: 'exact', value }, subject: { kind: 'exact', value: '' } }
  }
  const [issuer, subject] = [value.slice(0, slash), value.slice(slash + 1)]
  if (issuer === '*') return { issuer: { kind: 'presence' }, subject: { kind: 'exact', value: subject } }
  if (subject === '*') return { issuer: { kind: 'exact', value: issuer }, subject: { kind: 'presence' } }
  const isSuffix = issuer.startsWith('*')
  return {
    issuer: isSuffix ? { kind: 'suffix', value: issuer.slice(1) } : { kind: 'exact', value: issuer },
    subject: subject.endsWith('*')
      ? { kind: 'prefix', value: subject.slice(0, -1) }
      : { kind: 'exact', value: subject },
  }
}

/** `[namespace/]name`; without a namespace it is the policy's. */
function accountOf(account: string, own: string): AccountName {
  const [first = '', second] = account.split('/')
  return second === undefined ? { namespace: own, serviceAccount: first } : { namespace: first, serviceAccount: second }
}

const OPERATOR = /\{[^}]*\}/g
const LITERAL = /^[A-Za-z0-9\-._~%!$&'()*+,;=:@]*$/

/** Undefined for a template that is none. */
function pathMatch(value: string, path: string, find: Find): PolicyPathMatch | undefined {
  if (!value.includes('{') && !value.includes('}')) return textMatch(value)
  const problem = templateProblem(value)
  if (problem === undefined) return { kind: 'template', value }
  find({ path, reason: 'UnsupportedValue', message: problem })
  return undefined
}

/** A segment is an operator or literal; after `{**}` no further operator may come. */
function templateProblem(template: string): string | undefined {
  if (!template.startsWith('/')) return 'must begin with /'
  const operators: readonly string[] = template.match(OPERATOR) ?? []
  if (operators.some((operator) => operator !== '{*}' && operator !== '{**}'))
    return 'has an operator other than {*} and {**}'
  const last = operators.indexOf('{**}')
  if (last !== -1 && last < operators.length - 1) return 'has an operator after {**}'
  const segments = template.slice(1).split('/')
  const isSound = segments.every(
    (segment) => segment === '{*}' || segment === '{**}' || (LITERAL.test(segment) && !segment.includes('*')),
  )
  return isSound ? undefined : 'has a segment that is neither an operator nor literal'
}

const BRACKETS = /\[([^\]]*)\]/g

function conditionOf(when: PolicyCondition, namespace: string, path: string, find: Find): RequestCondition | undefined {
  const { key, values, notValues } = when
  const texts = anyOf(values, notValues, textMatch)
  const names = [...key.matchAll(BRACKETS)].map(([, name = '']) => name)
  if (key.startsWith('request.headers')) return { kind: 'header', name: (names[0] ?? '').toLowerCase(), ...texts }
  if (key.startsWith('request.auth.claims')) return { kind: 'claim', path: names, ...texts }
  switch (key) {
    case 'source.ip':
    case 'remote.ip':
    case 'destination.ip':
      return { kind: NETWORKS[key], ...networks(values, notValues) }
    case 'source.namespace':
      return { kind: 'namespace', ...anyOf(values, notValues, namespaceMatch) }
    case 'source.principal':
      return { kind: 'principal', ...texts }
    case 'source.trustDomain':
      return { kind: 'trust-domain', ...texts }
    case 'source.serviceAccount':
      return { kind: 'service-account', ...anyOf(values, notValues, (account) => accountOf(account, namespace)) }
    case 'request.auth.principal':
      return { kind: 'request-principal', ...anyOf(values, notValues, tokenMatch) }
    case 'request.auth.audiences':
      return { kind: 'audience', ...texts }
    case 'request.auth.presenter':
      return { kind: 'presenter', ...texts }
    case 'destination.port':
      return { kind: 'destination-port', ...anyOf(values, notValues, Number) }
    case 'connection.sni':
      return { kind: 'sni', ...texts }
    default:
      find({
        path: `${path}.key`,
        reason: 'UnsupportedValue',
        message: `${key} is of Envoy's filters: the rule never matches`,
      })
      return undefined
  }
}

const NETWORKS = { 'source.ip': 'source-ip', 'remote.ip': 'remote-ip', 'destination.ip': 'destination-ip' } as const
