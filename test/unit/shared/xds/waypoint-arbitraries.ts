import fc from 'fast-check'
import {
  type Cluster,
  type HttpRule,
  NETWORK_FACTS,
  type RateLimit,
  RETRY_CONDITIONS,
  type RequestCondition,
  type RequestPolicy,
  type Routes,
  type ServiceTelemetry,
  type TcpRule,
  TEXT_FACTS,
  type TextMatch,
  type TokenPolicy,
  type WorkloadLabels,
} from '#shared/l7'
import { type Cidr, cidrFromBytes } from '#shared/net'

/** Random resources of the waypoint family, in which every field may have every sort of value. */

const text = fc.string({ maxLength: 8 })
const word = fc.string({ minLength: 1, maxLength: 8 })
const port = fc.integer({ min: 1, max: 65_535 })
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
const positive = fc.integer({ min: 1, max: 0xffff_ffff })
const percent = fc.double({ min: 0, max: 100, noNaN: true }).map((value) => value + 0)
const status = fc.integer({ min: 100, max: 599 })
const flag = fc.boolean()
const optional = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined })
const list = <T>(one: fc.Arbitrary<T>, minLength = 0): fc.Arbitrary<T[]> => fc.array(one, { minLength, maxLength: 2 })
const bytes = fc.uint8Array({ maxLength: 5 }).map((value) => Uint8Array.from(value))
/** A key that JavaScript objects keep as their own. */
const labelKey = fc.stringMatching(/^[a-z][a-z0-9./-]{0,8}$/)
const labels = fc.array(fc.tuple(labelKey, text), { maxLength: 3 }).map((entries) => Object.fromEntries(entries))
const cidr: fc.Arbitrary<Cidr> = fc
  .tuple(fc.constantFrom(4, 16), fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat({ max: 128 }))
  .map(([length, raw, bits]) => cidrFromBytes(raw.subarray(0, length), bits % (length * 8 + 1))!)

const kind = <const K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name)
const textMatch: fc.Arbitrary<TextMatch> = fc.oneof(
  fc.record({ kind: fc.constantFrom('exact', 'prefix', 'suffix', 'regex'), value: text }),
  fc.record({ kind: kind('presence') }),
)
const named = fc.record({ name: word, match: textMatch })
const service = { namespace: word, hostname: word }
const source = fc.record({ namespace: text, labels })
const headerValues = list(fc.record({ name: word, value: text }))
const changes = fc.record({ set: headerValues, add: headerValues, remove: list(word) })
const backend = fc.oneof(
  fc.record({ kind: kind('cluster'), ...service, port, subset: text }),
  fc.record({ kind: kind('failed'), statusCode: status, reason: text }),
)
const weighted = fc.record({
  to: backend,
  weight: positive,
  requestHeaders: changes,
  responseHeaders: changes,
  authority: text,
})
const rewrite = fc.oneof(
  fc.record({ kind: fc.constantFrom('full', 'matched'), value: text }),
  fc.record({ kind: kind('regex'), pattern: text, substitution: text }),
)
const action = fc.oneof(
  fc.record({
    kind: kind('forward'),
    backends: list(weighted, 1),
    rewrite: optional(rewrite),
    authority: text,
    persistence: optional(
      fc.record({
        by: fc.constantFrom('cookie', 'header'),
        name: text,
        absoluteTimeoutMs: optional(uint32),
        idleTimeoutMs: optional(uint32),
        isPermanent: flag,
      }),
    ),
  }),
  fc.record({
    kind: kind('redirect'),
    statusCode: fc.integer({ min: 300, max: 399 }),
    scheme: text,
    authority: text,
    port: optional(port),
    path: optional(rewrite),
  }),
  fc.record({ kind: kind('respond'), statusCode: status, body: bytes }),
)
const match = fc.record({
  name: text,
  path: optional(fc.record({ kind: fc.constantFrom('exact', 'prefix', 'segments', 'regex'), value: text })),
  ignorePathCase: flag,
  scheme: optional(textMatch),
  method: optional(textMatch),
  authority: optional(textMatch),
  headers: list(named),
  withoutHeaders: list(named),
  query: list(named),
  claims: list(fc.record({ path: list(word, 1), match: textMatch })),
  source: optional(source),
})
const httpRule: fc.Arbitrary<HttpRule> = fc.record({
  origin: text,
  name: text,
  matches: list(match),
  action,
  requestHeaders: changes,
  responseHeaders: changes,
  cors: optional(
    fc.record({
      origins: list(textMatch),
      methods: list(word),
      headers: list(word),
      exposeHeaders: list(word),
      maxAgeMs: optional(uint32),
      allowCredentials: flag,
      unmatchedPreflights: fc.constantFrom('forward', 'ignore'),
    }),
  ),
  fault: optional(
    fc.record({
      delay: optional(fc.record({ percent, durationMs: uint32 })),
      abort: optional(
        fc.record({
          percent,
          status: fc.oneof(
            fc.record({ kind: kind('http'), code: fc.integer({ min: 200, max: 599 }) }),
            fc.record({ kind: kind('grpc'), code: fc.nat({ max: 16 }) }),
          ),
        }),
      ),
    }),
  ),
  mirrors: list(fc.record({ to: backend, percent })),
  timeoutMs: optional(positive),
  retry: optional(
    fc.record({
      attempts: positive,
      on: list(fc.constantFrom(...RETRY_CONDITIONS)),
      statusCodes: list(status),
      perTryTimeoutMs: optional(positive),
      backoff: fc.record({ baseMs: uint32, longestMs: uint32 }),
      avoidsPreviousHosts: flag,
      usesRemoteLocalities: flag,
    }),
  ),
})
const tcpRule: fc.Arbitrary<TcpRule> = fc.record({
  origin: text,
  matches: list(fc.record({ sniHosts: list(word), destinations: list(cidr), source: optional(source) })),
  backends: list(weighted, 1),
})

export const routes: fc.Arbitrary<Routes> = fc.record({
  ...service,
  port,
  http: optional(list(httpRule)),
  tcp: optional(list(tcpRule)),
})

export const workloadLabels: fc.Arbitrary<WorkloadLabels> = fc.record({ uid: word, labels })

const tableSize = fc.integer({ min: 1, max: 8_388_608 })
const hash = fc.record({
  kind: kind('hash'),
  key: fc.oneof(
    fc.record({ kind: fc.constantFrom('header', 'query'), name: word }),
    fc.record({ kind: kind('source-ip') }),
    fc.record({ kind: kind('cookie'), name: word, path: text, lifeMs: optional(uint32) }),
  ),
  table: fc.oneof(
    fc.record({ kind: kind('ring'), minimumSize: tableSize }),
    fc.record({ kind: kind('maglev'), size: tableSize }),
  ),
})
const locality = fc.oneof(
  fc.record({ kind: fc.constantFrom('service', 'off') }),
  fc.record({
    kind: kind('distribute'),
    rules: list(fc.record({ from: word, to: list(fc.record({ locality: word, weight: uint32 })) })),
  }),
  fc.record({ kind: kind('failover'), regions: list(fc.record({ from: word, to: word })) }),
  fc.record({ kind: kind('priority'), labels: list(word) }),
)
const share = fc.nat({ max: 100 })

export const cluster: fc.Arbitrary<Cluster> = fc.record({
  ...service,
  port,
  subset: text,
  labels,
  policy: fc.record({
    balancing: fc.oneof(
      fc.record({ kind: fc.constantFrom('least-request', 'round-robin', 'random', 'passthrough') }),
      hash,
    ),
    warmup: optional(fc.record({ durationMs: positive, minimumPercent: percent, aggression: fc.nat({ max: 1_000 }) })),
    locality,
    pool: fc.record({
      connectTimeoutMs: positive,
      maxConnections: optional(uint32),
      maxConnectionAgeMs: optional(uint32),
      tcpIdleTimeoutMs: uint32,
      keepalive: optional(fc.record({ probes: uint32, timeMs: uint32, intervalMs: uint32 })),
      maxPendingRequests: optional(uint32),
      maxRequests: optional(uint32),
      maxRequestsPerConnection: optional(positive),
      maxRetries: optional(uint32),
      maxConcurrentStreams: optional(positive),
      httpIdleTimeoutMs: uint32,
      upgrade: fc.constantFrom('default', 'never', 'always', 'as-client'),
      http2Keepalive: optional(fc.record({ intervalMs: uint32, timeoutMs: uint32 })),
    }),
    outliers: optional(
      fc.record({
        consecutive5xx: uint32,
        consecutiveGatewayErrors: uint32,
        splitsLocalErrors: flag,
        consecutiveLocalFailures: uint32,
        intervalMs: positive,
        baseEjectionMs: positive,
        maxEjectionMs: positive,
        maxEjectionPercent: share,
        minHealthPercent: share,
      }),
    ),
    tls: optional(
      fc.record({
        mode: fc.constantFrom('simple', 'mutual'),
        sni: text,
        subjectAltNames: list(word),
        caFile: text,
        certificateFile: text,
        keyFile: text,
        skipsVerification: flag,
      }),
    ),
    retryBudget: optional(fc.record({ percent, minimum: uint32 })),
  }),
})

const anyOf = <T>(one: fc.Arbitrary<T>) => fc.record({ any: list(one), none: list(one) })
const targets = list(
  fc.oneof(fc.record({ kind: kind('waypoint') }), fc.record({ kind: kind('service'), ...service })),
  1,
)
const account = fc.record({ namespace: word, serviceAccount: word })
const token = fc.record({ issuer: textMatch, subject: textMatch })
const policyPath = fc.oneof(textMatch, fc.record({ kind: kind('template'), value: text }))
const withFact = <const K extends string, T>(facts: fc.Arbitrary<K>, one: fc.Arbitrary<T>) =>
  fc.record({ kind: facts, any: list(one), none: list(one) })
const condition: fc.Arbitrary<RequestCondition> = fc.oneof(
  fc.record({ kind: kind('header'), name: word, any: list(textMatch), none: list(textMatch) }),
  fc.record({ kind: kind('claim'), path: list(word, 1), any: list(textMatch), none: list(textMatch) }),
  withFact(fc.constantFrom(...TEXT_FACTS), textMatch),
  withFact(fc.constantFrom(...NETWORK_FACTS), cidr),
  withFact(kind('destination-port'), port),
  withFact(kind('request-principal'), token),
  withFact(kind('service-account'), account),
)

export const requestPolicy: fc.Arbitrary<RequestPolicy> = fc.record({
  namespace: word,
  name: word,
  targets,
  action: fc.constantFrom('allow', 'deny', 'audit'),
  dryRun: flag,
  rules: list(
    fc.record({
      from: list(
        fc.record({
          principals: anyOf(textMatch),
          namespaces: anyOf(textMatch),
          serviceAccounts: anyOf(account),
          trustDomains: anyOf(textMatch),
          requestPrincipals: anyOf(token),
          ips: anyOf(cidr),
          remoteIps: anyOf(cidr),
        }),
      ),
      to: list(
        fc.record({
          hosts: anyOf(textMatch),
          ports: anyOf(port),
          methods: anyOf(textMatch),
          paths: anyOf(policyPath),
        }),
      ),
      when: list(condition),
    }),
  ),
})

export const tokenPolicy: fc.Arbitrary<TokenPolicy> = fc.record({
  namespace: word,
  name: word,
  targets,
  issuers: list(
    fc.record({
      issuer: word,
      audiences: list(word),
      keys: fc.oneof(
        fc.record({ kind: kind('inline'), jwks: word }),
        fc.record({ kind: kind('remote'), uri: word, timeoutMs: positive }),
        fc.record({ kind: kind('discovered'), timeoutMs: positive }),
      ),
      locations: list(
        fc.oneof(
          fc.record({ kind: kind('header'), name: word, prefix: text }),
          fc.record({ kind: fc.constantFrom('query', 'cookie'), name: word }),
        ),
      ),
      forwardsToken: flag,
      payloadHeader: text,
      claimHeaders: list(fc.record({ name: word, claim: list(word, 1) })),
      spacedClaims: list(word),
    }),
    1,
  ),
})

export const rateLimit: fc.Arbitrary<RateLimit> = fc.record({
  namespace: word,
  name: word,
  targets,
  limits: list(
    fc.record({
      methods: list(word),
      paths: list(policyPath),
      headers: list(named),
      per: list(
        fc.oneof(
          fc.record({ kind: fc.constantFrom('identity', 'source-ip') }),
          fc.record({ kind: kind('header'), name: word }),
          fc.record({ kind: kind('claim'), path: list(word, 1) }),
        ),
      ),
      requests: positive,
      windowMs: positive,
      burst: positive,
    }),
    1,
  ),
})

export const telemetry: fc.Arbitrary<ServiceTelemetry> = fc.record({
  ...service,
  accessLog: fc.record({ isDisabled: flag, providers: list(word), filter: text }),
  tracing: fc.record({
    isDisabled: flag,
    providers: list(word),
    samplingPercent: optional(percent),
    tags: list(
      fc.record({
        name: word,
        value: fc.oneof(
          fc.record({ kind: kind('literal'), value: text }),
          fc.record({ kind: fc.constantFrom('header', 'environment'), name: word, missing: text }),
        ),
      }),
    ),
  }),
  metrics: list(
    fc.record({
      provider: text,
      metric: text,
      mode: fc.constantFrom('client', 'server', 'both'),
      isDisabled: optional(flag),
      tags: list(fc.record({ name: word, expression: text })),
    }),
  ),
})
