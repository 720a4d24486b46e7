import type {
  AccountName,
  AnyOf,
  LimitKey,
  MetricOverride,
  PolicyPathMatch,
  PolicyTarget,
  RateLimit,
  RequestCondition,
  RequestLimit,
  RequestOperation,
  RequestPolicy,
  RequestPolicyRule,
  RequestSource,
  ServiceTelemetry,
  SpanTag,
  TokenIssuer,
  TokenKeys,
  TokenLocation,
  TokenMatch,
  TokenPolicy,
} from '#shared/l7'
import { cidr, namedMatch, percent, portNumber, positive, textMatch } from './waypoint-route-shapes.ts'
import {
  flag,
  list,
  nothing,
  oneOf,
  optional,
  single,
  struct,
  text,
  union,
  type WireShape,
  word,
} from './wire-shape.ts'

/** The parts of waypoint-policies.proto, field by field under the same names. */

const target = union<PolicyTarget>({ waypoint: nothing, service: struct({ namespace: word, hostname: word }) })
const claimPath = list(word, 1)
const account = struct<AccountName>({ namespace: word, serviceAccount: word })
const token = struct<TokenMatch>({ issuer: textMatch, subject: textMatch })
const policyPath = union<PolicyPathMatch>({
  exact: single(text),
  prefix: single(text),
  suffix: single(text),
  regex: single(text),
  presence: nothing,
  template: single(text),
})

/** Not written when it says nothing, as most do. */
function anyOf<T>(shape: WireShape<T>): WireShape<AnyOf<T>> {
  const lists = struct<AnyOf<T>>({ any: list(shape), none: list(shape) })
  return {
    write: lists.write,
    read: (value, at) => (value === null || value === undefined ? { any: [], none: [] } : lists.read(value, at)),
    isZero: ({ any, none }) => any.length + none.length === 0,
  }
}

const texts = anyOf(textMatch)
const networks = anyOf(cidr)

const source = struct<RequestSource>({
  principals: texts,
  namespaces: texts,
  serviceAccounts: anyOf(account),
  trustDomains: texts,
  requestPrincipals: anyOf(token),
  ips: networks,
  remoteIps: networks,
})

const operation = struct<RequestOperation>({
  hosts: texts,
  ports: anyOf(portNumber),
  methods: texts,
  paths: anyOf(policyPath),
})

const condition = union<RequestCondition>({
  header: struct({ name: word, any: list(textMatch), none: list(textMatch) }),
  claim: struct({ path: claimPath, any: list(textMatch), none: list(textMatch) }),
  namespace: texts,
  principal: texts,
  'trust-domain': texts,
  audience: texts,
  presenter: texts,
  sni: texts,
  'source-ip': networks,
  'remote-ip': networks,
  'destination-ip': networks,
  'destination-port': anyOf(portNumber),
  'request-principal': anyOf(token),
  'service-account': anyOf(account),
})

/** As `oneOf(['allow', 'deny', 'audit'])` writes it. */
const AUDIT = 3

/**
 * What to go by while nothing better is known of a policy that cannot be read: it lets nobody in, as far as its targets can
 * be read, else nobody at all. What only tells, or cannot be told to be a policy, stands for nothing.
 */
export function strictestRequestPolicy(message: Readonly<Record<string, unknown>>): RequestPolicy | undefined {
  const { namespace, name, action, dryRun, targets } = message
  if (typeof namespace !== 'string' || typeof name !== 'string' || action === AUDIT || dryRun === true) return undefined
  return {
    namespace,
    name,
    targets: readOr(() => list(target, 1).read(targets, ''), [{ kind: 'waypoint' }]),
    action: 'deny',
    dryRun: false,
    rules: [{ from: [], to: [], when: [] }],
  }
}

function readOr<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}

export const requestPolicyShape: WireShape<RequestPolicy> = struct<RequestPolicy>({
  namespace: word,
  name: word,
  targets: list(target, 1),
  action: oneOf(['allow', 'deny', 'audit']),
  dryRun: flag,
  rules: list(struct<RequestPolicyRule>({ from: list(source), to: list(operation), when: list(condition) })),
})

const issuer = struct<TokenIssuer>({
  issuer: word,
  audiences: list(word),
  keys: union<TokenKeys>({
    inline: struct({ jwks: word }),
    remote: struct({ uri: word, timeoutMs: positive }),
    discovered: struct({ timeoutMs: positive }),
  }),
  locations: list(
    union<TokenLocation>({
      header: struct({ name: word, prefix: text }),
      query: struct({ name: word }),
      cookie: struct({ name: word }),
    }),
  ),
  forwardsToken: flag,
  payloadHeader: text,
  claimHeaders: list(struct({ name: word, claim: claimPath })),
  spacedClaims: list(word),
})

export const tokenPolicyShape: WireShape<TokenPolicy> = struct<TokenPolicy>({
  namespace: word,
  name: word,
  targets: list(target, 1),
  issuers: list(issuer, 1),
})

const limit = struct<RequestLimit>({
  methods: list(word),
  paths: list(policyPath),
  headers: list(namedMatch),
  per: list(
    union<LimitKey>({
      identity: nothing,
      'source-ip': nothing,
      header: struct({ name: word }),
      claim: struct({ path: claimPath }),
    }),
  ),
  requests: positive,
  windowMs: positive,
  burst: positive,
})

export const rateLimitShape: WireShape<RateLimit> = struct<RateLimit>({
  namespace: word,
  name: word,
  targets: list(target, 1),
  limits: list(limit, 1),
})

const tagSource = struct({ name: word, missing: text })

export const telemetryShape: WireShape<ServiceTelemetry> = struct<ServiceTelemetry>({
  namespace: word,
  hostname: word,
  accessLog: struct({ isDisabled: flag, providers: list(word), filter: text }),
  tracing: struct({
    isDisabled: flag,
    providers: list(word),
    samplingPercent: optional(percent),
    tags: list(
      struct<SpanTag>({
        name: word,
        value: union<SpanTag['value']>({ literal: single(text), header: tagSource, environment: tagSource }),
      }),
    ),
  }),
  metrics: list(
    struct<MetricOverride>({
      provider: text,
      metric: text,
      mode: oneOf(['client', 'server', 'both']),
      isDisabled: optional(flag),
      tags: list(struct({ name: word, expression: text })),
    }),
  ),
})
