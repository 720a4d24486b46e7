import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentNetns, type Netns } from '#shared/sys'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'
import { ip, match, meshOf, policy, policyUpdate, workload } from '../../../support/mesh-builder.ts'
import { requirePrivileges } from '../../../support/privileges.ts'
import { listen, type TestListener, until } from '../../../support/tunnel-ends.ts'
import { type OutboundWay, plaintextWay } from '../../../support/ztunnel-ways.ts'

const ca = new MemoryCa()
const server = workload({ name: 'server', serviceAccount: 'server', addresses: ['127.0.0.1'] })

describe.runIf(requirePrivileges())('the way into a pod as plain TCP', () => {
  let netns: Netns
  let app: TestListener
  let mesh: ReturnType<typeof meshOf>
  let way: OutboundWay

  beforeEach(async () => {
    netns = currentNetns()
    app = await listen((socket) => void socket.pipe(socket))
    mesh = meshOf([server])
    way = await plaintextWay('server', netns, mesh, ca)
  })
  afterEach(async () => {
    await way.close()
    await app.close()
    netns.close()
  })

  const next = (socket: Socket): Promise<string> =>
    new Promise((resolve) => {
      socket.once('data', (bytes) => resolve(String(bytes)))
      socket.once('end', () => resolve('end'))
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    })
  const deny = (): void => {
    const stranger = match({ notPrincipals: ['*'] })
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'strict', action: 'Deny', rules: [[[stranger]]] })]))
  }

  it('goes where it wanted, and is listed and told of without an identity', async () => {
    const socket = await way.connect(app.address)
    socket.write('in')
    expect(await next(socket)).toBe('in')
    expect(way.table.list().map(({ record }) => [record.protocol, record.peer])).toEqual([['TCP', undefined]])
    socket.destroy()
    await until(() => way.lines.length > 0)
    expect(way.lines.join()).not.toContain('identity')
  })

  it('is closed when a policy wants an identity, and no application hears of it', async () => {
    deny()
    expect(await next(await way.connect(app.address))).toBe('end')
    expect(app.accepted).toHaveLength(0)
    await until(() => way.lines.length > 0)
    expect(way.metrics.print()).toContain('response_flags="DENY"')
  })

  it('is reset when the application refuses', async () => {
    await app.close()
    expect(await next(await way.connect(app.address))).toBe('ECONNRESET')
    await until(() => way.lines.length > 0)
    expect(way.metrics.print()).toContain('response_flags="CONNECT"')
    app = await listen(() => {})
  })

  it.each([15_001, 15_006, 15_008])('is closed at port %i, the tunnel’s own', async (port) => {
    expect(await next(await way.connect({ ip: ip('127.0.0.1'), port }))).toBe('end')
    expect(way.lines.join()).toContain('attempted recursive call to ourselves')
  })

  it('waits 5 s for the pod’s workload, then is closed', async () => {
    await way.close()
    const clock = new FakeClock()
    way = await plaintextWay('server', netns, meshOf([], [], clock), ca)
    const socket = await way.connect(app.address)
    await until(() => clock.pendingTimers === 1)
    await clock.advance(5_000)
    expect(await next(socket)).toBe('end')
    expect(way.lines.join()).toContain('failed to fetch information about local workload: server.default (server)')
  })
})
