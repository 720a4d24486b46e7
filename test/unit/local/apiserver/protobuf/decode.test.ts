import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeProtobuf } from '../../../../../src/local/apiserver/protobuf/index.ts'
import { field, kubernetesBody, message, varint } from '../../../../support/protobuf-bytes.ts'

const meta = (name: string): Buffer => field(1, message(field(1, name)))
const entry = (number: number, key: string, value: string | Uint8Array): Buffer =>
  field(number, message(field(1, key), field(2, value)))

function decoded(body: Uint8Array): unknown {
  const outcome = decodeProtobuf(body)
  if (outcome.kind !== 'decoded') throw new Error(JSON.stringify(outcome))
  return outcome.object
}

describe('a protobuf body becomes the JSON form', () => {
  const container = (...fields: Uint8Array[]): Buffer => message(field(1, 'app'), ...fields)
  const pod = (...fields: Uint8Array[]): Buffer =>
    kubernetesBody('v1', 'Pod', message(meta('p'), field(2, message(...fields))))

  test.each<[string, Buffer, unknown]>([
    [
      'a config map, with texts, bytes and a flag',
      kubernetesBody(
        'v1',
        'ConfigMap',
        message(
          meta('c'),
          entry(2, 'a', '1'),
          entry(2, 'empty', ''),
          entry(3, 'b', Buffer.from([0, 255])),
          field(4, true),
        ),
      ),
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'c' },
        data: { a: '1', empty: '' },
        binaryData: { b: 'AP8=' },
        immutable: true,
      },
    ],
    [
      'quantities inside maps',
      pod(field(2, container(field(8, entry(1, 'cpu', message(field(1, '250m'))))))),
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p' },
        spec: { containers: [{ name: 'app', resources: { limits: { cpu: '250m' } } }] },
      },
    ],
    [
      'ports by number and by name, in a handler whose fields stand in the probe',
      pod(
        field(2, container(field(10, message(field(1, message(field(2, message(field(2, message(field(2, 80))))))))))),
        field(
          2,
          container(
            field(11, message(field(1, message(field(3, message(field(1, message(field(1, 1), field(3, 'http'))))))))),
          ),
        ),
      ),
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p' },
        spec: {
          containers: [
            { name: 'app', livenessProbe: { httpGet: { port: 80 } } },
            { name: 'app', readinessProbe: { tcpSocket: { port: 'http' } } },
          ],
        },
      },
    ],
    [
      'a volume, whose source stands beside its name',
      pod(field(1, message(field(1, 'v'), field(2, message(field(19, message(field(1, message(field(1, 'cm')))))))))),
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p' },
        spec: { volumes: [{ name: 'v', configMap: { name: 'cm' } }] },
      },
    ],
    [
      'the empty API group of a rule',
      kubernetesBody(
        'rbac.authorization.k8s.io/v1',
        'Role',
        message(meta('r'), field(2, message(field(1, 'get'), field(2, '')))),
      ),
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'r' },
        rules: [{ verbs: ['get'], apiGroups: [''] }],
      },
    ],
    [
      'a pointer to zero, but no plain zero',
      kubernetesBody('apps/v1', 'Deployment', message(meta('d'), field(2, message(field(1, 0), field(5, 0))))),
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec: { replicas: 0 } },
    ],
    [
      'times, and no zero time',
      kubernetesBody(
        'coordination.k8s.io/v1',
        'Lease',
        message(
          field(1, message(field(1, 'l'), field(8, message()))),
          field(2, message(field(2, 15), field(3, message(field(1, 1_700_000_000), field(2, 5_000))))),
        ),
      ),
      {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'l' },
        spec: { leaseDurationSeconds: 15, acquireTime: '2023-11-14T22:13:20.000005Z' },
      },
    ],
    [
      'a negative number',
      kubernetesBody('v1', 'Pod', message(field(1, message(field(1, 'p'), field(7, -3n))))),
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', generation: -3 } },
    ],
    [
      'delete options of any version, with fields that nobody knows',
      kubernetesBody('apps/v1', 'DeleteOptions', message(field(4, 'Foreground'), field(5, 'All'), field(400, 'new'))),
      { apiVersion: 'apps/v1', kind: 'DeleteOptions', propagationPolicy: 'Foreground', dryRun: ['All'] },
    ],
    [
      'a map key that JavaScript treats specially',
      kubernetesBody('v1', 'ConfigMap', message(entry(2, '__proto__', 'x'))),
      JSON.parse('{"apiVersion":"v1","kind":"ConfigMap","data":{"__proto__":"x"}}'),
    ],
  ])('%s', (_name, body, expected) => {
    expect(decoded(body)).toEqual(expected)
  })

  test('a kind that nobody sends as protobuf is named', () => {
    expect(decodeProtobuf(kubernetesBody('example.com/v1', 'Widget', message()))).toEqual({
      kind: 'unknown-kind',
      apiVersion: 'example.com/v1',
      kindName: 'Widget',
    })
  })
})

describe('a hostile body is refused', () => {
  const configMap = (raw: Uint8Array, ...more: Uint8Array[]): Buffer => kubernetesBody('v1', 'ConfigMap', raw, ...more)

  test.each<[string, Uint8Array, RegExp]>([
    ['that is JSON', Buffer.from('{"kind":"Pod"}'), /does not begin/],
    ['that is empty', Buffer.alloc(0), /does not begin/],
    ['whose field is longer than the body', configMap(Buffer.concat([varint(0x0a), varint(2n ** 40n)])), /cut off/],
    ['whose number does not end', configMap(Buffer.alloc(12, 0xff)), /longer than ten bytes/],
    ['whose number is cut off', configMap(Buffer.from([0x20, 0x80])), /cut off/],
    ['with field number 0', configMap(Buffer.from([0x00, 0x00])), /out of range/],
    ['with a group', configMap(Buffer.from([0x0b, 0x0c])), /wire type/],
    ['with a text that is no UTF-8', configMap(field(1, message(field(1, Buffer.from([0xc3, 0x28]))))), /UTF-8/],
    ['with a number where a message belongs', configMap(field(1, 7)), /not written as bytes/],
    ['with text where a flag belongs', configMap(field(4, 'yes')), /not written as a number/],
    ['that is compressed', configMap(message(), field(3, 'gzip')), /encoded body/],
    ['that holds JSON', configMap(message(), field(4, 'application/json')), /another media type/],
    ['with more fields than any object has', configMap(Buffer.alloc(500_000, field(9, 0))), /too many fields/],
    [
      'with a time outside the calendar',
      configMap(field(1, message(field(8, message(field(1, 10n ** 15n)))))),
      /time is out of range/,
    ],
  ])('%s', (_name, body, problem) => {
    const outcome = decodeProtobuf(body)
    expect(outcome.kind).toBe('malformed')
    if (outcome.kind === 'malformed') expect(outcome.problem).toMatch(problem)
  })

  test('schemas nested without end are cut', () => {
    let nested: Buffer = message()
    for (let depth = 0; depth < 5_000; depth++) nested = field(2, nested)
    expect(decodeProtobuf(configMap(nested)).kind).not.toBe('unknown-kind')
  })

  test('whatever the bytes, the decoder answers', () => {
    const kinds = fc.constantFrom(['v1', 'Pod'], ['apps/v1', 'Deployment'], ['v1', 'Secret'], ['policy/v1', 'Eviction'])
    fc.assert(
      fc.property(kinds, fc.uint8Array({ maxLength: 200 }), ([apiVersion = '', kind = ''], bytes) => {
        expect(decodeProtobuf(kubernetesBody(apiVersion, kind, bytes)).kind).toMatch(/^(decoded|malformed)$/)
        decodeProtobuf(Buffer.concat([Buffer.from('k8s\0'), bytes]))
      }),
      { numRuns: 2_000 },
    )
  })

  test('a real body with any one byte changed or cut is answered', () => {
    const body = configMap(
      message(meta('c'), entry(2, 'a', '1'), entry(3, 'b', Buffer.from([1, 2, 3])), field(4, true)),
    )
    for (let at = 4; at < body.length; at++) {
      decodeProtobuf(body.subarray(0, at))
      for (const byte of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
        const changed = Buffer.from(body)
        changed[at] = byte
        decodeProtobuf(changed)
      }
    }
  })
})
