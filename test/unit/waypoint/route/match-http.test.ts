import fc from 'fast-check'
import { RE2JS } from 're2js'
import { describe, expect, it } from 'vitest'
import type { HttpMatch, HttpRule, NamedMatch, PathMatch, TextMatch } from '#shared/l7'
import type { VerifiedToken } from '../../../../src/waypoint/authn/index.ts'
import type { RequestHead } from '../../../../src/waypoint/codec/index.ts'
import { compileRules } from '../../../../src/waypoint/route/compile.ts'
import { LONGEST_TEXT } from '../../../../src/waypoint/route/expression.ts'
import { matchHttp } from '../../../../src/waypoint/route/match-http.ts'
import { Subject } from '../../../../src/waypoint/route/subject.ts'
import type { MatchOutcome } from '../../../../src/waypoint/route/types.ts'
import { meshOf, workload } from '../../../support/mesh-builder.ts'
import {
  backend,
  httpMatch,
  httpRule,
  innerConnection,
  type RequestText,
  requestHead,
} from '../../../support/waypoint-requests.ts'

const PEER = 'spiffe://cluster.local/ns/web/sa/front'
const front = workload({ name: 'front', namespace: 'web', serviceAccount: 'front', addresses: ['10.0.0.1'] })
const view = {
  mesh: meshOf([front]),
  network: '',
  labelsOf: (uid: string) => (uid === front.uid ? { app: 'front', version: 'v2' } : {}),
}

interface Asked extends RequestText {
  readonly peer?: string
  readonly source?: string
  readonly token?: Partial<VerifiedToken>
  readonly random?: number
}

const outcomeOf = (rules: readonly HttpRule[], asked: Asked): MatchOutcome => {
  const compiled = compileRules(rules)
  const who = { peer: undefined, token: asked.token && { ...NOBODY, ...asked.token } }
  const connection = innerConnection({ ...asked })
  const subject = new Subject(requestHead(asked), who, connection, view, compiled.asked)
  return matchHttp(compiled, subject, () => asked.random ?? 0)
}

const NOBODY: VerifiedToken = {
  principal: '',
  issuer: '',
  subject: '',
  audiences: [],
  presenter: undefined,
  claims: {},
  spacedClaims: [],
}

/** The name of what matched, or the status of the reply. */
const winner = (rules: readonly HttpRule[], asked: Asked): string | number => {
  const outcome = outcomeOf(rules, asked)
  return outcome.kind === 'reply' ? outcome.status : outcome.name
}

const path = (kind: PathMatch['kind'], value: string): Partial<HttpMatch> => ({ path: { kind, value } })
const header = (name: string, match: TextMatch): NamedMatch => ({ name, match })
const exact = (value: string): TextMatch => ({ kind: 'exact', value })
const regex = (value: string): TextMatch => ({ kind: 'regex', value })
const PRESENT: TextMatch = { kind: 'presence' }

describe('one match', () => {
  const long = 'x'.repeat(LONGEST_TEXT)
  it.each<[sentence: string, match: Partial<HttpMatch>, asked: Asked, expected: boolean]>([
    ['an exact path is that path', path('exact', '/a'), { target: '/a' }, true],
    ['an exact path has no query', path('exact', '/a'), { target: '/a?b=/c' }, true],
    ['an exact path is no prefix', path('exact', '/a'), { target: '/a/' }, false],
    ['segments hold for themselves', path('segments', '/a'), { target: '/a' }, true],
    ['segments hold with a slash behind', path('segments', '/a'), { target: '/a/' }, true],
    ['segments hold for what is below', path('segments', '/a'), { target: '/a/b?c' }, true],
    ['segments end with a segment', path('segments', '/a'), { target: '/ab' }, false],
    ['a slash at their end means nothing', path('segments', '/a/'), { target: '/a' }, true],
    ['the root holds for every path', path('segments', '/'), { target: '/x/y' }, true],
    ['the root does not hold for a star', path('segments', '/'), { target: '*' }, false],
    ['a prefix compares characters', path('prefix', '/a'), { target: '/ab' }, true],
    ['a prefix is not longer than the path', path('prefix', '/a/'), { target: '/a' }, false],
    ['an expression holds for the whole path', path('regex', '/a\\d'), { target: '/a1' }, true],
    ['an expression does not search', path('regex', 'a\\d'), { target: '/a1' }, false],
    ['an expression may end early in no text', path('regex', '/a|/b'), { target: '/b' }, true],
    ['case matters', path('exact', '/A'), { target: '/a' }, false],
    ['unless it does not', { ...path('exact', '/A'), ignorePathCase: true }, { target: '/a' }, true],
    ['nor in segments', { ...path('segments', '/Ab'), ignorePathCase: true }, { target: '/aB/c' }, true],
    ['nor in prefixes', { ...path('prefix', '/Ab'), ignorePathCase: true }, { target: '/aBc' }, true],
    ['it always does in expressions', { ...path('regex', '/A'), ignorePathCase: true }, { target: '/a' }, false],
    ['other letters are octets', path('exact', '/é'), { target: '/Ã©' }, true],
    ['and characters for expressions', path('regex', '/.'), { target: '/Ã©' }, true],

    ['a method is a method', { method: exact('GET') }, { method: 'GET' }, true],
    ['case of methods matters', { method: exact('GET') }, { method: 'get' }, false],
    ['a scheme is a scheme', { scheme: exact('https') }, { scheme: 'http' }, false],
    ['case of hosts does not matter', { authority: exact('Cart.Shop:80') }, { authority: 'cart.shop:80' }, true],
    ['nor in expressions', { authority: regex('CART\\..*') }, { authority: 'cart.shop' }, true],
    ['a port belongs to the authority', { authority: exact('cart.shop') }, { authority: 'cart.shop:80' }, false],

    ['a header has that value', { headers: [header('a', exact('1'))] }, { headers: { a: '1' } }, true],
    ['or another', { headers: [header('a', exact('1'))] }, { headers: { a: '2' } }, false],
    ['several lines are one list', { headers: [header('a', exact('1,2'))] }, { headers: { a: ['1', '2'] } }, true],
    [
      'cookies are joined as cookies',
      { headers: [header('cookie', exact('a; b'))] },
      { headers: { cookie: ['a', 'b'] } },
      true,
    ],
    ['a missing header has no value', { headers: [header('a', exact(''))] }, {}, false],
    ['an empty header is present', { headers: [header('a', PRESENT)] }, { headers: { a: '' } }, true],
    ['a missing one is not', { headers: [header('a', PRESENT)] }, {}, false],
    [
      'a header ends like that',
      { headers: [header('a', { kind: 'suffix', value: 'z' })] },
      { headers: { a: 'yz' } },
      true,
    ],
    ['all headers must hold', { headers: [header('a', PRESENT), header('b', PRESENT)] }, { headers: { a: '' } }, false],

    ['without a header that is not there', { withoutHeaders: [header('a', PRESENT)] }, {}, true],
    ['without a header that is there', { withoutHeaders: [header('a', PRESENT)] }, { headers: { a: '' } }, false],
    ['without a value that it has', { withoutHeaders: [header('a', exact('1'))] }, { headers: { a: '1' } }, false],
    ['without a value that it has not', { withoutHeaders: [header('a', exact('1'))] }, { headers: { a: '2' } }, true],
    ['a missing header counts as empty', { withoutHeaders: [header('a', regex('.*'))] }, {}, false],
    [
      'none of them may hold',
      { withoutHeaders: [header('a', PRESENT), header('b', PRESENT)] },
      { headers: { b: '' } },
      false,
    ],

    ['a parameter has that value', { query: [header('a', exact('1'))] }, { target: '/?b=2&a=1' }, true],
    ['the first of several counts', { query: [header('a', exact('1'))] }, { target: '/?a=2&a=1' }, false],
    ['names of parameters have a case', { query: [header('A', exact('1'))] }, { target: '/?a=1' }, false],
    ['parameters are compared as written', { query: [header('a', exact('1 2'))] }, { target: '/?a=1%202' }, false],
    ['with their percent signs', { query: [header('a', exact('1%202'))] }, { target: '/?a=1%202' }, true],
    ['a parameter without a value is present', { query: [header('a', PRESENT)] }, { target: '/?a' }, true],
    ['and empty', { query: [header('a', exact(''))] }, { target: '/?a&b=1' }, true],
    ['a value may hold equal signs', { query: [header('a', exact('b=c'))] }, { target: '/?a=b=c' }, true],
    ['the path has no parameters', { query: [header('a', PRESENT)] }, { target: '/a' }, false],

    ['a namespace is the peer’s', { source: { namespace: 'web', labels: {} } }, { peer: PEER }, true],
    ['or another', { source: { namespace: 'shop', labels: {} } }, { peer: PEER }, false],
    ['nobody has none', { source: { namespace: 'web', labels: {} } }, {}, false],
    [
      'labels are those of its workload',
      { source: { namespace: '', labels: { version: 'v2' } } },
      { peer: PEER },
      true,
    ],
    ['all of them', { source: { namespace: '', labels: { app: 'front', version: 'v1' } } }, { peer: PEER }, false],
    ['inherited names are no labels', { source: { namespace: '', labels: { toString: '' } } }, { peer: PEER }, false],
    [
      'an address of somebody else proves nothing',
      { source: { namespace: '', labels: { version: 'v2' } } },
      { peer: 'spiffe://cluster.local/ns/web/sa/thief' },
      false,
    ],
    [
      'nor does an unknown one',
      { source: { namespace: '', labels: { version: 'v2' } } },
      { peer: PEER, source: '10.9.9.9:1' },
      false,
    ],

    ['a claim is a text', { claims: [{ path: ['a'], match: exact('x') }] }, { token: { claims: { a: 'x' } } }, true],
    [
      'or one of a list',
      { claims: [{ path: ['a'], match: exact('y') }] },
      { token: { claims: { a: ['x', 'y'] } } },
      true,
    ],
    [
      'or deeper',
      { claims: [{ path: ['a', 'b'], match: exact('x') }] },
      { token: { claims: { a: { b: 'x' } } } },
      true,
    ],
    [
      'a list of words',
      { claims: [{ path: ['s'], match: exact('w') }] },
      { token: { claims: { s: 'r w' }, spacedClaims: ['s'] } },
      true,
    ],
    [
      'a text with a space',
      { claims: [{ path: ['s'], match: exact('w') }] },
      { token: { claims: { s: 'r w' } } },
      false,
    ],
    ['a number is no text', { claims: [{ path: ['a'], match: exact('1') }] }, { token: { claims: { a: 1 } } }, false],
    [
      'what is inherited is no claim',
      { claims: [{ path: ['constructor', 'name'], match: PRESENT }] },
      { token: {} },
      false,
    ],
    ['without a token there is none', { claims: [{ path: ['a'], match: PRESENT }] }, {}, false],

    ['the longest text is read', path('regex', '/x*'), { target: `/${long.slice(1)}` }, true],
  ])('%s', (_, match, asked, expected) => {
    expect(winner([httpRule('yes', { matches: [httpMatch(match)] })], asked)).toBe(expected ? 'yes' : 404)
  })

  it('is refused when an expression would have to read too long a text, also one that may not hold', () => {
    const target = `/${long}`
    expect(winner([httpRule('x', { matches: [httpMatch(path('regex', '/x*'))] }), httpRule('rest')], { target })).toBe(
      431,
    )
    const without = httpMatch({ withoutHeaders: [header('a', regex('x*'))] })
    expect(winner([httpRule('x', { matches: [without] })], { headers: { a: `${long}x` } })).toBe(431)
  })

  it('of an expression is not asked when the text does not begin as it does', () => {
    const rules = [httpRule('x', { matches: [httpMatch(path('regex', '/a/x*'))] }), httpRule('rest')]
    expect(winner(rules, { target: `/b/${long}` })).toBe('rest')
  })
})

describe('rules', () => {
  it('count in their order', () => {
    const rules = [
      httpRule('first', { matches: [httpMatch(path('prefix', '/a'))] }),
      httpRule('second', { matches: [httpMatch(path('exact', '/a/b'))] }),
    ]
    expect(winner(rules, { target: '/a/b' })).toBe('first')
  })

  it('without a match take everything', () => {
    expect(
      winner([httpRule('all'), httpRule('exact', { matches: [httpMatch(path('exact', '/a'))] })], { target: '/a' }),
    ).toBe('all')
  })

  it('need one of their matches, whose name is added to theirs', () => {
    const matches = [
      httpMatch({ ...path('exact', '/a'), name: 'one' }),
      httpMatch({ ...path('exact', '/b'), name: 'two' }),
    ]
    expect(winner([httpRule('rule', { matches })], { target: '/b' })).toBe('rule.two')
    expect(winner([httpRule('', { matches })], { target: '/a' })).toBe('one')
  })

  it('tell what the path was held against', () => {
    const wanted = { kind: 'segments', value: '/a/' } as const
    expect(outcomeOf([httpRule('rule', { matches: [httpMatch({ path: wanted })] })], { target: '/a/b' })).toMatchObject(
      {
        path: wanted,
      },
    )
  })

  it.each([
    [0, 'a'],
    [0.89, 'a'],
    [0.9, 'b'],
    [0.999, 'b'],
  ])('choose by weight: at %d it is %s', (random, name) => {
    const action = {
      kind: 'forward',
      backends: [backend('a', 90), backend('b', 10)],
      rewrite: undefined,
      authority: '',
      persistence: undefined,
    } as const
    const outcome = outcomeOf([httpRule('split', { action })], { random })
    expect(outcome).toMatchObject({ forward: { action, backend: backend(name, name === 'a' ? 90 : 10) } })
  })

  it('that do not forward choose nothing', () => {
    const action = { kind: 'respond', statusCode: 200, body: new Uint8Array() } as const
    expect(outcomeOf([httpRule('answer', { action })], {})).toMatchObject({ forward: undefined, rule: { action } })
  })

  it('of which none matches say so', () => {
    const none = httpRule('none', { matches: [httpMatch(path('exact', '/a'))] })
    expect(outcomeOf([none], { target: '/b' })).toMatchObject({ status: 404, flag: 'NR', details: 'route_not_found' })
  })
})

const expressions = new Map<string, RE2JS>()
const expressionOf = (source: string): RE2JS => {
  const known = expressions.get(source) ?? RE2JS.compile(source)
  expressions.set(source, known)
  return known
}

/** What the records say, read aloud. */
const naive = (rules: readonly HttpRule[], request: RequestHead): string => {
  const text = (match: TextMatch, value: string): boolean => {
    if (match.kind === 'presence') return true
    if (match.kind === 'exact') return value === match.value
    if (match.kind === 'prefix') return value.startsWith(match.value)
    if (match.kind === 'suffix') return value.endsWith(match.value)
    return expressionOf(match.value).matches(value)
  }
  const [own = '', query] = request.target.split('?')
  const parameters = new Map<string, string>()
  for (const part of query?.split('&') ?? []) {
    const [name = '', ...value] = part.split('=')
    if (!parameters.has(name)) parameters.set(name, value.join('='))
  }
  const pathHolds = ({ path: wanted, ignorePathCase }: HttpMatch): boolean => {
    if (wanted === undefined) return true
    if (wanted.kind === 'regex') return expressionOf(wanted.value).matches(own)
    const [given, value] = ignorePathCase ? [own.toLowerCase(), wanted.value.toLowerCase()] : [own, wanted.value]
    if (wanted.kind === 'exact') return given === value
    if (wanted.kind === 'prefix') return given.startsWith(value)
    const whole = value.replace(/\/$/, '')
    return given === whole || given.startsWith(`${whole}/`)
  }
  const holds = (match: HttpMatch): boolean =>
    pathHolds(match) &&
    (match.method === undefined || text(match.method, request.method)) &&
    match.headers.every(({ name, match: wanted }) => {
      const value = request.fields.get(name)
      return value !== undefined && text(wanted, value)
    }) &&
    match.withoutHeaders.every(({ name, match: wanted }) => {
      const value = request.fields.get(name)
      return value === undefined ? wanted.kind === 'presence' || !text(wanted, '') : !text(wanted, value)
    }) &&
    match.query.every(({ name, match: wanted }) => {
      const value = parameters.get(name)
      return value !== undefined && text(wanted, value)
    })
  return rules.find(({ matches }) => matches.length === 0 || matches.some(holds))?.name ?? 'none'
}

describe('the matcher', () => {
  const word = fc.constantFrom('', 'a', 'A', 'b', 'ab', 'a/b')
  const paths = fc
    .array(fc.constantFrom('a', 'A', 'b', 'ab', ''), { maxLength: 4 })
    .map((parts) => `/${parts.join('/')}`)
  const expressions = fc.constantFrom('/.*', '/a.*', '/a|/b', '/[ab]+/b?', '/(a|b)/.*', '/a?b', '/ab*', '.*b', '/a/b')
  const texts: fc.Arbitrary<TextMatch> = fc.oneof(
    fc.record({ kind: fc.constantFrom('exact', 'prefix', 'suffix'), value: word }),
    fc.record({ kind: fc.constant('regex' as const), value: fc.constantFrom('a*', 'a|b', '.+', 'ab?') }),
    fc.constant(PRESENT),
  )
  const named = fc.array(fc.record({ name: fc.constantFrom('x', 'y'), match: texts }), { maxLength: 2 })
  const pathMatches: fc.Arbitrary<PathMatch | undefined> = fc.oneof(
    fc.record({ kind: fc.constantFrom('exact', 'prefix', 'segments'), value: paths }),
    fc.record({ kind: fc.constant('regex' as const), value: expressions }),
    fc.constant(undefined),
  )
  const matches = fc
    .record({
      path: pathMatches,
      ignorePathCase: fc.boolean(),
      method: fc.option(fc.constantFrom(exact('GET'), exact('POST')), { nil: undefined, freq: 1 }),
      headers: named,
      withoutHeaders: named,
      query: named,
    })
    .map((match) => httpMatch(match))
  const rules = fc
    .array(fc.array(matches, { maxLength: 3 }), { maxLength: 12 })
    .map((lists) => lists.map((list, i) => httpRule(`r${i}`, { matches: list })))
  const requests = fc.record({
    method: fc.constantFrom('GET', 'POST'),
    target: fc
      .tuple(paths, fc.option(fc.constantFrom('x=a', 'x=b&y', 'y=ab&x=a&x=b', 'x', ''), { nil: undefined }))
      .map(([own, query]) => (query === undefined ? own : `${own}?${query}`)),
    headers: fc.dictionary(fc.constantFrom('x', 'y'), word, { noNullPrototype: true }),
  })

  it('finds what reading the rules in their order finds', () => {
    fc.assert(
      fc.property(rules, fc.array(requests, { minLength: 1, maxLength: 10 }), (given, asked) => {
        for (const each of asked) {
          const found = winner(given, each)
          expect(found === 404 ? 'none' : found).toBe(naive(given, requestHead(each)))
        }
      }),
      { numRuns: 300 },
    )
  })
})
