import type { Forwarded, Raw, RequestCase, ResponseCase } from '../../support/http1-cases.ts'

const HOST = 'Host: a.example\r\n'

const plain: Forwarded = { method: 'GET', target: '/', host: 'a.example', framing: 'none', body: '' }

/** A GET with these lines behind its host. */
function get(lines: string, target = '/'): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}${lines}\r\n`
}

function post(lines: string, body: string): string {
  return `POST / HTTP/1.1\r\n${HOST}${lines}\r\n${body}`
}

function refused(id: string, shows: string, raw: Raw, status = 400): RequestCase {
  return { id, side: 'request', shows, raw, forward: [], status }
}

function taken(id: string, shows: string, raw: Raw, ...forward: Forwarded[]): RequestCase {
  return { id, side: 'request', shows, raw, forward }
}

/** Nothing is answered, as the client ends within its request. */
function cut(id: string, shows: string, raw: Raw): RequestCase {
  return { id, side: 'request', shows, raw, forward: [] }
}

const chunked = (shows: string, text: string, status = 400): RequestCase =>
  refused(`own-chunk-${shows.replaceAll(' ', '-')}`, shows, post('Transfer-Encoding: chunked\r\n', text), status)

const codeOf = (char: string): string => char.charCodeAt(0).toString(16).padStart(2, '0')

/** No token has them (RFC 9110 §5.6.2). */
const names = [...'()<>@,;\\"/[]?={} \t\x00\x0b\x7f\x80\xff'].map((char) =>
  refused(`own-name-${codeOf(char)}`, `0x${codeOf(char)} in a name`, get(`X${char}A: b\r\n`)),
)

const values = [0, 1, 7, 8, 11, 12, 14, 27, 31, 127].map((code) =>
  refused(`own-value-${code}`, `octet ${code} in a value`, get(`X-A: b${String.fromCharCode(code)}c\r\n`)),
)

const targetOctets = [1, 9, 35, 127, 128, 255].map((code) =>
  refused(`own-target-${code}`, `octet ${code} in a target`, get('', `/a${String.fromCharCode(code)}b`)),
)

const badHosts = [
  'a b',
  'a,b',
  'a@b',
  'a/b',
  'a?b',
  'a#b',
  'a\\b',
  'a|b',
  'a"b',
  'a<b',
  'a^b',
  'a:b',
  'a:1:2',
  'a:123456',
  'a:-1',
  'a%',
  'a%2',
  'a%zz',
  ':80',
  '[]',
  '[::1',
  '[::1]x',
  '[g::1]',
  '::1',
  'a\xe9b',
].map((host) =>
  refused(
    `own-host-bad-${Buffer.from(host, 'latin1').toString('hex')}`,
    `host ${host}`,
    `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  ),
)

const goodHosts = ['a', 'a.b:80', '1.2.3.4', '[::1]', '[::1]:8080', 'a_b', 'a-b.', 'x%20y', 'a:'].map((host) =>
  taken(`own-host-${host}`, `host ${host}`, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, { ...plain, host }),
)

const lengths = ['1 ', '\t1'].map((value) =>
  taken(`own-length-${JSON.stringify(value)}`, 'blanks around a length', post(`Content-Length: ${value}\r\n`, 'a'), {
    ...plain,
    method: 'POST',
    framing: 'cl:1',
    body: 'a',
  }),
)

const badLengths = ['1;', '1,', ',1', '"1"', '1\x0c', '0x1', '\xb9', '1234567890123456', 'a', '--1', '1e1'].map(
  (value) =>
    refused(
      `own-length-bad-${Buffer.from(value, 'latin1').toString('hex')}`,
      `length ${value}`,
      post(`Content-Length: ${value}\r\n`, 'a'),
    ),
)

const codings = [
  'chunked,',
  'chunked ,chunked',
  'CHUNKED;',
  'gzip',
  'deflate, chunked',
  'chunked\x80',
  'chunke',
  'chunkedd',
].map((value) =>
  refused(
    `own-coding-${Buffer.from(value, 'latin1').toString('hex')}`,
    `coding ${value}`,
    post(`Transfer-Encoding: ${value}\r\n`, '0\r\n\r\n'),
    501,
  ),
)

const versions: readonly [string, number][] = [
  ['HTTP/1.2', 505],
  ['HTTP/2.0', 505],
  ['HTTP/0.9', 505],
  ['HTTP/3.0', 505],
  ['HTTP/1,1', 400],
  ['HTTP/1', 400],
  ['HTTP/11', 400],
  ['HTTP /1.1', 400],
  ['HTTPS/1.1', 400],
  ['HTTP/1.1 ', 400],
  ['Http/1.1', 400],
  ['HTTP/1.1\x00', 400],
]
const badVersions = versions.map(([version, status]) =>
  refused(`own-version-${version}`, `version ${version}`, `GET / ${version}\r\n${HOST}\r\n`, status),
)

const badTargets = [
  'http:/a.example/',
  'http://',
  'http:///a',
  'ftp://a/',
  'a.example:80',
  '?a',
  'http://a@b/',
  'http://a:x/',
].map((target) => refused(`own-form-${target}`, `target ${target}`, get('', target)))

const targets: readonly [string, Partial<Forwarded>][] = [
  ['//b.example/x', {}],
  ['/%00', {}],
  ['/a/../b', {}],
  ['/a?b?c', {}],
  ['/{}|^', {}],
]
const goodTargets = targets.map(([target, expected]) =>
  taken(`own-target-${target}`, 'a path is not changed here', get('', target), { ...plain, target, ...expected }),
)

const absolute = [
  taken('own-abs-query', 'an absolute target without a path', get('', 'http://b.example?q'), {
    ...plain,
    host: 'b.example',
    target: '/?q',
  }),
  taken('own-abs-case', 'scheme and host in any case', get('', 'HTTP://B.Example:80/X'), {
    ...plain,
    host: 'b.example:80',
    target: '/X',
  }),
  taken('own-abs-options', 'OPTIONS of the whole server', `OPTIONS http://b.example HTTP/1.1\r\n${HOST}\r\n`, {
    ...plain,
    method: 'OPTIONS',
    host: 'b.example',
    target: '*',
  }),
  taken('own-star', 'OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, { ...plain, method: 'OPTIONS', target: '*' }),
]

const hops = [
  taken(
    'own-hop-list',
    'Connection in two lines',
    get('Connection: x-a\r\nConnection: , x-b ,\r\nX-A: 1\r\nX-B: 2\r\n'),
    {
      ...plain,
      hasNot: ['connection', 'x-a', 'x-b'],
    },
  ),
  taken('own-hop-te', 'TE stays here', get('TE: trailers, deflate\r\nConnection: te\r\n'), {
    ...plain,
    hasNot: ['te'],
  }),
  taken(
    'own-hop-ws-post',
    'an upgrade of another method than GET',
    post('Connection: upgrade\r\nUpgrade: websocket\r\n', ''),
    {
      ...plain,
      method: 'POST',
      framing: 'cl:0',
      hasNot: ['upgrade'],
    },
  ),
  taken(
    'own-hop-two-upgrades',
    'two Upgrade lines are none',
    get('Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n'),
    {
      ...plain,
      hasNot: ['upgrade'],
    },
  ),
  taken(
    'own-hop-old-ws',
    'no upgrade with HTTP/1.0',
    `GET / HTTP/1.0\r\n${HOST}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`,
    {
      ...plain,
      hasNot: ['upgrade'],
    },
  ),
  refused('own-hop-odd', 'a Connection token that is none', get('Connection: x(a)\r\n')),
  refused('own-hop-many', 'more Connection tokens than anybody has', [
    `GET / HTTP/1.1\r\n${HOST}Connection: `,
    ['a,', 40],
    'b\r\n\r\n',
  ]),
  refused(
    'own-expect-twice',
    'Expect twice',
    post('Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n', 'a'),
    417,
  ),
  taken(
    'own-expect-old',
    'Expect of HTTP/1.0 means nothing',
    `POST / HTTP/1.0\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1\r\n\r\na`,
    { ...plain, method: 'POST', framing: 'cl:1', body: 'a', hasNot: ['expect'] },
  ),
]

const chunks = [
  chunked('tab before the size', '\t3\r\nabc\r\n0\r\n\r\n'),
  chunked('tab behind the size', '3\t\r\nabc\r\n0\r\n\r\n'),
  chunked('colon', '3:\r\nabc\r\n0\r\n\r\n'),
  chunked('quoted size', '"3"\r\nabc\r\n0\r\n\r\n'),
  chunked('letter g', 'g\r\nabc\r\n0\r\n\r\n'),
  chunked('two line ends', '3\r\n\r\nabc\r\n0\r\n\r\n'),
  chunked('short data', '4\r\nabc\r\n0\r\n\r\n'),
  chunked('beyond the bound', '10000000001\r\nabc\r\n0\r\n\r\n'),
  chunked('seventeen zeros', '00000000000000003\r\nabc\r\n0\r\n\r\n'),
  chunked('DEL in an extension', '3;\x7f\r\nabc\r\n0\r\n\r\n'),
  chunked('negative zero', '-0\r\n\r\n'),
  chunked('last chunk with data', '0\r\nabc\r\n\r\n'),
  chunked('bare LF behind the last chunk', '0\r\n\n'),
  chunked('space before the colon of a trailer', '0\r\nX : a\r\n\r\n'),
  chunked('NUL in a trailer', '0\r\nX: \x00\r\n\r\n'),
  taken(
    'own-chunk-case',
    'sizes in capitals and with leading zeros',
    post('Transfer-Encoding: chunked\r\n', '0A\r\n0123456789\r\n00\r\n\r\n'),
    { ...plain, method: 'POST', framing: 'chunked', body: '0123456789' },
  ),
  cut('own-chunk-open', 'the end within a chunk', post('Transfer-Encoding: chunked\r\n', '5\r\nabc')),
  cut('own-chunk-no-last', 'the end before the last chunk', post('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n')),
  cut('own-length-open', 'the end within a body', post('Content-Length: 5\r\n', 'abc')),
  cut('own-head-open', 'the end within a head', `GET / HTTP/1.1\r\n${HOST}`),
]

const sizes = [
  refused('own-fields', 'a hundred and one fields', ['GET / HTTP/1.1\r\n', HOST, ['X: y\r\n', 100], '\r\n'], 431),
  taken('own-fields-most', 'a hundred fields', ['GET / HTTP/1.1\r\n', HOST, ['X: y\r\n', 99], '\r\n'], plain),
  refused('own-blank-lines', 'three empty lines', `\r\n\r\n\r\n${get('')}`),
  taken('own-two-blank-lines', 'two empty lines', `\r\n\r\n${get('')}`, plain),
  refused(
    'own-trailers',
    'large trailers',
    ['POST / HTTP/1.1\r\n', HOST, 'Transfer-Encoding: chunked\r\n\r\n0\r\nX: ', ['a', 9000], '\r\n\r\n'],
    431,
  ),
]

function answer(
  id: string,
  shows: string,
  raw: Raw,
  outcome: ResponseCase['outcome'],
  body?: string,
  method = 'GET',
): ResponseCase {
  return {
    id: `own-answer-${id}`,
    side: 'response',
    shows,
    raw,
    method,
    outcome,
    ...(body === undefined ? {} : { body }),
  }
}

const OK = 'HTTP/1.1 200 OK\r\n'
const responses = [
  answer('eof', 'a body that ends with the connection', `${OK}\r\nabc`, 'pass', 'abc'),
  answer('old', 'an answer of HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nabc', 'pass', 'abc'),
  answer('no-reason', 'no reason', 'HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nabc', 'pass', 'abc'),
  answer('no-blank', 'neither blank nor reason', 'HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc', 'pass', 'abc'),
  answer('chunked', 'chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n`, 'pass', 'abc'),
  answer(
    'trailers',
    'trailers',
    `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\nSet-Cookie: a\r\n\r\n`,
    'pass',
    'abc',
  ),
  answer('304', 'no body behind 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n', 'pass', ''),
  answer('head-chunked', 'no chunks for HEAD', `${OK}Transfer-Encoding: chunked\r\n\r\n`, 'pass', '', 'HEAD'),
  answer(
    '103',
    'early hints',
    `HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${OK}Content-Length: 3\r\n\r\nabc`,
    'pass',
    'abc',
  ),
  answer('99', 'status 099', 'HTTP/1.1 099 X\r\n\r\n', 'refuse'),
  answer('600', 'status 600', 'HTTP/1.1 600 X\r\n\r\n', 'refuse'),
  answer('4digits', 'a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'refuse'),
  answer('version', 'version 2', 'HTTP/2.0 200 OK\r\n\r\n', 'refuse'),
  answer(
    'te-twice',
    'two codings',
    `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'refuse',
  ),
  answer('te-old', 'chunks with HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'refuse'),
  answer('length-plus', 'a length with a sign', `${OK}Content-Length: +3\r\n\r\nabc`, 'refuse'),
  answer('nothing', 'no answer at all', '', 'refuse'),
  answer('half', 'half a head', `${OK}X: `, 'refuse'),
  answer('interim-only', 'nothing behind an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n', 'refuse'),
  answer(
    'interim-flood',
    'interim answers without end',
    [['HTTP/1.1 102 Processing\r\nX: aaaaaaaaaaaaaaaaaaaa\r\n\r\n', 2000]],
    'refuse',
  ),
  answer('chunk-short', 'the end within a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nab`, 'abort'),
  answer(
    'chunk-no-last',
    'the end before the last chunk',
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n`,
    'abort',
  ),
]

export const ownCases: readonly (RequestCase | ResponseCase)[] = [
  ...names,
  ...values,
  ...targetOctets,
  ...badHosts,
  ...goodHosts,
  ...lengths,
  ...badLengths,
  ...codings,
  ...badVersions,
  ...badTargets,
  ...goodTargets,
  ...absolute,
  ...hops,
  ...chunks,
  ...sizes,
  ...responses,
]
