import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ambit, pidNamespaceOf, tracesOf } from '../support/ambit.ts'
import { hasKubectl } from '../support/kube-api.ts'
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
    if (hasKubectl()) {
      const command = `exec kubectl exec -it -n shop client -- sh -c 'tty; exit 5'`
      const env = { PATH: process.env.PATH, HOME: dir, KUBECONFIG: join(dir, 'home', 'state', 'kubeconfig') }
      const terminal = spawnSync('script', ['-qefc', command, '/dev/null'], { env, encoding: 'utf8' })
      expect(terminal).toMatchObject({ status: 5, stdout: expect.stringContaining('/dev/pts/') })
    }
    const { stdout } = await ambit.run(['ztunnel-config', 'connections'])
    expect(stdout).toMatch(/web\.shop +Outbound .* HBONE/)
    expect(await ambit.run(['down'])).toMatchObject({ code: 0, stdout: expect.stringContaining('the mesh is down\n') })
    expect(tracesOf(namespace)).toEqual(before)
    expect(readdirSync(join(dir, 'home', 'state'))).toEqual(['istiod', 'pki', 'store'])
  })
})
