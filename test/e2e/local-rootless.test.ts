import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ambit, pidNamespaceOf, tracesOf } from '../support/ambit.ts'
import { requirePrivileges } from '../support/privileges.ts'
import { mayUnshare, rootlessAmbit } from '../support/rootless.ts'

describe.runIf(requirePrivileges() && mayUnshare())('a mesh of an ordinary user', () => {
  let dir = ''
  let ambit: Ambit
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-rootless-'))
    ambit = rootlessAmbit(dir)
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
    expect(await ambit.run(['down'])).toMatchObject({ code: 0, stdout: 'the mesh is down\n' })
    expect(tracesOf(namespace)).toEqual(before)
    expect(readdirSync(join(dir, 'home'))).toEqual([])
  })
})
