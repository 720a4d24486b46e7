import { describe, expect, test } from 'vitest'
import { decodeBody, decodeJson, decodeYaml } from '../../../../../src/local/apiserver/http/decode-body.ts'
import { decodeProtobuf } from '../../../../../src/local/apiserver/protobuf/index.ts'
import { field, kubernetesBody, message } from '../../../../support/protobuf-bytes.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const decode = (text: string, type: string): unknown => decodeBody(bytes(text), type, decodeProtobuf).value

describe('bodies', () => {
  test.each([
    ['application/json', '{"a": [1]}'],
    ['', '{"a": [1]}'],
    ['application/json; charset=utf-8', '{"a": [1]}'],
    ['application/yaml', 'a:\n- 1\n'],
    ['application/yaml', '{"a": [1]}'],
  ])('of type %j are read', (type, text) => {
    expect(decode(text, type)).toEqual({ a: [1] })
  })

  test('in protobuf are read', () => {
    const body = kubernetesBody('v1', 'ConfigMap', message(field(1, message(field(1, 'c')))))
    expect(decodeBody(body, 'application/vnd.kubernetes.protobuf', decodeProtobuf).value).toEqual({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c' },
    })
  })

  test.each([
    ['JSON', decodeJson(bytes('{"a": 1, "b": {"c": 1, "c": 2}}')).duplicates, 1],
    ['YAML', decodeYaml(bytes('a: 1\nb: 2\na: 3\n')).duplicates, 1],
  ])('in %s tell which fields they have twice', (_name, duplicates, count) => {
    expect(duplicates).toHaveLength(count)
  })
})

describe('bodies are refused', () => {
  const deep = (open: string, close: string): string => open.repeat(50_000) + close.repeat(50_000)

  test.each<[string, string, string, number, RegExp]>([
    ['of an unknown type', 'application/xml', '<a/>', 415, /unknown format/],
    ['that are no JSON', 'application/json', '{', 400, /no JSON/],
    ['that are no YAML', 'application/yaml', 'a: [', 400, /converting YAML/],
    ['that are no protobuf', 'application/vnd.kubernetes.protobuf', '{}', 400, /protobuf body cannot be read/],
    [
      'nested without end, of objects',
      'application/json',
      `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
      400,
      /deeper/,
    ],
    ['nested without end, of lists', 'application/json', deep('[', ']'), 400, /deeper/],
    ['nested without end, in YAML', 'application/yaml', deep('[', ']'), 400, /YAML|deeper/],
    [
      'with aliases of aliases',
      'application/yaml',
      'a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n',
      400,
      /alias/i,
    ],
  ])('%s', (_name, type, text, code, problem) => {
    expect(() => decode(text, type)).toThrow(problem)
    expect(() => decode(text, type)).toThrow(expect.objectContaining({ status: expect.objectContaining({ code }) }))
  })
})
