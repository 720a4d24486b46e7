import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLogin } from '../../../../src/shared/kube-client/kube-config.ts'
import type { KubeLogin } from '../../../../src/shared/kube-client/login.ts'

describe('a kubeconfig', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-kubeconfig-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  function write(name: string, clusters: Record<string, string>, current?: string): string {
    const file = join(dir, name)
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: Object.entries(clusters).map(([cluster, server]) => ({ name: cluster, cluster: { server } })),
      users: [{ name: 'u', user: { token: `token-of-${name}` } }],
      contexts: Object.keys(clusters).map((cluster) => ({ name: cluster, context: { cluster, user: 'u' } })),
      ...(current === undefined ? {} : { 'current-context': current }),
    }
    writeFileSync(file, JSON.stringify(config))
    return file
  }

  const open = (files: readonly string[], context?: string): KubeLogin =>
    openLogin({ kind: 'kubeconfig', files, ...(context === undefined ? {} : { context }) })

  it('says where the server is, and logs in to it', async () => {
    const login = open([write('a', { one: 'https://one:6443/base', two: 'https://two' }, 'one')])
    expect(login.server.href).toBe('https://one:6443/base')
    expect((await login.options()).headers).toEqual({ Authorization: 'Bearer token-of-a' })
  })

  it('may be used with another context than the current one', () => {
    expect(open([write('a', { one: 'https://one', two: 'https://two' }, 'one')], 'two').server.host).toBe('two')
  })

  it('is merged with others as kubectl does it: the first word counts, and missing files do not', async () => {
    const files = [join(dir, 'none'), write('a', { one: 'https://one' }), write('b', { one: 'https://other' }, 'one')]
    const login = open(files)
    expect(login.server.host).toBe('one')
    expect((await login.options()).headers).toEqual({ Authorization: 'Bearer token-of-a' })
  })

  it.each<[string, (file: string) => void, RegExp]>([
    ['is not there', () => {}, /cannot be read: ENOENT/],
    ['is no kubeconfig', (file) => writeFileSync(file, 'just text'), /has no current context/],
    ['is empty', (file) => writeFileSync(file, ''), /cannot be read/],
    ['has no current context', () => write('c', { one: 'https://one' }), /has no current context: choose one/],
    ['names a context that is not there', () => write('c', { one: 'https://one' }, 'x'), /has no context "x"/],
    ['has no URL', () => write('c', { one: 'nowhere' }, 'one'), /is no URL of an API server/],
    ['would send tokens in the clear', () => write('c', { one: 'http://one' }, 'one'), /is not encrypted/],
  ])('that %s is refused, and says what is wrong', (_, prepare, problem) => {
    const file = join(dir, 'c')
    prepare(file)
    expect(() => open([file])).toThrow(problem)
  })

  it.each([
    ['10.96.0.1', 'https://10.96.0.1:6443'],
    ['fd00::1', 'https://[fd00::1]:6443'],
  ])('is not needed in a pod, whose server is told by the environment: %s', (host, origin) => {
    expect(openLogin({ kind: 'in-cluster', host, port: 6443 }).server.origin).toBe(origin)
  })
})
