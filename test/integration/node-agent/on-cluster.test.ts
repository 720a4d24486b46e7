import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '#shared/clock'
import type { RunningProgram } from '#shared/lifecycle'
import { type IpAddress, parseIp } from '#shared/net'
import { createNetns, type Netns, Routes } from '#shared/sys'
import { Log, Metrics } from '#shared/telemetry'
import { connectZds, type ZdsClient } from '#shared/zds'
import { startNodeAgent } from '../../../src/node-agent/app.ts'
import { readNodeAgentConfig } from '../../../src/node-agent/config.ts'
import { isRedirected } from '../../../src/node-agent/redirect/index.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { type Json, KubeClient } from '../../support/kube-client.ts'
import { requirePrivileges } from '../../support/privileges.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

const REDIRECTION = 'ambient.istio.io/redirection'
const MODE = 'istio.io/dataplane-mode'
const POD = '/api/v1/namespaces/shop/pods/web'
/** What users are promised of a label that changes. */
const PROMISED_MS = 1_000

describe.runIf(requirePrivileges())('the node agent of a cluster', () => {
  let root: string
  let netns: Netns
  let api: TestApi
  let kube: KubeClient
  let agent: RunningProgram | undefined
  let tunnel: ZdsClient | undefined

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'ambit-agent-api-'))
    mkdirSync(join(root, 'netns'))
    netns = createNetns()
    new Routes(netns).addAddress({ link: 'lo', ip: parseIp('10.0.0.1') as IpAddress, prefixBits: 32 })
    api = await startTestApi()
    kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    await kube.post('/api/v1/namespaces', { metadata: { name: 'shop' } })
    await createPod()
  })

  afterEach(async () => {
    await tunnel?.close()
    await agent?.close()
    tunnel = undefined
    agent = undefined
    kube.close()
    await api.close()
    netns.close()
    rmSync(root, { recursive: true, force: true })
  })

  async function createPod(): Promise<void> {
    const spec = { nodeName: 'node-web', containers: [{ name: 'c', image: 'i' }] }
    const { json } = await kube.post('/api/v1/namespaces/shop/pods', { metadata: { name: 'web' }, spec })
    await patch(`${POD}/status`, { status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }], podIP: '10.0.0.1' } })
    symlinkSync(`/proc/${process.pid}/fd/${netns.fd}`, join(root, 'netns', json.metadata.uid))
  }

  async function startAgent(): Promise<void> {
    const env = {
      NODE_NAME: 'node-web',
      KUBECONFIG: api.kubeconfig,
      INPOD_UDS: join(root, 'ztunnel.sock'),
      AMBIT_NETNS_DIR: join(root, 'netns'),
      AMBIT_AGENT_HEALTH_PORT: '0',
      AMBIT_AGENT_ADMIN_PORT: '0',
    }
    const log = new Log({ format: 'plain', filter: 'off', clock: systemClock, output: { line: () => {} } })
    const control = { stop: ({ reason }: { readonly reason: string }) => expect.unreachable(reason) }
    const context = { clock: systemClock, log, metrics: new Metrics(), control }
    agent = await startNodeAgent(readNodeAgentConfig(env, []), context)
  }

  function startTunnel(): void {
    const handler = {
      add: async (_uid: string, _info: unknown, received: Netns) => received.close(),
      keep: async () => {},
      delete: async () => {},
      snapshotSent: async () => {},
      disconnected: () => {},
    }
    const path = join(root, 'ztunnel.sock')
    const onProtocolError = (error: Error): void => expect.unreachable(error.message)
    tunnel = connectZds({ path, handler, clock: systemClock, logger: quietLogger, onProtocolError })
  }

  async function patch(path: string, body: Json): Promise<void> {
    const { code, text } = await kube.send('PATCH', path, { body, type: 'application/merge-patch+json' })
    if (code >= 300) throw new Error(`PATCH ${path}: ${code} ${text}`)
  }

  const label = (path: string, mode: string | null): Promise<void> =>
    patch(path, { metadata: { labels: { [MODE]: mode } } })
  const mark = async (): Promise<unknown> => (await kube.get(POD)).json.metadata.annotations?.[REDIRECTION]
  const untilMark = (wanted: string | undefined): Promise<void> =>
    vi.waitFor(async () => expect(await mark()).toBe(wanted), { timeout: 5_000, interval: 5 })
  const untilRedirected = (wanted: boolean): Promise<void> =>
    vi.waitFor(() => expect(isRedirected(netns)).toBe(wanted), { timeout: PROMISED_MS, interval: 2 })

  it('takes a running pod in and lets it go within a second of its label, and writes on it how far it is', async () => {
    await startAgent()
    await label('/api/v1/namespaces/shop', 'ambient')
    await untilRedirected(true)
    await untilMark('pending')
    startTunnel()
    await untilMark('enabled')
    for (const [path, mode, isCaptured] of [
      [POD, 'none', false],
      [POD, null, true],
      ['/api/v1/namespaces/shop', 'none', false],
      [POD, 'ambient', true],
      [POD, null, false],
    ] as const) {
      await label(path, mode)
      await untilRedirected(isCaptured)
      await untilMark(isCaptured ? 'enabled' : undefined)
    }
  })

  it('puts its mark back, and removes that of a pod which left while no agent was there', async () => {
    await label('/api/v1/namespaces/shop', 'ambient')
    await startAgent()
    startTunnel()
    await untilMark('enabled')
    await patch(`${POD}/status`, { metadata: { annotations: { [REDIRECTION]: 'nonsense' } } })
    await untilMark('enabled')
    await agent?.close()
    await tunnel?.close()
    expect([isRedirected(netns), await mark()]).toEqual([true, 'enabled'])
    await label('/api/v1/namespaces/shop', null)
    await startAgent()
    await untilMark(undefined)
    expect(isRedirected(netns)).toBe(false)
  })
})
