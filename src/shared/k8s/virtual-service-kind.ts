import {
  flag,
  integer,
  isRecord,
  list,
  oneOf,
  optional,
  pairs,
  record,
  type Shape,
  shown,
  text,
  textMap,
} from '#shared/document'
import { type KindBody, MAX_PORT } from './core-kinds.ts'
import { durationMs } from './durations.ts'
import { notHonoured, withNotes } from './notes.ts'
import type {
  IstioCors,
  IstioDestination,
  IstioFault,
  IstioHeaders,
  IstioHttpDestination,
  IstioHttpMatch,
  IstioHttpRoute,
  IstioRedirect,
  IstioRetries,
  IstioRewrite,
  IstioStreamMatch,
  IstioStringMatch,
  VirtualService,
} from './traffic-types.ts'

const MAX_WEIGHT = 0x7fff_ffff
/** Istio's bound of a direct answer. */
const MAX_BODY_BYTES = 1_048_576

const stringFields = record({ exact: optional(text()), prefix: optional(text()), regex: optional(text()) }, 'closed')
export const stringMatch: Shape<IstioStringMatch> = (value, path, report) => {
  const { exact, prefix, regex } = stringFields(value, path, report)
  const given = [exact, prefix, regex].filter((part) => part !== undefined)
  if (given.length > 1) report(path, 'is only one of exact, prefix and regex')
  if (exact !== undefined) return { kind: 'exact', value: exact }
  if (prefix !== undefined) return { kind: 'prefix', value: prefix }
  return regex === undefined ? { kind: 'any', value: '' } : { kind: 'regex', value: regex }
}

/** A name without anything behind it means that it is there. */
const presentMatch: Shape<IstioStringMatch> = (value, path, report) => stringMatch(value ?? {}, path, report)

export const percentage: Shape<number> = (value, path, report) => {
  const { value: percent } = record({ value: (given: unknown) => given ?? 0 }, 'closed')(value, path, report)
  if (typeof percent === 'number' && percent >= 0 && percent <= 100) return percent
  report([...path, 'value'], `must be from 0 to 100, is ${shown(percent)}`)
  return 0
}

const port = record({ number: integer(1, MAX_PORT) }, 'closed')
const destinationFields = record({ host: text(), subset: text(''), port: optional(port) }, 'closed')
export const destination: Shape<IstioDestination> = (value, path, report) => {
  const { port: given, ...rest } = destinationFields(value, path, report)
  return { ...rest, port: given?.number }
}

const operations = record({ set: textMap, add: textMap, remove: list(text()) }, 'closed')
const headers: Shape<IstioHeaders> = record({ request: operations, response: operations }, 'closed')
const weight: Shape<number> = (value, path, report) =>
  value === undefined ? 0 : integer(0, MAX_WEIGHT)(value, path, report)
const httpDestination: Shape<IstioHttpDestination> = record(
  { destination, weight, headers: optional(headers) },
  'closed',
)

const sourceFields = {
  port: optional(integer(1, MAX_PORT)),
  gateways: list(text()),
  sourceLabels: textMap,
  sourceNamespace: text(''),
}
const httpMatch: Shape<IstioHttpMatch> = record(
  {
    name: text(''),
    uri: optional(stringMatch),
    ignoreUriCase: flag,
    scheme: optional(stringMatch),
    method: optional(stringMatch),
    authority: optional(stringMatch),
    headers: pairs(presentMatch),
    withoutHeaders: pairs(presentMatch),
    queryParams: pairs(presentMatch),
    ...sourceFields,
    statPrefix: notHonoured('metrics have no prefix'),
  },
  'closed',
)

const redirectFields = record(
  {
    uri: text(''),
    authority: text(''),
    port: optional(integer(1, MAX_PORT)),
    derivePort: optional(oneOf(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'], undefined)),
    scheme: text(''),
    redirectCode: optional(integer(300, 399)),
  },
  'closed',
)
const redirect: Shape<IstioRedirect> = (value, path, report) => {
  const { redirectCode, ...rest } = redirectFields(value, path, report)
  if (rest.port !== undefined && rest.derivePort !== undefined)
    report([...path, 'derivePort'], 'cannot stand beside port')
  return { ...rest, redirectCode: redirectCode ?? 301 }
}

const bodyFields = record({ string: optional(text()), bytes: optional(text()) }, 'closed')
const body: Shape<Uint8Array> = (value, path, report) => {
  const { string, bytes } = bodyFields(value, path, report)
  const read = string === undefined ? Buffer.from(bytes ?? '', 'base64') : Buffer.from(string)
  if (read.length > MAX_BODY_BYTES) report(path, `is longer than ${MAX_BODY_BYTES} bytes`)
  return Uint8Array.from(read)
}
const directFields = record({ status: integer(200, 599), body: optional(body) }, 'closed')

const rewrite: Shape<IstioRewrite> = record(
  {
    uri: text(''),
    authority: text(''),
    uriRegexRewrite: optional(record({ match: text(), rewrite: text('') }, 'closed')),
  },
  'closed',
)

const retryFields = record(
  {
    attempts: optional(integer(0, 1_000)),
    perTryTimeout: optional(durationMs),
    retryOn: text(''),
    retryRemoteLocalities: flag,
    retryIgnorePreviousHosts: optional(flag),
    backoff: optional(durationMs),
  },
  'closed',
)
const retries: Shape<IstioRetries> = (value, path, report) => {
  const { attempts, perTryTimeout, backoff, ...rest } = retryFields(value, path, report)
  return { ...rest, attempts: attempts ?? 0, perTryTimeoutMs: perTryTimeout, backoffMs: backoff }
}

const wholePercent = optional(integer(0, 100))
const faultFields = record(
  {
    delay: optional(
      record({ percentage: optional(percentage), percent: wholePercent, fixedDelay: durationMs }, 'closed'),
    ),
    abort: optional(
      record(
        {
          percentage: optional(percentage),
          httpStatus: optional(integer(200, 599)),
          grpcStatus: text(''),
          http2Error: notHonoured('streams are not reset on purpose'),
        },
        'closed',
      ),
    ),
  },
  'closed',
)
const fault: Shape<IstioFault> = (value, path, report) => {
  const { delay, abort } = faultFields(value, path, report)
  return {
    // Nothing said is nothing broken: a percentage that is missing is 0.
    delay: delay && { percent: delay.percentage ?? delay.percent ?? 0, fixedDelayMs: delay.fixedDelay },
    abort: abort && { percent: abort.percentage ?? 0, httpStatus: abort.httpStatus, grpcStatus: abort.grpcStatus },
  }
}

const corsFields = record(
  {
    allowOrigin: list(text()),
    allowOrigins: list(stringMatch),
    allowMethods: list(text()),
    allowHeaders: list(text()),
    exposeHeaders: list(text()),
    maxAge: optional(durationMs),
    allowCredentials: optional(flag),
    unmatchedPreflights: oneOf(['UNSPECIFIED', 'FORWARD', 'IGNORE'], 'UNSPECIFIED'),
  },
  'closed',
)
const cors: Shape<IstioCors> = (value, path, report) => {
  const { allowOrigin, allowOrigins, maxAge, allowCredentials, ...rest } = corsFields(value, path, report)
  const old = allowOrigin.map((origin): IstioStringMatch => ({ kind: origin === '*' ? 'any' : 'exact', value: origin }))
  return {
    ...rest,
    allowOrigins: [...allowOrigins, ...old],
    maxAgeMs: maxAge,
    allowCredentials: allowCredentials === true,
  }
}

const mirrorFields = record({ destination, percentage: optional(percentage) }, 'closed')
const httpFields = record(
  {
    name: text(''),
    match: list(httpMatch),
    route: list(httpDestination),
    redirect: optional(redirect),
    directResponse: optional(directFields),
    delegate: optional(record({ name: text(), namespace: text('') }, 'closed')),
    rewrite: optional(rewrite),
    timeout: optional(durationMs),
    retries: optional(retries),
    fault: optional(fault),
    mirror: optional(destination),
    mirrorPercent: wholePercent,
    mirror_percent: wholePercent,
    mirrorPercentage: optional(percentage),
    mirrors: list(mirrorFields),
    corsPolicy: optional(cors),
    headers: optional(headers),
  },
  'closed',
)
const httpRoute: Shape<IstioHttpRoute> = (value, path, report) => {
  const { timeout, mirror, mirrorPercent, mirror_percent, mirrorPercentage, directResponse, ...rest } = httpFields(
    value,
    path,
    report,
  )
  const actions = ['route', 'redirect', 'directResponse', 'delegate'].filter(
    (field) => isRecord(value) && value[field] !== undefined && value[field] !== null,
  )
  if (actions.length !== 1)
    report(
      path,
      `needs exactly one of route, redirect, directResponse and delegate; has ${actions.join(', ') || 'none'}`,
    )
  if (mirror !== undefined && rest.mirrors.length > 0) report([...path, 'mirrors'], 'cannot stand beside mirror')
  const mirrors = rest.mirrors.map((one) => ({ destination: one.destination, percent: one.percentage ?? 100 }))
  const percent = mirrorPercentage ?? mirrorPercent ?? mirror_percent ?? 100
  return {
    ...rest,
    directResponse: directResponse && { status: directResponse.status, body: directResponse.body ?? new Uint8Array() },
    timeoutMs: timeout,
    mirrors: mirror === undefined ? mirrors : [{ destination: mirror, percent }],
  }
}

const streamDestination = record({ destination, weight }, 'closed')
const streamFields = {
  destinationSubnets: list(text()),
  sourceSubnet: notHonoured('sources are told by namespace and labels'),
  ...sourceFields,
}
const tcpMatchFields = record(streamFields, 'closed')
const tcpMatch: Shape<IstioStreamMatch> = (value, path, report) => {
  const { sourceSubnet: _, ...rest } = tcpMatchFields(value, path, report)
  return { sniHosts: [], ...rest }
}
const tlsMatchFields = record({ sniHosts: list(text()), ...streamFields }, 'closed')
const tlsMatch: Shape<IstioStreamMatch> = (value, path, report) => {
  const { sourceSubnet: _, ...rest } = tlsMatchFields(value, path, report)
  if (rest.sniHosts.length === 0) report([...path, 'sniHosts'], 'is missing')
  return rest
}

const virtualService = record(
  {
    hosts: list(text()),
    gateways: list(text()),
    http: list(httpRoute),
    tls: list(record({ match: list(tlsMatch), route: list(streamDestination) }, 'closed')),
    tcp: list(record({ match: list(tcpMatch), route: list(streamDestination) }, 'closed')),
    exportTo: list(text()),
  },
  'closed',
)

export const virtualServiceBody: KindBody<Pick<VirtualService, 'spec'>> = (document, report) => {
  const { value, notes } = withNotes(virtualService, document.spec ?? {}, ['spec'], report)
  return { spec: { ...value, notes } }
}
