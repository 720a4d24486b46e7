import {
  type Backend,
  type CorsPolicy,
  type FaultPolicy,
  type FaultStatus,
  type HeaderChanges,
  type HttpAction,
  type HttpMatch,
  type HttpRule,
  type Mirror,
  type NamedMatch,
  type PathMatch,
  type PathRewrite,
  RETRY_CONDITIONS,
  type RetryPolicy,
  type Routes,
  type SessionPersistence,
  type SourceMatch,
  type TcpMatch,
  type TcpRule,
  type TextMatch,
  type WeightedBackend,
} from '#shared/l7'
import { type Cidr, cidrFromBytes } from '#shared/net'
import { invalid } from './wire-fields.ts'
import {
  bytes,
  count,
  flag,
  list,
  nothing,
  oneOf,
  optional,
  quantity,
  single,
  struct,
  text,
  textMap,
  union,
  type WireShape,
  word,
} from './wire-shape.ts'

/** The parts of waypoint-routes.proto, field by field under the same names. */

const MAX_UINT32 = 0xffff_ffff
export const uint32: WireShape<number> = count(0, MAX_UINT32)
/** A limit or time that means something. */
export const positive: WireShape<number> = count(1, MAX_UINT32)
export const portNumber: WireShape<number> = count(1, 65_535)
export const percent: WireShape<number> = quantity(0, 100)
const statusCode = count(100, 599)

export const textMatch: WireShape<TextMatch> = union<TextMatch>({
  exact: single(text),
  prefix: single(text),
  suffix: single(text),
  regex: single(text),
  presence: nothing,
})

export const namedMatch: WireShape<NamedMatch> = struct<NamedMatch>({ name: word, match: textMatch })

export const cidr: WireShape<Cidr> = {
  write: ({ network, prefixBits }) => ({ network, prefixBits }),
  read(value, at) {
    const { network, prefixBits } = struct<Omit<Cidr, 'family'>>({ network: bytes, prefixBits: count(0, 128) }).read(
      value,
      at,
    )
    const read = cidrFromBytes(network, prefixBits)
    if (read === undefined) throw invalid(`${at} is no network`)
    return read
  },
}

const source = struct<SourceMatch>({ namespace: text, labels: textMap })

const pathMatch = union<PathMatch>({
  exact: single(text),
  prefix: single(text),
  segments: single(text),
  regex: single(text),
})

const httpMatch = struct<HttpMatch>({
  name: text,
  path: optional(pathMatch),
  ignorePathCase: flag,
  scheme: optional(textMatch),
  method: optional(textMatch),
  authority: optional(textMatch),
  headers: list(namedMatch),
  withoutHeaders: list(namedMatch),
  query: list(namedMatch),
  claims: list(struct({ path: list(word, 1), match: textMatch })),
  source: optional(source),
})

const headerValues = list(struct({ name: word, value: text }))
const noChanges: HeaderChanges = { set: [], add: [], remove: [] }
const writtenChanges = struct<HeaderChanges>({ set: headerValues, add: headerValues, remove: list(word) })
/** Not written at all when nothing changes, which is the rule. */
const headerChanges: WireShape<HeaderChanges> = {
  write: writtenChanges.write,
  read: (value, at) => (value === null || value === undefined ? noChanges : writtenChanges.read(value, at)),
  isZero: ({ set, add, remove }) => set.length + add.length + remove.length === 0,
}

const backend = union<Backend>({
  cluster: struct({ namespace: word, hostname: word, port: portNumber, subset: text }),
  failed: struct({ statusCode, reason: text }),
})

const weightedBackend = struct<WeightedBackend>({
  to: backend,
  weight: positive,
  requestHeaders: headerChanges,
  responseHeaders: headerChanges,
  authority: text,
})

const pathRewrite = union<PathRewrite>({
  full: single(text),
  matched: single(text),
  regex: struct({ pattern: text, substitution: text }),
})

const persistence = struct<SessionPersistence>({
  by: oneOf(['cookie', 'header']),
  name: text,
  absoluteTimeoutMs: optional(uint32),
  idleTimeoutMs: optional(uint32),
  isPermanent: flag,
})

const httpAction = union<HttpAction>({
  forward: struct({
    backends: list(weightedBackend, 1),
    rewrite: optional(pathRewrite),
    authority: text,
    persistence: optional(persistence),
  }),
  redirect: struct({
    statusCode: count(300, 399),
    scheme: text,
    authority: text,
    port: optional(portNumber),
    path: optional(pathRewrite),
  }),
  respond: struct({ statusCode, body: bytes }),
})

const cors = struct<CorsPolicy>({
  origins: list(textMatch),
  methods: list(word),
  headers: list(word),
  exposeHeaders: list(word),
  maxAgeMs: optional(uint32),
  allowCredentials: flag,
  unmatchedPreflights: oneOf(['forward', 'ignore']),
})

const faultStatus: WireShape<FaultStatus> = {
  write: ({ kind, code }) => ({ [kind]: code }),
  read(value, at) {
    const { kind, value: code } = union<{ readonly kind: 'http' | 'grpc'; readonly value: number }>({
      http: single(count(200, 599)),
      grpc: single(count(0, 16)),
    }).read(value, at)
    return { kind, code }
  },
}

const fault = struct<FaultPolicy>({
  delay: optional(struct({ percent, durationMs: uint32 })),
  abort: optional(struct({ percent, status: faultStatus })),
})

const retry = struct<RetryPolicy>({
  attempts: positive,
  on: list(oneOf(RETRY_CONDITIONS)),
  statusCodes: list(statusCode),
  perTryTimeoutMs: optional(positive),
  backoff: struct({ baseMs: uint32, longestMs: uint32 }),
  avoidsPreviousHosts: flag,
  usesRemoteLocalities: flag,
})

const httpRule = struct<HttpRule>({
  origin: text,
  name: text,
  matches: list(httpMatch),
  action: httpAction,
  requestHeaders: headerChanges,
  responseHeaders: headerChanges,
  cors: optional(cors),
  fault: optional(fault),
  mirrors: list(struct<Mirror>({ to: backend, percent })),
  timeoutMs: optional(positive),
  retry: optional(retry),
})

const tcpRule = struct<TcpRule>({
  origin: text,
  matches: list(struct<TcpMatch>({ sniHosts: list(word), destinations: list(cidr), source: optional(source) })),
  backends: list(weightedBackend, 1),
})

/** A list inside of a message of its own, so that none and an empty one differ. */
function rules<T>(shape: WireShape<T>): WireShape<readonly T[] | undefined> {
  const holder = struct<{ readonly rules: readonly T[] }>({ rules: list(shape) })
  return {
    write: (value) => (value === undefined ? undefined : holder.write({ rules: value })),
    read: (value, at) => (value === undefined || value === null ? undefined : holder.read(value, at).rules),
    isZero: (value) => value === undefined,
  }
}

export const routesShape: WireShape<Routes> = struct<Routes>({
  namespace: word,
  hostname: word,
  port: portNumber,
  http: rules(httpRule),
  tcp: rules(tcpRule),
})
