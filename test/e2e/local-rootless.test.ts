import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ambit, pidNamespaceOf, tracesOf } from '../support/ambit.ts'
import { requirePrivileges } from '../support/privileges.ts'

const root = resolve(import.meta.dirname, '../..')
/** What runs needs of a checkout; the one under test may lie where an ordinary user must not look. */
const NEEDED = [
  'bin',
  'dist',
  'daemonset',
  'samples',
  'package.json',
  'node_modules/.bin/node',
  'node_modules/koffi',
  'node_modules/@koromix',
  `node_modules/node-linux-${process.arch}`,
]
/** nobody and nogroup. */
const NOBODY = { uid: 65_534, gid: 65_534 }

function mayUnshare(): boolean {
  const { status } = spawnSync('unshare', ['--user', '--map-root-user', 'true'], NOBODY)
  if (status === 0) return true
  if (process.env.MESH_E2E === 'require')
    throw new Error('MESH_E2E=require, but ordinary users may not make namespaces')
  console.warn('SKIPPED: ordinary users may not make user namespaces on this machine')
  return false
}

describe.runIf(requirePrivileges() && mayUnshare())('a mesh of an ordinary user', () => {
  let dir = ''
  let ambit: Ambit
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-rootless-'))
    chmodSync(dir, 0o755)
    for (const path of NEEDED)
      cpSync(join(root, path), join(dir, path), { recursive: true, dereference: path.endsWith('/node') })
    mkdirSync(join(dir, 'home'))
    chownSync(join(dir, 'home'), NOBODY.uid, NOBODY.gid)
    ambit = new Ambit({ stateDir: join(dir, 'home', 'state'), root: dir, user: NOBODY })
  })
  afterAll(async () => {
    await ambit.run(['down'])
    rmSync(dir, { recursive: true, force: true })
  })

  it('carries the shop, and leaves nothing', async () => {
    const before = tracesOf('none yet')
    expect(await ambit.run(['up', '--detach', '--demo'])).toMatchObject({ code: 0, stderr: '' })
    const namespace = pidNamespaceOf((await ambit.status()).pid)
    const checkout = ['node', 'request.mjs', 'http://web.shop/checkout']
    for (const client of ['shop', 'legacy']) {
      const { stdout } = await ambit.run(['exec', '-n', client, 'client', '--', ...checkout])
      expect(stdout).toMatch(/^200 .*"paid":true/)
    }
    const { stdout } = await ambit.run(['ztunnel-config', 'connections'])
    expect(stdout).toMatch(/web\.shop +Outbound .* HBONE/)
    expect(await ambit.run(['down'])).toMatchObject({ code: 0, stdout: expect.stringContaining('the mesh is down\n') })
    expect(tracesOf(namespace)).toEqual(before)
    expect(readdirSync(join(dir, 'home', 'state'))).toEqual(['istiod', 'pki', 'store'])
  })
})
