import { describe, expect, test } from 'vitest'
import { compileExpression } from '../../../../../src/local/apiserver/crd/rules/expression.ts'
import { compileProblem, ruleProblems } from '../../../../../src/local/apiserver/crd/rules/index.ts'
import { Meter } from '../../../../../src/local/apiserver/crd/rules/meter.ts'
import type { Schema, ValidationRule } from '../../../../../src/local/apiserver/schema/types.ts'

const spec: Schema = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    count: { type: 'integer' },
    share: { type: 'number' },
    hosts: { type: 'array', items: { type: 'string' } },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    'max-size': { type: 'integer' },
    namespace: { type: 'string' },
    port: { 'x-kubernetes-int-or-string': true },
    at: { type: 'string', format: 'date-time' },
  },
}

function told(schema: Schema, value: unknown, old?: unknown): readonly string[] {
  return ruleProblems(value, old, schema).map(({ field, problem }) => `${field}: ${problem}`)
}

const under = (...rules: ValidationRule[]): Schema => ({
  type: 'object',
  properties: { spec: { ...spec, 'x-kubernetes-validations': rules } },
})

describe('a rule holds', () => {
  const value = {
    name: 'abc',
    count: 3,
    share: 0.5,
    hosts: ['a.example', 'b.example'],
    labels: { app: 'x', 'a/b': 'y' },
    'max-size': 7,
    namespace: 'shop',
    port: 80,
    at: '2026-01-02T03:04:05Z',
  }
  test.each([
    'self.count == 3 && self.share < 1.0',
    'self.hosts.all(h, h.endsWith(".example"))',
    'self.hosts.exists_one(h, h == "a.example")',
    'self.labels.all(k, size(self.labels[k]) == 1)',
    '"a/b" in self.labels',
    '!has(self.missing) || self.missing.deeper == 1',
    '!has(self.name) || self.name != ""',
    '[self].all(s, has(s.name)) && has([self][0].name) && !has([self][0].missing)',
    'self.max__dash__size == 7',
    'self.__namespace__ == "shop"',
    'self.port == 80',
    'self.at > timestamp("2026-01-01T00:00:00Z")',
    'self.name.matches("^[a-z]+$")',
    'self.name.find("[bc]") == "b" && self.name.findAll("[bc]").size() == 2',
    'self.name.charAt(1) == "b" && self.name.replace("b", "x") == "axc" && self.name.reverse() == "cba"',
    '"%s has %d: %.1f".format([self.name, self.count, self.share]) == "abc has 3: 0.5"',
    'self.hosts.isSorted() && [1, 2, 3].sum() == 6 && [3, 1].max() == 3 && [3, 1].min() == 1',
    'self.hosts.indexOf("b.example") == 1 && self.hosts.lastIndexOf("c") == -1',
    'sets.contains(self.hosts, ["b.example"]) && sets.equivalent([1, 2], [2, 1]) && !sets.intersects([1], [2])',
    'isIP("10.0.0.1") && !isIP("10.0.0") && ip("::1").isLoopback() && ip("10.0.0.1").family() == 4',
    'ip("192.168.0.1").isGlobalUnicast() && ip("169.254.1.1").isLinkLocalUnicast() && ip.isCanonical("::1")',
    'isCIDR("10.0.0.0/8") && cidr("10.0.0.0/8").containsIP("10.1.2.3") && !cidr("10.0.0.0/8").containsCIDR("11.0.0.0/16")',
    'cidr("10.1.0.0/16").prefixLength() == 16 && string(cidr("10.1.2.3/16").masked()) == "10.1.0.0/16"',
    'isURL("https://example.com:8443/x?y=1") && url("https://example.com:8443/x").getPort() == "8443"',
    'url("https://example.com/x?y=1&y=2").getQuery()["y"].size() == 2 && url("/a/b").getEscapedPath() == "/a/b"',
    'quantity("1.5Gi").isGreaterThan(quantity("1G")) && quantity("100m").add(quantity("900m")).asInteger() == 1',
    'isQuantity("2e3") && !isQuantity("two") && quantity("-5").sign() == -1',
    'cel.bind(n, self.count, n * n) == 9',
    'self.?missing.orValue("none") == "none"',
    'self.hosts.map(h, h.split(".")[0]).join(",") == "a,b"',
    'duration("5m") > duration("10s")',
  ])('%s', (rule) => {
    expect(told(under({ rule }), { spec: value })).toEqual([])
  })
})

describe('a rule that does not hold is told', () => {
  const rows: readonly [string, ValidationRule, unknown, string][] = [
    [
      'by itself',
      { rule: 'self.count > 3' },
      { count: 1 },
      'spec: Invalid value: "object": failed rule: self.count > 3',
    ],
    [
      'by its message',
      { rule: 'self.count > 3', message: 'too few' },
      { count: 1 },
      'spec: Invalid value: "object": too few',
    ],
    [
      'by a message that it makes',
      { rule: 'self.count > 3', messageExpression: '"has " + string(self.count)', message: 'unused' },
      { count: 1 },
      'spec: Invalid value: "object": has 1',
    ],
    [
      'by its message when the other cannot be made',
      { rule: 'self.count > 3', messageExpression: 'self.name', message: 'too few' },
      { count: 1 },
      'spec: Invalid value: "object": too few',
    ],
    [
      'with its reason and field',
      { rule: 'false', message: 'not here', reason: 'FieldValueForbidden', fieldPath: '.name' },
      { name: 'x' },
      'spec.name: Forbidden: not here',
    ],
    [
      'when it fails itself',
      { rule: 'self.name == "x"' },
      {},
      'spec: Invalid value: "object": rule "self.name == \\"x\\"" failed: No such key: name',
    ],
  ]
  test.each(rows)('%s', (_, rule, value, expected) => {
    expect(told(under(rule), { spec: value })).toEqual([expected])
  })

  test('on items and values of maps, by their place', () => {
    const item: Schema = {
      type: 'object',
      properties: { a: { type: 'integer' } },
      'x-kubernetes-validations': [{ rule: 'self.a < 2', message: 'no' }],
    }
    const schema: Schema = {
      type: 'object',
      properties: { list: { type: 'array', items: item }, map: { type: 'object', additionalProperties: item } },
    }
    expect(told(schema, { list: [{ a: 1 }, { a: 2 }], map: { x: { a: 3 } } })).toEqual([
      'list[1]: Invalid value: "object": no',
      'map[x]: Invalid value: "object": no',
    ])
  })
})

describe('a transition rule', () => {
  const immutable = under({ rule: 'self.name == oldSelf.name', message: 'name is immutable' })

  test('is not asked about a new object', () => {
    expect(told(immutable, { spec: { name: 'a' } })).toEqual([])
  })

  test('compares with the object before', () => {
    expect(told(immutable, { spec: { name: 'a' } }, { spec: { name: 'a' } })).toEqual([])
    expect(told(immutable, { spec: { name: 'b' } }, { spec: { name: 'a' } })).toHaveLength(1)
  })

  test('with an optional former self is asked about new objects too', () => {
    const schema = under({ rule: 'oldSelf.hasValue() || self.count == 1', optionalOldSelf: true })
    expect(told(schema, { spec: { count: 2 } })).toHaveLength(1)
    expect(told(schema, { spec: { count: 2 } }, { spec: { count: 1 } })).toEqual([])
  })

  test('finds the former item of a map by its keys', () => {
    const schema: Schema = {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        properties: { name: { type: 'string' }, port: { type: 'integer' } },
        'x-kubernetes-validations': [{ rule: 'self.port == oldSelf.port', message: 'port is immutable' }],
      },
    }
    const old = [
      { name: 'a', port: 1 },
      { name: 'b', port: 2 },
    ]
    expect(
      told(
        schema,
        [
          { name: 'b', port: 2 },
          { name: 'a', port: 1 },
          { name: 'c', port: 9 },
        ],
        old,
      ),
    ).toEqual([])
    expect(told(schema, [{ name: 'b', port: 3 }], old)).toEqual(['[0]: Invalid value: "object": port is immutable'])
  })
})

describe('a rule that cannot work is refused with its CRD', () => {
  const rows: readonly [string, ValidationRule, string][] = [
    ['no expression', { rule: 'self.a ==' }, 'rule'],
    ['no such function', { rule: 'isMagic(self)' }, 'rule'],
    ['no such variable', { rule: 'other.a == 1' }, 'rule'],
    ['not a yes or no', { rule: '"text"' }, 'rule'],
    ['a message that is no text', { rule: 'true', messageExpression: '1 + 1' }, 'messageExpression'],
    ['an unknown reason', { rule: 'true', reason: 'Whim' }, 'reason'],
    ['no rule at all', { rule: ' ' }, 'rule'],
  ]
  test.each(rows)('%s', (_, rule, field) => {
    expect(compileProblem(rule)?.field).toBe(field)
  })
})

describe('the work of a rule is bounded', () => {
  const many = Array.from({ length: 2_000 }, (_, i) => `host-${i}`)
  test.each([
    ['loops in loops', 'self.hosts.all(a, self.hosts.all(b, self.hosts.all(c, a + b + c != "")))'],
    [
      'loops whose failure would be swallowed',
      'self.hosts.exists(a, self.hosts.exists(b, self.hosts.exists(c, a == b + c)))',
    ],
    [
      'lists that double',
      'cel.bind(a, self.hosts + self.hosts, cel.bind(b, a + a, cel.bind(c, b + b, cel.bind(d, c + c, cel.bind(e, d + d, cel.bind(f, e + e, cel.bind(g, f + f, cel.bind(h, g + g, cel.bind(i, h + h, size(i + i)))))))))) > 0',
    ],
  ])('%s', (_, rule) => {
    const [problem] = told(under({ rule }), { spec: { hosts: many } })
    expect(problem).toContain('call cost exceeds limit')
  })

  test('a pattern in a rule runs in linear time', () => {
    const rule = { rule: 'self.name.matches("(a+)+$")' }
    expect(told(under(rule), { spec: { name: `${'a'.repeat(5_000)}!` } })).toHaveLength(1)
  })

  test('of all rules of an object together', () => {
    const items: Schema = {
      type: 'object',
      properties: { hosts: spec.properties?.hosts ?? {} },
      'x-kubernetes-validations': [{ rule: 'self.hosts.all(a, self.hosts.all(b, a != "x" || b != "y"))' }],
    }
    const value = new Array(500).fill({ hosts: many.slice(0, 300) })
    const problems = told({ type: 'array', items }, value)
    expect(problems).toEqual([expect.stringContaining('running out of cost budget')])
  })

  test('the work of an expression is counted', () => {
    const meter = new Meter(1_000)
    compileExpression('self.all(x, x > 0)').run({ self: [1n, 2n, 3n] }, meter)
    expect(meter.spent).toBeGreaterThan(9)
    expect(meter.spent).toBeLessThan(60)
  })
})
