import { describe, expect, it } from 'vitest'
import { checkRequest, checkResponse, checkTrailers } from '../../../../src/shared/http2/header-rules.ts'
import type { HeaderField, HeaderList } from '../../../../src/shared/http2/types.ts'

const GET: HeaderField[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'a.example'],
  [':path', '/'],
]
const CONNECT: HeaderField[] = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
]

const without = (headers: HeaderList, name: string): HeaderField[] => headers.filter(([other]) => other !== name)
const changed = (headers: HeaderList, name: string, value: string): HeaderField[] =>
  headers.map((field) => (field[0] === name ? [name, value] : field))

describe('a request', () => {
  const good: [string, HeaderList, object][] = [
    ['a GET', GET, { isConnect: false, isHead: false, contentLength: undefined }],
    ['a HEAD', changed(GET, ':method', 'HEAD'), { isHead: true }],
    ['a CONNECT', CONNECT, { isConnect: true }],
    ['a method of its own', changed(GET, ':method', 'BREW'), {}],
    ['OPTIONS *', changed(changed(GET, ':method', 'OPTIONS'), ':path', '*'), {}],
    ['te: trailers', [...GET, ['te', 'Trailers']], {}],
    ['a content-length', [...GET, ['content-length', '12']], { contentLength: 12 }],
    [
      'the same content-length twice',
      [...GET, ['content-length', '12'], ['content-length', '12']],
      { contentLength: 12 },
    ],
    ['host equal to the authority', [...GET, ['host', 'A.example']], {}],
    ['no authority but host', [...without(GET, ':authority'), ['host', 'a.example']], {}],
    ['a value with a space and a tab inside', [...GET, ['x', 'a \tb']], {}],
    ['an empty value', [...GET, ['x', '']], {}],
    ['obs-text', [...GET, ['x', '\xe4\xff']], {}],
  ]
  it.each(good)('is taken: %s', (_name, headers, facts) => {
    expect(checkRequest(headers, false)).toMatchObject(facts)
  })

  const bad: [string, HeaderList][] = [
    ['no method', without(GET, ':method')],
    ['no scheme', without(GET, ':scheme')],
    ['no path', without(GET, ':path')],
    ['an empty path', changed(GET, ':path', '')],
    ['a relative path', changed(GET, ':path', 'index.html')],
    ['* for GET', changed(GET, ':path', '*')],
    ['a method with a space', changed(GET, ':method', 'GET /')],
    ['a scheme with a slash', changed(GET, ':scheme', 'http/')],
    ['userinfo', changed(GET, ':authority', 'me@a.example')],
    ['a pseudo-header twice', [...GET, [':path', '/x']]],
    ['a pseudo-header behind a field', [[':method', 'GET'], ['x', 'y'], ...GET.slice(1)]],
    ['an unknown pseudo-header', [...GET, [':version', '2']]],
    ['a response pseudo-header', [...GET, [':status', '200']]],
    ['an upper-case name', [...GET, ['X-A', 'b']]],
    ['an empty name', [...GET, ['', 'b']]],
    ['a name with a colon', [...GET, ['a:b', 'c']]],
    ['a name with a space', [...GET, ['a b', 'c']]],
    ['a name above ASCII', [...GET, ['\xe4', 'c']]],
    ['NUL in a value', [...GET, ['a', 'b\0']]],
    ['CR in a value', [...GET, ['a', 'b\rc']]],
    ['LF in a value', [...GET, ['a', 'b\nc']]],
    ['LF in the path', changed(GET, ':path', '/\n')],
    ['a space before a value', [...GET, ['a', ' b']]],
    ['a tab behind a value', [...GET, ['a', 'b\t']]],
    ...['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'].map(
      (name): [string, HeaderList] => [name, [...GET, [name, 'x']]],
    ),
    ['te other than trailers', [...GET, ['te', 'gzip']]],
    ['te with more than trailers', [...GET, ['te', 'trailers, gzip']]],
    ['two hosts', [...GET, ['host', 'b.example']]],
    ['a content-length that is no number', [...GET, ['content-length', '1a']]],
    ['a negative content-length', [...GET, ['content-length', '-1']]],
    ['a huge content-length', [...GET, ['content-length', '9'.repeat(16)]]],
    ['two content-lengths', [...GET, ['content-length', '1'], ['content-length', '2']]],
    ['CONNECT without an authority', [[':method', 'CONNECT']]],
    [
      'CONNECT with an empty authority',
      [
        [':method', 'CONNECT'],
        [':authority', ''],
      ],
    ],
    ['CONNECT with a scheme', [...CONNECT, [':scheme', 'https']]],
    ['CONNECT with a path', [...CONNECT, [':path', '/']]],
    ['extended CONNECT', [...changed(GET, ':method', 'CONNECT'), [':protocol', 'websocket']]],
  ]
  it.each(bad)('is malformed: %s', (_name, headers) => {
    expect(() => checkRequest(headers, false)).toThrow(expect.objectContaining({ scope: 'stream', h2Code: 1 }))
  })

  it('may be an extended CONNECT where that is enabled, with all that it needs', () => {
    const headers: HeaderField[] = [...changed(GET, ':method', 'CONNECT'), [':protocol', 'websocket']]
    expect(checkRequest(headers, true)).toMatchObject({ isConnect: true })
    expect(() => checkRequest(without(headers, ':path'), true)).toThrow()
    expect(() => checkRequest(changed(headers, ':method', 'GET'), true)).toThrow()
  })
})

describe('a response', () => {
  it.each(['100', '103', '200', '204', '304', '404', '599', '999'])('has a status: %s', (status) => {
    expect(checkResponse([[':status', status]]).status).toBe(Number(status))
  })

  it.each([
    ['no status', []],
    ['two digits', [[':status', '20']]],
    ['101', [[':status', '101']]],
    ['a letter', [[':status', '2oo']]],
    [
      'a status twice',
      [
        [':status', '200'],
        [':status', '200'],
      ],
    ],
    [
      'a request pseudo-header',
      [
        [':status', '200'],
        [':path', '/'],
      ],
    ],
    [
      'connection',
      [
        [':status', '200'],
        ['connection', 'close'],
      ],
    ],
  ] as [string, HeaderList][])('is malformed: %s', (_name, headers) => {
    expect(() => checkResponse(headers)).toThrow(expect.objectContaining({ scope: 'stream', h2Code: 1 }))
  })
})

it('refuses pseudo-headers in trailers, and what no field may be', () => {
  checkTrailers([['grpc-status', '0']])
  for (const field of [
    [':status', '200'],
    [':path', '/'],
    ['Upper', 'x'],
    ['te', 'gzip'],
    ['a', 'b\n'],
  ] as HeaderField[])
    expect(() => checkTrailers([field])).toThrow(expect.objectContaining({ scope: 'stream', h2Code: 1 }))
})
