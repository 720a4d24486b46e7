import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { DEFAULT_RETRY, DEFAULT_TRAFFIC_POLICY, type RequestPolicy } from '#shared/l7'
import {
  clusterType,
  rateLimitType,
  requestPolicyType,
  routesType,
  telemetryType,
  tokenPolicyType,
  workloadLabelsType,
} from '#shared/xds'
import * as arbitraries from './waypoint-arbitraries.ts'
import { type Field, message } from './wire-bytes.ts'

/** A type with its values; `check` runs with both of the same sort. */
interface Family {
  readonly name: string
  readonly decode: (bytes: Uint8Array) => unknown
  readonly encoded: fc.Arbitrary<{ readonly value: unknown; readonly bytes: Uint8Array }>
}

const family = <T>(
  name: string,
  type: { encode(value: T): Uint8Array; decode(bytes: Uint8Array): T },
  values: fc.Arbitrary<T>,
): Family => ({
  name,
  decode: (bytes) => type.decode(bytes),
  encoded: values.map((value) => ({ value, bytes: type.encode(value) })),
})

const families: readonly Family[] = [
  family('routes', routesType, arbitraries.routes),
  family('clusters', clusterType, arbitraries.cluster),
  family('labels', workloadLabelsType, arbitraries.workloadLabels),
  family('request policies', requestPolicyType, arbitraries.requestPolicy),
  family('token policies', tokenPolicyType, arbitraries.tokenPolicy),
  family('rate limits', rateLimitType, arbitraries.rateLimit),
  family('telemetry', telemetryType, arbitraries.telemetry),
]

const invalid = expect.objectContaining({ code: 'RESOURCE_INVALID' })

describe('what a waypoint is told', () => {
  it.each(families)('is read back as it was written: $name', ({ encoded, decode }) => {
    fc.assert(
      fc.property(encoded, ({ value, bytes }) => {
        expect(decode(bytes)).toEqual(value)
      }),
      { numRuns: 150 },
    )
  })

  it.each(families)(
    'gives a value or says what is wrong, whatever becomes of its bytes: $name',
    ({ encoded, decode }) => {
      const edit = fc.record({ at: fc.nat(4096), cut: fc.nat(8), put: fc.uint8Array({ maxLength: 8 }) })
      const spoilt = fc.tuple(encoded, fc.array(edit, { maxLength: 4 })).map(([{ bytes }, edits]) => {
        let whole = Buffer.from(bytes)
        for (const { at, cut, put } of edits) {
          const place = at % (whole.length + 1)
          whole = Buffer.concat([whole.subarray(0, place), put, whole.subarray(place + cut)])
        }
        return whole
      })
      fc.assert(
        fc.property(spoilt, (bytes) => {
          try {
            decode(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(MeshError)
            expect(error).toEqual(invalid)
          }
        }),
        { numRuns: 300 },
      )
    },
  )

  const PORT: Field = [3, 80]
  const SERVICE: readonly Field[] = [
    [1, 'shop'],
    [2, 'cart.shop'],
  ]
  const reasons: readonly [string, () => unknown, RegExp][] = [
    ['a service without a name', () => routesType.decode(message([1, 'shop'], PORT)), /^hostname is missing$/],
    [
      'a port that is none',
      () => routesType.decode(message(...SERVICE, [3, 70_000])),
      /^port is no number from 1 to 65535$/,
    ],
    [
      'a rule without an action',
      () => routesType.decode(message(...SERVICE, PORT, [4, [[1, [[1, 'x']]]]])),
      /^http\.rules\[0\]\.action is missing$/,
    ],
    [
      'an action that is none of the known',
      () => routesType.decode(message(...SERVICE, PORT, [4, [[1, [[4, []]]]]])),
      /^http\.rules\[0\]\.action has none of forward, redirect, respond$/,
    ],
    [
      'an action that is two at once',
      () =>
        routesType.decode(
          message(...SERVICE, PORT, [
            4,
            [
              [
                1,
                [
                  [
                    4,
                    [
                      [2, [[1, 301]]],
                      [3, [[1, 200]]],
                    ],
                  ],
                ],
              ],
            ],
          ]),
        ),
      /^http\.rules\[0\]\.action has several of forward, redirect, respond$/,
    ],
    [
      'a way without backends',
      () => routesType.decode(message(...SERVICE, PORT, [4, [[1, [[4, [[1, []]]]]]]])),
      /^http\.rules\[0\]\.action\.forward\.backends is empty$/,
    ],
    [
      'an action of policies that is not known',
      () => requestPolicyType.decode(message([1, 'shop'], [2, 'p'], [3, [[1, []]]], [4, 9])),
      /^action is unknown: 9$/,
    ],
    [
      'a policy for nothing',
      () => requestPolicyType.decode(message([1, 'shop'], [2, 'p'], [4, 1])),
      /^targets is empty$/,
    ],
  ]
  it.each(reasons)('is refused by the name of what is wrong: %s', (_, decode, reason) => {
    expect(decode).toThrow(
      expect.objectContaining({ code: 'RESOURCE_INVALID', message: expect.stringMatching(reason) }),
    )
  })

  it('may have ten thousand items in a list, and no more', () => {
    const named = (count: number) =>
      workloadLabelsType.encode({
        uid: 'u',
        labels: Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, ''])),
      })
    expect(() => workloadLabelsType.decode(named(10_000))).not.toThrow()
    expect(() => workloadLabelsType.decode(named(10_001))).toThrow(/labels has more than 10000 entries/)
  })

  it('costs little where nothing is said: defaults of a cluster and of retries are some dozen bytes', () => {
    const policy = DEFAULT_TRAFFIC_POLICY
    const cluster = { namespace: 'n', hostname: 'h', port: 80, subset: '', labels: {}, policy }
    expect(clusterType.encode(cluster).length).toBeLessThan(48)
    const action = { kind: 'respond', statusCode: 200, body: new Uint8Array() } as const
    const none = { set: [], add: [], remove: [] }
    const rule = { origin: '', name: '', matches: [], action, requestHeaders: none, responseHeaders: none } as const
    const rest = { cors: undefined, fault: undefined, mirrors: [], timeoutMs: undefined, retry: DEFAULT_RETRY }
    const routes = { namespace: 'n', hostname: 'h', port: 80, http: [{ ...rule, ...rest }], tcp: undefined }
    expect(routesType.encode(routes).length).toBeLessThan(48)
  })
})

describe('a policy that cannot be read', () => {
  const encode = (policy: RequestPolicy): Uint8Array => requestPolicyType.encode(policy)
  const policy: RequestPolicy = {
    namespace: 'shop',
    name: 'only-web',
    targets: [{ kind: 'service', namespace: 'shop', hostname: 'cart.shop.svc.cluster.local' }],
    action: 'allow',
    dryRun: false,
    rules: [],
  }
  const all = [{ from: [], to: [], when: [] }]

  it('stands for one that lets nobody in at its targets', () => {
    expect(requestPolicyType.standIn?.(encode(policy))).toEqual({ ...policy, action: 'deny', rules: all })
  })

  it('stands for one that lets nobody in at all when its targets cannot be read either', () => {
    const broken = { ...policy, targets: [{ kind: 'service', namespace: '', hostname: '' }] } as RequestPolicy
    expect(requestPolicyType.standIn?.(encode(broken))).toMatchObject({
      targets: [{ kind: 'waypoint' }],
      action: 'deny',
    })
  })

  it.each([
    { what: 'one that only tells', given: { ...policy, action: 'audit' } as RequestPolicy },
    { what: 'a dry run', given: { ...policy, dryRun: true } },
  ])('stands for nothing when it is $what', ({ given }) => {
    expect(requestPolicyType.standIn?.(encode(given))).toBeUndefined()
  })

  it('stands for nothing when it is no message', () => {
    expect(requestPolicyType.standIn?.(Buffer.from([0xff, 0xff, 0xff]))).toBeUndefined()
  })
})
