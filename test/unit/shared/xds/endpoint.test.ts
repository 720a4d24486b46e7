import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type ControlPlaneEndpoint, parseControlPlaneUrl, rootSource, tokenSource } from '#shared/xds'
import { readCallHeaders, readRoots } from '../../../../src/shared/xds/endpoint.ts'

const folder = mkdtempSync(join(tmpdir(), 'ambit-endpoint-'))
const file = join(folder, 'token')
const absent = join(folder, 'absent')
writeFileSync(file, 'abc.def')
afterAll(() => rmSync(folder, { recursive: true }))

describe('an address of the control plane', () => {
  it.each([
    ['https://istiod.istio-system.svc:15012', 'istiod.istio-system.svc', 15_012],
    ['istiod.istio-system.svc:15012', 'istiod.istio-system.svc', 15_012],
    ['https://10.0.0.1:15012/', '10.0.0.1', 15_012],
    ['https://[fd00::1]:15012', 'fd00::1', 15_012],
    ['https://istiod', 'istiod', 443],
  ])('%s is read', (text, host, port) => {
    expect(parseControlPlaneUrl(text)).toEqual({ host, port })
  })

  it.each([
    'http://istiod:15012',
    'https://',
    '',
    'https://a:b',
    'https://u@h:1',
    'https://h:1/path',
    'https://h:1?q',
    'unix:///x',
  ])('%j is refused', (text) => {
    expect(parseControlPlaneUrl(text)).toBeUndefined()
  })
})

describe('where roots and tokens come from', () => {
  it('is a path if that exists, else the value itself, else the default', () => {
    expect(rootSource(file, absent)).toEqual({ kind: 'file', path: file })
    expect(rootSource('SYSTEM', absent)).toEqual({ kind: 'system' })
    expect(rootSource('-----BEGIN', absent)).toEqual({ kind: 'pem', pem: '-----BEGIN' })
    expect(rootSource(undefined, absent)).toEqual({ kind: 'file', path: absent })
    expect(tokenSource(file, absent)).toEqual({ kind: 'file', path: file })
    expect(tokenSource('eyJ', absent)).toEqual({ kind: 'literal', token: 'eyJ' })
    expect(tokenSource(undefined, file)).toEqual({ kind: 'file', path: file })
    expect(tokenSource(undefined, absent)).toEqual({ kind: 'none' })
  })

  it('may be a path that does not exist yet: it is read when it is needed', () => {
    expect(rootSource(absent, file)).toEqual({ kind: 'file', path: absent })
    expect(tokenSource(absent, file)).toEqual({ kind: 'file', path: absent })
  })

  it('is told when the root file cannot be read', async () => {
    await expect(readRoots({ kind: 'file', path: absent })).rejects.toThrowError(
      /root certificate file .* cannot be read/,
    )
  })
})

describe('the headers of a call', () => {
  const endpoint = (over: Partial<ControlPlaneEndpoint>): ControlPlaneEndpoint => ({
    host: 'h',
    port: 1,
    roots: { kind: 'system' },
    alternativeHost: undefined,
    token: { kind: 'file', path: file },
    clusterId: 'c1',
    headers: [['x-extra', 'v']],
    allowTls12: false,
    ...over,
  })

  it('are cluster, token and what was set, the token read afresh', async () => {
    const expected = (token: string): string[][] => [
      ['clusterid', 'c1'],
      ['authorization', `Bearer ${token}`],
      ['x-extra', 'v'],
    ]
    expect(await readCallHeaders(endpoint({}))).toEqual(expected('abc.def'))
    writeFileSync(file, 'next')
    expect(await readCallHeaders(endpoint({}))).toEqual(expected('next'))
  })

  it('leave out the token when there is none', async () => {
    expect(await readCallHeaders(endpoint({ token: { kind: 'none' }, headers: [] }))).toEqual([['clusterid', 'c1']])
  })

  it.each([
    ['a line end', 'abc\n', /ends with a line end.*byte for byte/],
    ['nothing', '', /is empty/],
    ['a space', 'a b', /characters that no token has/],
    ['a byte beyond ASCII', 'aü', /characters that no token has/],
  ])('cannot be made of a token with %s', async (_what, token, message) => {
    await expect(readCallHeaders(endpoint({ token: { kind: 'literal', token } }))).rejects.toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    )
  })

  it('never show the token in an error', async () => {
    const attempt = readCallHeaders(endpoint({ token: { kind: 'literal', token: 'secret\n' } }))
    await expect(attempt).rejects.toThrowError(/^(?!.*secret)/)
  })
})
