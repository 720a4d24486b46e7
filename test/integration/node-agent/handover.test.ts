import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '#shared/clock'
import { type IpAddress, parseIp } from '#shared/net'
import { createNetns, type Netns, Nftables, Routes } from '#shared/sys'
import { Metrics } from '#shared/telemetry'
import { connectZds, type WorkloadInfo, type ZdsClient, type ZdsHandler } from '#shared/zds'
import { Handover } from '../../../src/node-agent/handover/index.ts'
import { FolderResolver } from '../../../src/node-agent/netns/index.ts'
import type { EnrolledPod, PodPlan } from '../../../src/node-agent/pods/index.ts'
import { applyRedirect, isRedirected } from '../../../src/node-agent/redirect/index.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

/** Short, so that a repair is seen soon. */
const VERIFY_INTERVAL_MS = 50

const POD_IP = parseIp('10.0.0.1') as IpAddress

/** A tunnel that writes down what it serves, and may refuse. */
class Tunnel implements ZdsHandler {
  readonly served = new Map<string, string>()
  readonly events: string[] = []
  refusal: string | undefined
  #named = new Set<string>()
  readonly client: ZdsClient

  constructor(path: string) {
    this.client = connectZds({ path, handler: this, clock: systemClock, logger: quietLogger, onProtocolError: fail })
  }

  async add(uid: string, info: WorkloadInfo, netns: Netns): Promise<void> {
    const id = netns.id
    netns.close()
    if (this.refusal !== undefined) throw new Error(this.refusal)
    this.#named.add(uid)
    if (this.served.get(uid) !== id) this.events.push(`add ${info.namespace}/${info.name}/${info.serviceAccount}`)
    this.served.set(uid, id)
  }

  async keep(uid: string): Promise<void> {
    this.#named.add(uid)
    this.events.push(`keep ${uid}`)
  }

  async delete(uid: string): Promise<void> {
    this.events.push(`delete ${uid}`)
    this.served.delete(uid)
  }

  async snapshotSent(): Promise<void> {
    for (const uid of [...this.served.keys()]) if (!this.#named.has(uid)) this.served.delete(uid)
    this.events.push('snapshot sent')
  }

  disconnected(): void {
    this.#named = new Set()
  }
}

function fail(error: Error): void {
  throw error
}

describe.runIf(requirePrivileges())('the hand-over of pods to tunnels', () => {
  let root: string
  let socketPath: string
  let resolver: FolderResolver
  let metrics: Metrics
  let handover: Handover
  const namespaces: Netns[] = []
  const tunnels: Tunnel[] = []
  const marks: string[] = []

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'ambit-agent-'))
    socketPath = join(root, 'ztunnel.sock')
    mkdirSync(join(root, 'netns'))
    startAgent()
  })

  afterEach(async () => {
    for (const { client } of tunnels.splice(0)) await client.close()
    await stopAgent()
    for (const netns of namespaces.splice(0)) netns.close()
    marks.splice(0)
    rmSync(root, { recursive: true, force: true })
  })

  function startAgent(verifyIntervalMs = VERIFY_INTERVAL_MS): void {
    resolver = new FolderResolver(join(root, 'netns'), systemClock, quietLogger)
    metrics = new Metrics()
    handover = new Handover({
      socketPath,
      resolver,
      clock: systemClock,
      logger: quietLogger,
      metrics,
      verifyIntervalMs,
      netnsTimeoutMs: 200,
      onMark: (uid, mark) => void marks.push(`${uid} ${mark}`),
    })
  }

  async function stopAgent(): Promise<void> {
    await handover.close()
    await resolver.close()
  }

  function startTunnel(): Tunnel {
    const tunnel = new Tunnel(socketPath)
    tunnels.push(tunnel)
    return tunnel
  }

  /** A pod's namespace, put where the agent finds it. */
  function makeNamespace(uid: string): Netns {
    const netns = createNetns()
    namespaces.push(netns)
    new Routes(netns).addAddress({ link: 'lo', ip: POD_IP, prefixBits: 32 })
    symlinkSync(`/proc/${process.pid}/fd/${netns.fd}`, join(root, 'netns', uid))
    return netns
  }

  function pod(uid: string, mode: Partial<EnrolledPod> = {}): PodPlan {
    const info = { name: uid, namespace: 'shop', serviceAccount: 'sa' }
    return {
      kind: 'capture',
      pod: { uid, info, ips: [POD_IP], inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [], ...mode },
    }
  }

  const leave = (uid: string, hasEnded = false): PodPlan => {
    return { kind: 'leave', uid, ips: [POD_IP], because: 'pod-opted-out', hasEnded }
  }
  const stateOf = (uid: string): string | undefined => handover.pods.find((found) => found.uid === uid)?.state
  const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 8000, interval: 5 })
  const untilState = (uid: string, state: string | undefined): Promise<void> =>
    until(() => expect(stateOf(uid)).toBe(state))

  it('marks a pod for others: pending until a tunnel has it, then enabled over an exchange of tunnels, none at last', async () => {
    makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    await until(() => expect(marks).toEqual(['u1 pending']))
    const tunnel = startTunnel()
    await until(() => expect(marks).toEqual(['u1 pending', 'u1 enabled']))
    await tunnel.client.close()
    await untilState('u1', 'waiting-for-tunnel')
    startTunnel()
    await untilState('u1', 'captured')
    expect(marks).toEqual(['u1 pending', 'u1 enabled'])
    handover.plan(leave('u1'))
    await untilState('u1', undefined)
    expect(marks).toEqual(['u1 pending', 'u1 enabled', 'u1 none'])
    // One that was captured by an agent before this one.
    handover.plan(leave('u2'))
    expect(marks.at(-1)).toBe('u2 none')
    handover.plan(leave('u3', true))
    expect(marks).toHaveLength(4)
  })

  it('redirects a pod before it hands it over, and calls it captured when the tunnel has it', async () => {
    const netns = makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    expect(isRedirected(netns)).toBe(true)
    expect(handover.pods).toMatchObject([{ uid: 'u1', state: 'waiting-for-tunnel' }])
    const tunnel = startTunnel()
    await untilState('u1', 'captured')
    expect(tunnel.events).toEqual(['add shop/u1/sa', 'snapshot sent'])
    expect(tunnel.served).toEqual(new Map([['u1', netns.id]]))
    expect(metrics.print()).toContain('ambit_node_agent_pods{state="captured"} 1\n')
    expect(metrics.print()).toContain('ztunnel_connected 1\n')
  })

  it('waits for a namespace and takes the pod when it comes', async () => {
    handover.plan(pod('u1'))
    await handover.open()
    const tunnel = startTunnel()
    await untilState('u1', 'waiting-for-namespace')
    await until(() => expect(tunnel.events).toEqual(['keep u1', 'snapshot sent']))
    makeNamespace('u1')
    await untilState('u1', 'captured')
  })

  it('says that a pod has no namespace when it takes too long, and still takes it later', async () => {
    handover.plan(pod('u1'))
    await handover.open()
    startTunnel()
    await untilState('u1', 'failed')
    expect(handover.pods).toMatchObject([{ reason: 'the pod has no network namespace after 0.2 s' }])
    makeNamespace('u1')
    await untilState('u1', 'captured')
  })

  it('follows a pod into a new namespace', async () => {
    makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    const tunnel = startTunnel()
    await untilState('u1', 'captured')
    unlinkSync(join(root, 'netns', 'u1'))
    await untilState('u1', 'waiting-for-namespace')
    expect(tunnel.served.size).toBe(0)
    const next = makeNamespace('u1')
    await untilState('u1', 'captured')
    expect(tunnel.served.get('u1')).toBe(next.id)
    expect(isRedirected(next)).toBe(true)
  })

  it('lets a pod go that no longer belongs to the mesh, and leaves its namespace clean', async () => {
    const netns = makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    const tunnel = startTunnel()
    await untilState('u1', 'captured')
    handover.plan(leave('u1'))
    await untilState('u1', undefined)
    expect(isRedirected(netns)).toBe(false)
    expect(tunnel.events.at(-1)).toBe('delete u1')
  })

  it('keeps the redirect of a pod that has ended', async () => {
    const netns = makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    const tunnel = startTunnel()
    await untilState('u1', 'captured')
    handover.plan(leave('u1', true))
    await untilState('u1', undefined)
    expect(isRedirected(netns)).toBe(true)
    expect(tunnel.served.size).toBe(0)
  })

  it('takes a pod back that is wanted again while it leaves', async () => {
    const netns = makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    const tunnel = startTunnel()
    await untilState('u1', 'captured')
    handover.plan(leave('u1'))
    handover.plan(pod('u1'))
    handover.plan(leave('u1'))
    await until(() => expect(tunnel.events).toContain('delete u1'))
    handover.plan(pod('u1'))
    await untilState('u1', 'captured')
    expect(isRedirected(netns)).toBe(true)
    expect(tunnel.served.has('u1')).toBe(true)
  })

  it('cleans a pod that left the mesh while no agent ran, and touches no other', async () => {
    const [left, never] = [makeNamespace('u1'), makeNamespace('u2')]
    applyRedirect(left, { inbound: 'captured', isDnsCaptured: false, virtualInterfaces: [] })
    new Nftables(never).replace({ family: 'inet', name: 'someone-else', chains: [] })
    for (const uid of ['u1', 'u2', 'u3']) handover.plan(leave(uid))
    expect(new Nftables(left).names('inet')).toEqual([])
    expect(new Nftables(never).names('inet')).toEqual(['someone-else'])
    expect(handover.pods).toEqual([])
  })

  it('puts a redirect back that someone has taken away', async () => {
    const netns = makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    startTunnel()
    await untilState('u1', 'captured')
    new Nftables(netns).remove('inet', 'ambit')
    await until(() => expect(isRedirected(netns)).toBe(true))
    await until(() => expect(handover.pods).toMatchObject([{ state: 'captured', repairs: 1 }]))
    expect(metrics.print()).toContain('ambit_node_agent_repairs_total 1\n')
  })

  it('changes the mode of a captured pod in place', async () => {
    const netns = makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    startTunnel()
    await untilState('u1', 'captured')
    handover.plan(pod('u1', { inbound: 'bypassed' }))
    await until(() => {
      const chains = new Nftables(netns).read('inet', 'ambit')?.chains
      expect(chains?.find(({ name }) => name === 'nat-prerouting')?.rules).toEqual([])
    })
  })

  it('lets one pod that fails delay no other, and tries it again', async () => {
    makeNamespace('u1')
    makeNamespace('u2')
    handover.plan(pod('u1', { virtualInterfaces: ['a name that is too long'] }))
    handover.plan(pod('u2'))
    await handover.open()
    const tunnel = startTunnel()
    await untilState('u2', 'captured')
    expect(handover.pods).toMatchObject([{ uid: 'u1', state: 'failed', reason: /no interface/ }, { uid: 'u2' }])
    expect(tunnel.events).toEqual(['keep u1', 'add shop/u2/sa', 'snapshot sent'])
    handover.plan(pod('u1'))
    await untilState('u1', 'captured')
  })

  it('calls a pod failed that the tunnel refuses, with the tunnel’s words, until it takes it', async () => {
    makeNamespace('u1')
    await handover.open()
    const tunnel = startTunnel()
    await until(() => expect(tunnel.events).toEqual(['snapshot sent']))
    tunnel.refusal = 'failure to start proxy : port taken'
    handover.plan(pod('u1'))
    await untilState('u1', 'failed')
    expect(handover.pods[0]?.reason).toContain('port taken')
    tunnel.refusal = undefined
    await untilState('u1', 'captured')
  })

  it('gives each tunnel a snapshot, new pods to the newest and ends to all', async () => {
    makeNamespace('u1')
    makeNamespace('u2')
    handover.plan(pod('u1'))
    await handover.open()
    const older = startTunnel()
    await untilState('u1', 'captured')
    const newer = startTunnel()
    await until(() => expect(newer.events).toEqual(['add shop/u1/sa', 'snapshot sent']))
    handover.plan(pod('u2'))
    await until(() => expect(newer.events).toContain('add shop/u2/sa'))
    await untilState('u2', 'captured')
    expect(older.served.has('u2')).toBe(false)
    handover.plan(leave('u1', true))
    await until(() => expect([older.events.at(-1), newer.events.at(-1)]).toEqual(['delete u1', 'delete u1']))
    await newer.client.close()
    await until(() => expect([...older.served.keys()]).toEqual(['u2']))
  })

  it('says that captured pods wait again when the last tunnel goes, and has them captured when one comes', async () => {
    makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    await untilState('u1', 'waiting-for-tunnel')
    await startTunnelAndClose('u1')
    await untilState('u1', 'waiting-for-tunnel')
    startTunnel()
    await untilState('u1', 'captured')
  })

  it('hands everything over again after the agent was exchanged, while pods stay redirected', async () => {
    const netns = makeNamespace('u1')
    handover.plan(pod('u1'))
    await handover.open()
    const tunnel = startTunnel()
    await untilState('u1', 'captured')
    await stopAgent()
    expect(isRedirected(netns)).toBe(true)
    expect(tunnel.served.has('u1')).toBe(true)
    startAgent()
    handover.plan(pod('u1'))
    await handover.open()
    await untilState('u1', 'captured')
    expect(tunnel.events).toEqual(['add shop/u1/sa', 'snapshot sent', 'snapshot sent'])
    expect(handover.pods).toMatchObject([{ repairs: 0 }])
  })

  it('takes sixty pods', async () => {
    await stopAgent()
    startAgent(30_000)
    const uids = Array.from({ length: 60 }, (_, i) => `u${i}`)
    for (const uid of uids) {
      makeNamespace(uid)
      handover.plan(pod(uid))
    }
    await handover.open()
    const tunnel = startTunnel()
    await until(() => expect(handover.pods.every(({ state }) => state === 'captured')).toBe(true))
    expect(tunnel.served.size).toBe(60)
  })

  async function startTunnelAndClose(uid: string): Promise<void> {
    const tunnel = startTunnel()
    await untilState(uid, 'captured')
    await tunnel.client.close()
  }

  it('does not take a namespace that has none of the pod’s addresses, and leaves it alone', async () => {
    const others = makeNamespace('u1')
    new Routes(others).removeAddress({ link: 'lo', ip: POD_IP, prefixBits: 32 })
    handover.plan(pod('u1'))
    await handover.open()
    const tunnel = startTunnel()
    await untilState('u1', 'failed')
    expect(handover.pods[0]?.reason).toContain('has none of its addresses (10.0.0.1)')
    handover.plan(leave('u2'))
    expect(isRedirected(others)).toBe(false)
    await until(() => expect(tunnel.events).toEqual(['keep u1', 'snapshot sent']))
    new Routes(others).addAddress({ link: 'lo', ip: POD_IP, prefixBits: 32 })
    await untilState('u1', 'captured')
  })

  it('takes a pod only when it has an address, for nothing else tells whose a namespace is', async () => {
    const netns = makeNamespace('u1')
    handover.plan(pod('u1', { ips: [] }))
    await handover.open()
    startTunnel()
    expect(handover.pods).toMatchObject([{ state: 'waiting-for-namespace', reason: 'its address is not there yet' }])
    expect(isRedirected(netns)).toBe(false)
    await untilState('u1', 'failed')
    expect(handover.pods[0]?.reason).toBe('the pod has no address after 0.2 s')
    handover.plan(pod('u1'))
    await untilState('u1', 'captured')
  })

  it('never takes the node’s own namespace', async () => {
    symlinkSync('/proc/self/ns/net', join(root, 'netns', 'u1'))
    handover.plan(leave('u1'))
    handover.plan(pod('u1'))
    await handover.open()
    await untilState('u1', 'failed')
    expect(handover.pods[0]?.reason).toContain("the node's own network namespace")
  })
})
