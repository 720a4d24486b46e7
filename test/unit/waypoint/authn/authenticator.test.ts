import { createHmac } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { TokenIssuer, TokenPolicy } from '#shared/l7'
import { Authenticator, type Principal } from '../../../../src/waypoint/authn/index.ts'
import type { Exchange, LocalReply } from '../../../../src/waypoint/codec/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { base64url, keySet, signedToken, signingKey, tokenIssuer, tokenPolicy } from '../../../support/tokens.ts'
import { type AskedRequest, exchangeOf } from '../../../support/waypoint-exchange.ts'

const key = signingKey('one')
const rsa = signingKey('rsa', 'RS256')
const ed = signingKey('ed', 'EdDSA')
const stranger = signingKey('one')
const clock = new FakeClock()
const nowS = clock.nowMs() / 1000
const ISSUER = 'https://issuer.example'
const good = { iss: ISSUER, sub: 'bob', exp: nowS + 600 }
const inline = { kind: 'inline', jwks: keySet(key, rsa, ed) } as const
const issuer = tokenIssuer({ keys: inline })
const elsewhere = tokenIssuer({ issuer: 'https://other.example', keys: { kind: 'inline', jwks: keySet(stranger) } })

function counters() {
  return {
    ...{ accepted: { value: 0 }, refused: { value: 0 }, remembered: { value: 0 } },
    ...{ keyFetches: { value: 0 }, keyFetchFailures: { value: 0 } },
  }
}

let counted = counters()
beforeEach(() => {
  counted = counters()
})

function authenticator(...policies: readonly TokenPolicy[]): Authenticator {
  return new Authenticator({
    view: { tokenPolicies: () => policies },
    clock,
    fetchDocument: () => Promise.reject(new Error('nothing is fetched')),
    counters: counted,
    onKeysUnavailable: (error) => expect.unreachable(error.message),
  })
}

function bearer(token: string): AskedRequest {
  return { headers: { authorization: `Bearer ${token}` } }
}

/** What comes of a request, in few words. */
async function outcome(rules: readonly TokenIssuer[], request: AskedRequest): Promise<string> {
  return wordsOf(await authenticator(tokenPolicy(...rules)).authenticate(exchangeOf(request)))
}

function wordsOf(answer: Principal | LocalReply): string {
  if ('kind' in answer) return `${answer.status} ${answer.body}`
  return answer.token?.principal ?? 'nobody'
}

describe('tokens that are not taken', () => {
  const head = base64url(JSON.stringify({ alg: 'ES256', kid: 'one' }))
  const withClaims = (claims: object): string => signedToken(key, { ...good, ...claims })
  const [h = '', p = '', s = ''] = signedToken(key, good).split('.')
  const hs256 = (secret: string): string => {
    const signed = `${base64url(JSON.stringify({ alg: 'HS256', kid: 'rsa' }))}.${base64url(JSON.stringify(good))}`
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
  }
  const FORM = '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'
  const FAILS = '401 Jwt verification fails'
  const NO_KEY = "401 Jwks doesn't have key to match kid or alg from Jwt"

  it.each<[string, string, string]>([
    ['nothing', '', FORM],
    ['one part', 'abc', FORM],
    ['two parts', `${h}.${p}`, FORM],
    ['four parts', `${h}.${p}.${s}.${s}`, FORM],
    ['too long', `${h}.${'a'.repeat(20_000)}.${s}`, FORM],
    ['a head that is no base64url', `+.${p}.${s}`, '401 Jwt header is an invalid Base64url encoded'],
    ['a head that is no JSON', `${base64url('{')}.${p}.${s}`, '401 Jwt header is an invalid JSON'],
    ['a head that is a list', `${base64url('[]')}.${p}.${s}`, '401 Jwt header is an invalid JSON'],
    ['no algorithm', `${base64url('{}')}.${p}.${s}`, '401 Jwt header [alg] field is required and must be a string'],
    ['alg none', `${base64url('{"alg":"none"}')}.${p}.`, '401 Jwt header [alg] is not supported'],
    ['alg nOnE', `${base64url('{"alg":"nOnE"}')}.${p}.${s}`, '401 Jwt header [alg] is not supported'],
    ['HS256 with a public key as the secret', hs256(JSON.stringify(rsa.jwk)), '401 Jwt header [alg] is not supported'],
    ['a kid that is a list', signedToken(key, good, { kid: ['one'] }), '401 Jwt header [kid] field is not a string'],
    ['a payload that is no base64url', `${h}.~.${s}`, '401 Jwt payload is an invalid Base64url encoded'],
    ['a payload that is no JSON', signedToken(key, 'x'), '401 Jwt payload is an invalid JSON'],
    ['no signature', `${h}.${p}.`, '401 Jwt signature is an invalid Base64url encoded'],
    ['a signature that is no base64url', `${h}.${p}.*`, '401 Jwt signature is an invalid Base64url encoded'],
    ['a signature of nothing', `${h}.${p}.AAAA`, FAILS],
    ['a changed payload', `${h}.${base64url(JSON.stringify({ ...good, sub: 'eve' }))}.${s}`, FAILS],
    ['a changed head', `${head}.${p}.${s}`, FAILS],
    ['another’s key of the same name', signedToken(stranger, good), FAILS],
    ['a key that is not there', signedToken(signingKey('two'), good), NO_KEY],
    ['a kid that is a path', signedToken(key, good, { kid: '../../dev/null' }), NO_KEY],
    ['an algorithm that the key is not for', signedToken(key, good, { alg: 'ES384' }), NO_KEY],
    ['a key in its own head', signedToken(stranger, good, { jwk: stranger.jwk }), FAILS],
    ['an address of keys in its own head', signedToken(stranger, good, { jku: 'https://evil.example' }), FAILS],
    ['a payload that is not encoded', signedToken(key, good, { b64: false, crit: ['b64'] }), FAILS],
    ['an extension that must be known', signedToken(key, good, { crit: ['x'], x: 1 }), FAILS],
    ['no issuer', withClaims({ iss: undefined }), '401 Jwt issuer is not configured'],
    ['another issuer', withClaims({ iss: 'https://issuer.example/' }), '401 Jwt issuer is not configured'],
    ['an issuer in another case', withClaims({ iss: 'https://ISSUER.example' }), '401 Jwt issuer is not configured'],
    ['an issuer that is a list', withClaims({ iss: [ISSUER] }), '401 Jwt payload [iss] field is not a string'],
    ['a subject that is a number', withClaims({ sub: 7 }), '401 Jwt payload [sub] field is not a string'],
    [
      'an audience that is a number',
      withClaims({ aud: 7 }),
      '401 Jwt payload [aud] field is not a string or string list',
    ],
    ['expired', withClaims({ exp: nowS - 61 }), '401 Jwt is expired'],
    ['expired at the beginning of time', withClaims({ exp: 0 }), '401 Jwt is expired'],
    ['not yet', withClaims({ nbf: nowS + 61 }), '401 Jwt not yet valid'],
    ['exp as a text', withClaims({ exp: '9' }), '401 Jwt payload [exp] field is not an integer or not positive'],
    [
      'exp as a fraction',
      withClaims({ exp: nowS + 0.5 }),
      '401 Jwt payload [exp] field is not an integer or not positive',
    ],
    ['exp too large', withClaims({ exp: 1e300 }), '401 Jwt payload [exp] field is not an integer or not positive'],
    ['exp below 0', withClaims({ exp: -1 }), '401 Jwt payload [exp] field is not an integer or not positive'],
    ['nbf as null', withClaims({ nbf: null }), '401 Jwt payload [nbf] field is not an integer or not positive'],
  ])('%s', async (_, token, wanted) => {
    expect(await outcome([issuer], bearer(token))).toBe(wanted)
  })

  it.each<[string, string]>([
    ['no key set', '[]'],
    ['no JSON', '{'],
    ['keys that are none', '{"keys":{}}'],
  ])('nobody’s when the keys are unreadable: %s', async (_, jwks) => {
    const rule = tokenIssuer({ keys: { kind: 'inline', jwks } })
    expect(await outcome([rule], bearer(signedToken(key, good)))).toBe('401 Jwks remote fetch is failed')
  })

  it.each<[string, object]>([
    ['for encryption', { ...key.jwk, use: 'enc' }],
    ['a secret', { kty: 'oct', k: 'AAAA', kid: 'one' }],
    ['null', { ...key.jwk, kty: null }],
    ['without its point', { kty: 'EC', crv: 'P-256', kid: 'one' }],
  ])('nobody’s when the key is %s', async (_, jwk) => {
    const rule = tokenIssuer({ keys: { kind: 'inline', jwks: JSON.stringify({ keys: [jwk] }) } })
    expect(await outcome([rule], bearer(signedToken(key, good)))).toMatch(/^401 Jw/)
  })
})

describe('tokens that are taken', () => {
  it.each<[string, string]>([
    ['ES256', signedToken(key, good)],
    ['RS256', signedToken(rsa, good)],
    ['EdDSA', signedToken(ed, good)],
    ['without a key’s name', signedToken(key, good, { kid: undefined })],
    ['without an end', signedToken(key, { iss: ISSUER, sub: 'bob' })],
    ['expired, as clocks differ', signedToken(key, { ...good, exp: nowS - 59 })],
    ['not yet, as clocks differ', signedToken(key, { ...good, nbf: nowS + 59 })],
  ])('%s', async (_, token) => {
    expect(await outcome([issuer], bearer(token))).toBe(`${ISSUER}/bob`)
  })

  it.each<[readonly string[], unknown, string]>([
    [['a'], 'a', `${ISSUER}/bob`],
    [['a'], ['b', 'a'], `${ISSUER}/bob`],
    [['a', 'b'], 'b', `${ISSUER}/bob`],
    [['a'], 'b', '403 Audiences in Jwt are not allowed'],
    [['a'], undefined, '403 Audiences in Jwt are not allowed'],
    [[], 'b', `${ISSUER}/bob`],
  ])('audiences %j, and it is for %j: %s', async (audiences, aud, wanted) => {
    const rule = tokenIssuer({ keys: inline, audiences })
    expect(await outcome([rule], bearer(signedToken(key, { ...good, aud })))).toBe(wanted)
  })

  it('tell what policies may ask', async () => {
    const claims = { ...good, aud: ['a', 'b'], azp: 'app', scope: 'read write' }
    const answer = await authenticator(tokenPolicy(issuer)).authenticate(exchangeOf(bearer(signedToken(key, claims))))
    expect(answer).toEqual({
      peer: undefined,
      token: {
        ...{ principal: `${ISSUER}/bob`, issuer: ISSUER, subject: 'bob', audiences: ['a', 'b'], presenter: 'app' },
        ...{ claims, spacedClaims: ['scope', 'permission'] },
      },
    })
  })
})

describe('places of tokens', () => {
  const token = signedToken(key, good)
  const at = (...locations: TokenIssuer['locations']): TokenIssuer => tokenIssuer({ keys: inline, locations })
  const header = at({ kind: 'header', name: 'x-token', prefix: '' })
  const jwt = at({ kind: 'header', name: 'x-token', prefix: 'JWT ' })
  const cookie = at({ kind: 'cookie', name: 'session' })
  const query = at({ kind: 'query', name: 'tok' })
  const mine = `${ISSUER}/bob`

  it.each<[string, TokenIssuer, AskedRequest, string]>([
    ['none', issuer, {}, 'nobody'],
    ['Basic is no token', issuer, { headers: { authorization: 'Basic YTpi' } }, 'nobody'],
    ['a word alone', issuer, { headers: { authorization: 'Bearer' } }, 'nobody'],
    ['bearer in lower case', issuer, { headers: { authorization: `bearer ${token}` } }, mine],
    ['the usual parameter', issuer, { target: `/?access_token=${token}` }, mine],
    ['a parameter in disguise', issuer, { target: `/?access%5Ftoken=${token}` }, mine],
    [
      'an empty parameter',
      issuer,
      { target: '/?access_token=' },
      '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    ['another parameter', issuer, { target: `/?token=${token}` }, 'nobody'],
    ['the usual header is not one of those said', header, bearer(token), 'nobody'],
    ['a header', header, { headers: { 'x-token': token } }, mine],
    ['a header with a prefix', jwt, { headers: { 'x-token': `JWT ${token}` } }, mine],
    ['a header without its prefix', jwt, { headers: { 'x-token': token } }, 'nobody'],
    ['a cookie', cookie, { headers: { cookie: `a=b; session=${token}; c=d` } }, mine],
    ['a cookie in quotes', cookie, { headers: { cookie: `session="${token}"` } }, mine],
    ['cookies in two lines', cookie, { headers: { cookie: ['a=b', `session=${token}`] } }, mine],
    ['another cookie', cookie, { headers: { cookie: `session2=${token}` } }, 'nobody'],
    ['a parameter', query, { target: `/a?x=1&tok=${token}` }, mine],
    [
      'a good and a bad one at two places',
      issuer,
      { ...bearer(token), target: '/?access_token=x' },
      '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    [
      'a good and a bad one in two lines',
      issuer,
      { headers: { authorization: [`Bearer ${token}`, 'Bearer x.y.z'] } },
      '401 Jwt header is an invalid JSON',
    ],
    ['a good one twice', issuer, { ...bearer(token), target: `/?access_token=${token}` }, mine],
  ])('%s', async (_, rule, request, wanted) => {
    expect(await outcome([rule], request)).toBe(wanted)
  })

  const request = (): AskedRequest => ({
    target: `/a?x=%20&tok=${token}&y`,
    headers: { authorization: `Bearer ${token}`, 'x-token': token, cookie: `a=b; session=${token}`, accept: '*/*' },
  })
  const left = async (rules: readonly TokenIssuer[], asked: AskedRequest = request()): Promise<unknown> => {
    const exchange = exchangeOf(asked)
    await authenticator(tokenPolicy(...rules)).authenticate(exchange)
    const { target, fields } = exchange.request
    return {
      target,
      authorization: fields.get('authorization'),
      xToken: fields.get('x-token'),
      cookie: fields.get('cookie'),
    }
  }
  const all = {
    ...{ target: `/a?x=%20&tok=${token}&y`, authorization: `Bearer ${token}`, xToken: token },
    cookie: `a=b; session=${token}`,
  }

  it('lose their token, and nothing else', async () => {
    expect(await left([issuer])).toEqual({ ...all, authorization: undefined })
    expect(await left([header])).toEqual({ ...all, xToken: undefined })
    expect(await left([query])).toEqual({ ...all, target: '/a?x=%20&y' })
    expect(await left([cookie])).toEqual({ ...all, cookie: 'a=b' })
  })

  it('keep it when the rule says so', async () => {
    expect(await left([{ ...issuer, forwardsToken: true }])).toEqual(all)
  })

  it('leave no question mark behind', async () => {
    expect(await left([query], { target: `/a?tok=${token}` })).toMatchObject({ target: '/a' })
  })

  it('lose a token that nobody has looked at', async () => {
    const other = { ...elsewhere, locations: header.locations, forwardsToken: true }
    expect(await left([issuer, other])).toEqual({ ...all, authorization: undefined, xToken: undefined })
  })

  it('keep Basic credentials', async () => {
    const both = { headers: { authorization: ['Basic YTpi', `Bearer ${token}`] } }
    expect(await left([issuer], both)).toMatchObject({ authorization: 'Basic YTpi' })
  })
})

describe('several rules', () => {
  const xToken = [{ kind: 'header', name: 'x-token', prefix: '' }] as const
  const mine = signedToken(key, good)
  const theirs = signedToken(stranger, { ...good, iss: 'https://other.example' })
  const ours = { ...elsewhere, locations: xToken }

  it.each<[string, readonly TokenIssuer[], AskedRequest, string]>([
    ['no token', [issuer, elsewhere], {}, 'nobody'],
    ['the first one’s', [issuer, elsewhere], bearer(mine), `${ISSUER}/bob`],
    ['the second one’s', [issuer, elsewhere], bearer(theirs), 'https://other.example/bob'],
    [
      'nobody’s',
      [issuer, elsewhere],
      bearer(signedToken(key, { ...good, iss: 'x' })),
      '401 Jwt issuer is not configured',
    ],
    [
      'of the one, signed by the other',
      [issuer, elsewhere],
      bearer(signedToken(stranger, good)),
      '401 Jwt verification fails',
    ],
    [
      'the reason that tells most',
      [elsewhere, issuer],
      bearer(signedToken(key, { ...good, exp: 1 })),
      '401 Jwt is expired',
    ],
    [
      'a good one beside a bad one',
      [issuer, ours],
      { headers: { authorization: 'Bearer x', 'x-token': theirs } },
      'https://other.example/bob',
    ],
    ['a bad one alone', [issuer, ours], { headers: { 'x-token': 'x.y.z' } }, '401 Jwt header is an invalid JSON'],
    [
      'two good ones: the first by issuer',
      [ours, issuer],
      { headers: { authorization: `Bearer ${mine}`, 'x-token': theirs } },
      `${ISSUER}/bob`,
    ],
    [
      'one issuer twice, for another audience',
      [tokenIssuer({ keys: inline, audiences: ['x'] }), issuer],
      bearer(mine),
      `${ISSUER}/bob`,
    ],
  ])('%s', async (_, rules, request, wanted) => {
    expect(await outcome(rules, request)).toBe(wanted)
    // Rules of several policies are one list.
    const policies = rules.map((rule) => tokenPolicy(rule))
    expect(wordsOf(await authenticator(...policies).authenticate(exchangeOf(request)))).toBe(wanted)
  })
})

describe('what the endpoint learns', () => {
  const rule = tokenIssuer({
    keys: inline,
    payloadHeader: 'x-payload',
    claimHeaders: [
      { name: 'x-sub', claim: ['sub'] },
      { name: 'x-role', claim: ['realm', 'role'] },
      { name: 'x-level', claim: ['level'] },
      { name: 'x-ok', claim: ['ok'] },
      { name: 'x-list', claim: ['list'] },
      { name: 'x-half', claim: ['half'] },
      { name: 'x-evil', claim: ['evil'] },
      { name: 'x-proto', claim: ['constructor', 'name'] },
    ],
  })
  const names = ['x-payload', ...rule.claimHeaders.map(({ name }) => name)]
  const forged = Object.fromEntries(names.map((name) => [name, 'forged']))
  const seen = async (request: AskedRequest): Promise<Record<string, string | undefined>> => {
    const exchange = exchangeOf(request)
    await authenticator(tokenPolicy(rule)).authenticate(exchange)
    return Object.fromEntries(names.map((name) => [name, exchange.request.fields.get(name)]))
  }
  const nothing = Object.fromEntries(names.map((name) => [name, undefined]))

  it('is what the token says, and nothing that the client says', async () => {
    const claims = {
      ...{ ...good, sub: 'bób', realm: { role: 'owner' }, level: 7, ok: false, list: ['a'], half: 0.5 },
      evil: 'a\r\nx-admin: 1',
    }
    const token = signedToken(key, claims)
    expect(await seen({ headers: { ...forged, authorization: `Bearer ${token}` } })).toEqual({
      ...nothing,
      ...{ 'x-payload': token.split('.')[1], 'x-sub': Buffer.from('bób').toString('latin1'), 'x-role': 'owner' },
      ...{ 'x-level': '7', 'x-ok': 'false' },
    })
  })

  it('is nothing without a token, and with the question of a browser', async () => {
    expect(await seen({ headers: forged })).toEqual(nothing)
    const preflight = { origin: 'https://a.example', 'access-control-request-method': 'PUT' }
    expect(await seen({ method: 'OPTIONS', headers: { ...forged, ...preflight } })).toEqual(nothing)
  })
})

describe('a browser that asks first', () => {
  const preflight = { origin: 'https://a.example', 'access-control-request-method': 'PUT', authorization: 'Bearer x' }
  it.each<[string, AskedRequest, string]>([
    ['may, whatever it shows', { method: 'OPTIONS', headers: preflight }, 'nobody'],
    ['may not with another method', { method: 'GET', headers: preflight }, '401'],
    [
      'may not without a question',
      { method: 'OPTIONS', headers: { ...preflight, 'access-control-request-method': [] } },
      '401',
    ],
    ['may not without an origin', { method: 'OPTIONS', headers: { ...preflight, origin: [] } }, '401'],
  ])('%s', async (_, request, wanted) => {
    expect(await outcome([issuer], request)).toMatch(new RegExp(`^${wanted}`))
  })
})

describe('the answer', () => {
  const answerTo = async (request: AskedRequest): Promise<LocalReply> => {
    const answer = await authenticator(tokenPolicy(issuer)).authenticate(exchangeOf(request))
    if (!('kind' in answer)) return expect.unreachable('the token is taken')
    return answer
  }

  it('is Envoy’s, and names the URL without its query', async () => {
    const token = signedToken(key, { ...good, exp: 1 })
    expect(await answerTo({ target: `/a?access_token=${token}` })).toMatchObject({
      ...{ status: 401, body: 'Jwt is expired', grpcStatus: 16, flag: '' },
      fields: [['www-authenticate', 'Bearer realm="http://cart.shop/a", error="invalid_token"']],
      details: 'jwt_authn_access_denied{Jwt_is_expired}',
      cause: { code: 'TOKEN_INVALID' },
    })
  })

  it('cannot be broken out of', async () => {
    const [field] = (await answerTo({ ...bearer('x'), target: `/"\\\u00e9${'a'.repeat(500)}` })).fields
    expect(field?.[1]).toMatch(/^Bearer realm="http:\/\/cart\.shop\/%22%5C%E9a{1,256}", error="invalid_token"$/)
  })
})

describe('a token that was seen before', () => {
  const ask = (asked: Authenticator, token: string): ReturnType<Authenticator['authenticate']> =>
    asked.authenticate(exchangeOf(bearer(token)))

  it('is taken at once', async () => {
    const asked = authenticator(tokenPolicy(elsewhere, issuer))
    const token = signedToken(key, good)
    const first = await ask(asked, token)
    const second = ask(asked, token)
    expect(second).not.toBeInstanceOf(Promise)
    expect(second).toEqual(first)
    expect(counted).toMatchObject({ accepted: { value: 2 }, remembered: { value: 1 }, refused: { value: 0 } })
  })

  it('is no longer taken when it has expired', async () => {
    const asked = authenticator(tokenPolicy(issuer))
    const token = signedToken(key, { ...good, exp: clock.nowMs() / 1000 + 10 })
    expect(wordsOf(await ask(asked, token))).toBe(`${ISSUER}/bob`)
    await clock.advance(71_000)
    expect(wordsOf(await ask(asked, token))).toBe('401 Jwt is expired')
  })

  it.each<[string, TokenIssuer]>([
    ['the key', tokenIssuer({ keys: { kind: 'inline', jwks: keySet(signingKey('one')) } })],
    ['the audience', tokenIssuer({ keys: inline, audiences: ['x'] })],
    ['the issuer', tokenIssuer({ keys: inline, issuer: 'x' })],
  ])('is no longer taken when the rule has changed: %s', async (_, changed) => {
    let policies = [tokenPolicy(issuer)]
    const parts = { clock, counters: counted, fetchDocument: () => Promise.reject(new Error('none')) }
    const view = { tokenPolicies: () => policies }
    const asked = new Authenticator({ ...parts, view, onKeysUnavailable: () => {} })
    const token = signedToken(key, good)
    expect(wordsOf(await ask(asked, token))).toBe(`${ISSUER}/bob`)
    policies = [tokenPolicy(changed)]
    expect(wordsOf(await ask(asked, token))).toMatch(/^40[13]/)
  })
})

describe('a connection without rules', () => {
  it('asks nobody, and its requests share who asks', () => {
    const asked = authenticator()
    const exchange: Exchange = exchangeOf({ peer: 'spiffe://cluster.local/ns/shop/sa/alice', ...bearer('x') })
    const who = asked.authenticate(exchange)
    expect(who).toEqual({ peer: 'spiffe://cluster.local/ns/shop/sa/alice', token: undefined })
    expect(asked.authenticate(exchange)).toBe(who)
    expect(exchange.request.fields.get('authorization')).toBe('Bearer x')
  })
})
