import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatProblem, type HTTPRoute, meshKinds, readApiObject, readObjects, type VirtualService } from '#shared/k8s'
import { parseDurationMs } from '../../../../src/shared/k8s/durations.ts'

const read = (yaml: string) => readObjects(yaml, 'in.yaml')
const problems = (kind: string, spec: string): readonly string[] => {
  const reader = meshKinds.find((each) => each.kind === kind)
  const { problems: found } = read(
    `apiVersion: ${reader?.apiVersions[0]}\nkind: ${kind}\nmetadata: { name: a }\nspec: ${spec}`,
  )
  return found.map(formatProblem)
}

describe('times', () => {
  it.each([
    ['10s', 10_000],
    ['1h30m', 5_400_000],
    ['2.5s', 2_500],
    ['100ms', 100],
    ['0s', 0],
    ['0', 0],
    ['10us', 1],
    ['1000h', 3_600_000_000],
  ])('%s are %i ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms)
  })

  it.each(['', '10', 's', '-1s', '1d', '1s ', '1e3s', '9999h', `${'1s'.repeat(40)}`])('%j is none', (text) => {
    expect(parseDurationMs(text)).toBeUndefined()
  })

  it('are read from any text in bounded time, to a number that fits or to nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^(\d{1,9}(ms|s|m|h)){1,4}$/)), (text) => {
        const ms = parseDurationMs(text)
        expect(ms === undefined || (Number.isInteger(ms) && ms >= 0 && ms <= 0xffff_ffff)).toBe(true)
      }),
    )
  })
})

describe('kinds of routes and policies', () => {
  it.each([
    [
      'HTTPRoute',
      '{ rules: [{ matches: [{ path: { value: items } }] }] }',
      /:4: spec\.rules\[0\]\.matches\[0\]\.path\.value: must begin with \//,
    ],
    [
      'HTTPRoute',
      '{ rules: [{ timeouts: { request: 1s, backendRequest: 2s } }] }',
      /timeouts\.backendRequest: must not be longer than request/,
    ],
    ['HTTPRoute', '{ rules: [{ timeouts: { request: soon } }] }', /timeouts\.request: must be a time such as 10s/],
    [
      'HTTPRoute',
      '{ parentRefs: [{ name: a, port: 0 }] }',
      /spec\.parentRefs\[0\]\.port: must be a whole number from 1 to 65535/,
    ],
    [
      'HTTPRoute',
      '{ rules: [{ sessionPersistence: { cookieConfig: { lifetimeType: Permanent } } }] }',
      /absoluteTimeout: is missing for a permanent cookie/,
    ],
    [
      'VirtualService',
      '{ http: [{ match: [{ uri: { exact: a, prefix: b } }], redirect: {} }] }',
      /uri: is only one of exact, prefix and regex/,
    ],
    ['VirtualService', '{ http: [{ rout: [], redirect: {} }] }', /spec\.http\[0\]\.rout: unknown field/],
    [
      'VirtualService',
      '{ http: [{ redirect: { port: 1, derivePort: FROM_REQUEST_PORT } }] }',
      /derivePort: cannot stand beside port/,
    ],
    ['VirtualService', '{ tls: [{ match: [{ port: 1 }] }] }', /spec\.tls\[0\]\.match\[0\]\.sniHosts: is missing/],
    [
      'VirtualService',
      '{ http: [{ fault: { delay: { fixedDelay: 1s, percentage: { value: 101 } } }, redirect: {} }] }',
      /percentage\.value: must be from 0 to 100/,
    ],
    [
      'DestinationRule',
      '{ host: a, subsets: [{ name: b }, { name: b }] }',
      /spec\.subsets\[1\]\.name: is the same as of spec\.subsets\[0\]/,
    ],
    [
      'DestinationRule',
      '{ host: a, trafficPolicy: { loadBalancer: { consistentHash: {} } } }',
      /consistentHash: needs exactly one of/,
    ],
    [
      'DestinationRule',
      '{ host: a, trafficPolicy: { loadBalancer: { localityLbSetting: { distribute: [{ from: a, to: { b: 60 } }] } } } }',
      /to: must sum up to 100, is 60/,
    ],
    [
      'DestinationRule',
      '{ host: a, trafficPolicy: { tls: { mode: MUTUAL } } }',
      /tls: needs clientCertificate and privateKey/,
    ],
    ['RequestAuthentication', '{ jwtRules: [{ issuer: a, jwksUri: "ftp://x" }] }', /jwksUri: is no http\(s\) URL/],
    [
      'RequestAuthentication',
      '{ selector: {}, targetRefs: [{ kind: Service, name: a }] }',
      /spec\.selector: cannot stand beside targetRefs/,
    ],
    [
      'Telemetry',
      '{ tracing: [{ randomSamplingPercentage: 200 }] }',
      /randomSamplingPercentage: must be from 0 to 100/,
    ],
    [
      'RateLimit',
      '{ targetRefs: [{ kind: Service, name: a }], limits: [{ requests: 1, window: 1s, per: [everybody] }] }',
      /per\[0\]: is none of identity/,
    ],
  ])('%s %s is refused by field', (kind, spec, problem) => {
    expect(problems(kind, spec)).toEqual([expect.stringMatching(problem)])
  })

  it('name the fields that are known and not honoured, and take the object', () => {
    const { objects } = read(
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec: { hosts: [a], http: [{ match: [{ statPrefix: x }], redirect: {} }] }',
    )
    const [object] = objects as readonly VirtualService[]
    expect(object?.spec.notes).toEqual([{ path: 'spec.http[0].match[0].statPrefix', reason: 'metrics have no prefix' }])
  })

  it('have a match of everything where nothing is said', () => {
    const { objects } = read(
      'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: a }\nspec: { rules: [{}] }',
    )
    const [object] = objects as readonly HTTPRoute[]
    expect(object?.spec.rules[0]?.matches).toEqual([
      { path: { type: 'PathPrefix', value: '/' }, headers: [], queryParams: [], method: '' },
    ])
  })

  const kinds = [
    'HTTPRoute',
    'GRPCRoute',
    'TCPRoute',
    'TLSRoute',
    'VirtualService',
    'DestinationRule',
    'RequestAuthentication',
    'Telemetry',
    'RateLimit',
  ]
  it.each(kinds)('are read from any document without throwing: %s', (kind) => {
    const reader = meshKinds.find((each) => each.kind === kind)
    if (reader === undefined) throw new Error(kind)
    const keys = fc.constantFrom(
      ...[
        'rules',
        'http',
        'tls',
        'tcp',
        'match',
        'matches',
        'route',
        'filters',
        'type',
        'headers',
        'timeout',
        'retries',
      ],
      ...[
        'host',
        'hosts',
        'trafficPolicy',
        'loadBalancer',
        'jwtRules',
        'tracing',
        'limits',
        'parentRefs',
        'backendRefs',
        '__proto__',
      ],
    )
    const { spec } = fc.letrec((tie) => ({
      spec: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.dictionary(keys, tie('spec')),
        fc.array(tie('spec'), { maxLength: 2 }),
      ),
    }))
    fc.assert(
      fc.property(spec, (value) => {
        const document = { apiVersion: reader.apiVersions[0], kind, metadata: { name: 'a' }, spec: value }
        expect(['read', 'rejected']).toContain(readApiObject(document, reader).kind)
      }),
      { numRuns: 200 },
    )
  })
})
