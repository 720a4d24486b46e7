import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redactText } from '../../../../src/cli/bug-report/redact.ts'
import { redactObject } from '../../../../src/cli/bug-report/redact-object.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const TOKEN = `${part({ alg: 'ES256', kid: 'some-key' })}.${part({ sub: 'system:serviceaccount:a:b' })}.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw`
const PASSWORD = 'hunter2-Tr0ub4dor'

/** Pieces of secrets that nobody may see, however they are written. */
const pieces = [
  ...privateKey.split('\n').filter((line) => line.length > 20 && !line.startsWith('---')),
  TOKEN.split('.')[2] ?? '',
  PASSWORD,
]

const hidden: readonly (readonly [what: string, text: string])[] = [
  ['a private key', `key:\n${privateKey}\nend`],
  ['a private key inside of JSON', JSON.stringify({ 'ca-key.pem': privateKey })],
  ['a private key whose end is missing', privateKey.slice(0, -40)],
  ['a private key whose beginning is missing', privateKey.slice(40)],
  ['a private key in JSON whose beginning is missing', JSON.stringify(privateKey).slice(40)],
  ['a private key in base64', `client-certificate: ${Buffer.from(privateKey).toString('base64')}`],
  ['a token', `failed for ${TOKEN}: expired`],
  ['a header', `authorization: Bearer ${TOKEN}`],
  ['a user of a URL', `https://user:${PASSWORD}@example.com/path`],
  ['a basic credential', `Authorization: Basic ${Buffer.from(`user:${PASSWORD}`).toString('base64')}`],
  ['a variable', `DB_PASSWORD=${PASSWORD} other=1`],
  ['YAML', `db:\n  password: ${PASSWORD}\n`],
  ['JSON', JSON.stringify({ apiKey: PASSWORD, 'client-key-data': PASSWORD })],
  ['JSON inside of JSON', JSON.stringify(JSON.stringify({ a: 1, password: PASSWORD, b: 2 }))],
  ['JSON inside of JSON inside of JSON', JSON.stringify(JSON.stringify(JSON.stringify({ password: PASSWORD })))],
  ['quotes inside of quotes', JSON.stringify({ secret: `a"${PASSWORD}` })],
  ['a flag', `run --db-password ${PASSWORD} --other`],
  ['a flag with a sign', `run --token=${PASSWORD}`],
]

const shown: readonly string[] = [
  '"secret": {"secretName": "tls"}',
  '"token": null',
  publicKey,
  'AUTH_TOKEN=/var/run/secrets/tokens/istio-token',
  '"tokenAudience": "istio-ca"',
  '"token": true',
  'secretName: web-tls',
  'imagePullSecrets: []',
  'GET /api/v1/namespaces/a/secrets 403',
  Buffer.from('-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n').toString('base64'),
]

describe('a text of a report', () => {
  it.each(['123456', '/3hT+x9/Q==', '(x)', '/'])('takes the password %s for no harmless value', (password) => {
    expect(redactText(`password: "${password}"`)).toBe('password: "[redacted]"')
  })

  it.each(hidden)('shows nothing of %s', (_what, text) => {
    const redacted = redactText(text)
    expect(pieces.filter((piece) => redacted.includes(piece))).toEqual([])
    expect(redacted).toContain('[redacted]')
  })

  it.each(shown)('keeps %j', (text) => expect(redactText(text)).toBe(text))

  it('shows nothing of a key or a token, whatever stands around it', () => {
    const secret = fc.constantFrom(
      privateKey,
      JSON.stringify(privateKey),
      TOKEN,
      Buffer.from(privateKey).toString('base64'),
    )
    const other = fc.oneof(
      fc.string(),
      fc.constantFrom('\n', '"', '{"a":"', '\\n', '-----BEGIN CERTIFICATE-----\n', 'token: ', ' '),
    )
    fc.assert(
      fc.property(fc.array(other), secret, fc.array(other), (before, found, after) => {
        const text = [...before, ' ', found, ' ', ...after].join('')
        expect(pieces.filter((piece) => redactText(text).includes(piece))).toEqual([])
      }),
    )
  })

  it.each(['A', 'eyJ', 'a-', 'token', '-----BEGIN ', '=', 'LS0tLS1CRUdJTi', '"token":"', '://a:'])(
    'takes a megabyte of %j without getting lost',
    (piece) => expect(redactText(piece.repeat(1_000_000 / piece.length)).length).toBeGreaterThan(0),
  )
})

describe('an object of a report', () => {
  const pod = {
    kind: 'Pod',
    metadata: {
      name: 'a',
      managedFields: [{ manager: 'kubectl' }],
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': PASSWORD, other: 'x' },
    },
    spec: {
      containers: [
        {
          name: 'c',
          args: ['--p', PASSWORD],
          env: [
            { name: 'A', value: PASSWORD },
            { name: 'B', valueFrom: { secretKeyRef: { name: 's' } } },
          ],
        },
      ],
    },
  }

  it('of an application shows neither its environment nor its arguments', () => {
    expect(redactObject(pod, false)).toEqual({
      kind: 'Pod',
      metadata: { name: 'a', annotations: { other: 'x' } },
      spec: {
        containers: [
          {
            name: 'c',
            args: ['[redacted]'],
            env: [
              { name: 'A', value: '[redacted]' },
              { name: 'B', valueFrom: { secretKeyRef: { name: 's' } } },
            ],
          },
        ],
      },
    })
  })

  it('of the mesh shows its settings, but those that are secrets', () => {
    const env = [
      { name: 'NODE_NAME', value: 'a' },
      { name: 'AUTH_TOKEN', value: '/var/run/token' },
      { name: 'XDS_PASSWORD', value: PASSWORD },
    ]
    const own = redactObject({ kind: 'Pod', spec: { containers: [{ args: ['proxy'], env }] } }, true)
    expect(own.spec).toEqual({
      containers: [{ args: ['[redacted]'], env: [...env.slice(0, 2), { name: 'XDS_PASSWORD', value: '[redacted]' }] }],
    })
  })

  it.each(['Secret', 'ConfigMap'])('that is a %s shows only what it holds, not what that is', (kind) => {
    expect(redactObject({ kind, data: { a: PASSWORD }, stringData: { b: PASSWORD } }, true)).toEqual({
      kind,
      data: { a: '[redacted]' },
      stringData: { b: '[redacted]' },
    })
  })
})
