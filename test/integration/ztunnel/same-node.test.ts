import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { IMMEDIATE_DRAIN, Readiness } from '#shared/lifecycle'
import { MeshState } from '#shared/mesh-state'
import type { SpiffeId } from '#shared/model'
import { Log, Metrics } from '#shared/telemetry'
import { applyRedirect } from '../../../src/node-agent/redirect/index.ts'
import { readZtunnelConfig } from '../../../src/ztunnel/config.ts'
import { type DataPlane, makeDataPlane } from '../../../src/ztunnel/data-plane.ts'
import { MemoryCa } from '../../support/memory-ca.ts'
import { addressUpdate, match, policy, policyUpdate, workload } from '../../support/mesh-builder.ts'
import { PodNetwork, type TestPod } from '../../support/pod-network.ts'
import { requirePrivileges } from '../../support/privileges.ts'

const CAPTURE = { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] } as const
const DENY_CLIENT = policy({
  name: 'no-client',
  rules: [[[match({ principals: ['cluster.local/ns/default/sa/client'] })]]],
})

describe.runIf(requirePrivileges())('connections between two pods of one tunnel', () => {
  let network: PodNetwork
  let client: TestPod
  let server: TestPod
  let state: MeshState
  let plane: DataPlane
  let lines: string[]
  const ca = new MemoryCa()
  /** Identities whose certificate is asked for, and those that have none. */
  const withoutCertificate = new Set<string>()

  beforeEach(async () => {
    network = new PodNetwork()
    client = network.pod('client')
    server = network.pod('server')
    lines = []
    withoutCertificate.clear()
    state = new MeshState({ clock: systemClock, nodeName: 'node-a' })
    state.applyAddresses(
      addressUpdate([
        workload({ name: 'client', serviceAccount: 'client', addresses: [client.ip] }),
        workload({ name: 'server', serviceAccount: 'server', addresses: [server.ip] }),
      ]),
    )
    plane = makeDataPlane(readZtunnelConfig({}, []), {
      clock: systemClock,
      log: new Log({
        format: 'plain',
        filter: 'info',
        clock: systemClock,
        output: { line: (text) => void lines.push(text) },
      }),
      metrics: new Metrics(),
      readiness: new Readiness(),
      state,
      certificateOf: async (id: SpiffeId) => {
        if (withoutCertificate.has(id)) throw new Error(`no certificate for ${id}`)
        return ca.issue(id)
      },
      askFor: undefined,
    })
    for (const pod of [client, server]) {
      applyRedirect(pod.netns, CAPTURE)
      const info = { name: pod.name, namespace: 'default', serviceAccount: pod.name }
      await plane.pods.add(pod.name, info, pod.netns)
    }
    await server.serve(8080, (socket) => socket.pipe(socket))
  })
  afterEach(async () => {
    await plane.pods.drain(IMMEDIATE_DRAIN)
    network.close()
  })

  const connected = async (): Promise<Socket> => {
    const socket = client.connect(server.ip, 8080).setEncoding('utf8')
    socket.on('error', () => {})
    socket.write('a')
    expect(
      await Promise.race([
        once(socket, 'data'),
        once(socket, 'end').then(() => ['ended']),
        once(socket, 'close').then(() => ['closed']),
      ]),
    ).toEqual(['a'])
    return socket
  }

  it('are cut as soon as a policy denies them, at both ends, and so are new ones', async () => {
    const socket = await connected()
    const cut = once(socket, 'end')
    state.applyAuthorizations(policyUpdate([DENY_CLIENT]))
    await cut
    await expect.poll(() => plane.connections.size).toBe(0)
    expect(lines.join('')).toContain('error="connection closed due to policy change"')
    await expect(connected()).rejects.toThrow()
    state.applyAuthorizations(policyUpdate([], ['default/no-client']))
    await connected()
  })

  it.each(['client', 'server'])('are listed at both ends, and end with the pod %s', async (pod) => {
    const socket = await connected()
    expect(plane.connections.list().map(({ record }) => `${record.podUid} ${record.direction}`)).toEqual([
      'client outbound',
      'server inbound',
    ])
    const cut = once(socket, 'end')
    await plane.pods.snapshotSent()
    await plane.pods.delete(pod)
    await cut
    await expect.poll(() => plane.connections.size).toBe(0)
  })

  it('make no tunnel', async () => {
    await connected()
    expect(server.connectionsTo(15_008)).toBe(0)
  })

  it.each(['client', 'server'])(
    'go by tunnel, which says what is wrong, without a certificate of the %s',
    async (account) => {
      withoutCertificate.add(`spiffe://cluster.local/ns/default/sa/${account}`)
      await expect(connected()).rejects.toThrow()
      expect(lines.join('')).toMatch(/no certificate for|io error|h2 failed|tls/i)
    },
  )
})
