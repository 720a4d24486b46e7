import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep, systemClock } from '#shared/clock'
import { installMeshCrds, readMeshCrds } from '../../src/local/apiserver/crd/index.ts'
import { IstiodPlace } from './istiod.ts'
import { startTestApi, type TestApi } from './kube-api.ts'
import { KubeClient } from './kube-client.ts'
import { CRD_FOLDER } from './mesh-kinds.ts'

const PODS = '/api/v1/namespaces/shop/pods'

/** What a tunnel was sent before, while and after the API of its control plane was away. */
export interface Outage {
  readonly before: readonly string[]
  readonly held: readonly string[]
  /** Responses while it was away, and after it was back until the first change was there. */
  readonly during: readonly (readonly string[])[]
  readonly after: readonly (readonly string[])[]
  /** How often the tunnel's stream began. */
  readonly connects: number
}

/** Takes the API away from a running control plane for so long, changes a pod when it is back, and waits for that. */
export async function apiOutage(outageMs: number): Promise<Outage> {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-outage-'))
  const place = await IstiodPlace.make()
  const clients: KubeClient[] = []
  let api: TestApi = await startTestApi({ dir })
  const connect = (): KubeClient => {
    const client = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    clients.push(client)
    return client
  }
  try {
    await installMeshCrds(readMeshCrds(CRD_FOLDER), api.server.access)
    const kube = connect()
    // The CA is kept in a Secret of the first.
    for (const name of ['istio-system', 'shop']) await kube.post('/api/v1/namespaces', { metadata: { name } })
    for (let i = 0; i < 20; i++) await createPod(kube, `web-${i}`, `10.0.1.${i + 1}`)
    const istiod = await place.start({ AMBIT_KUBE_DIR: '', KUBECONFIG: api.kubeconfig })
    const mirror = await place.connect(istiod)
    await mirror.client.synced
    const before = mirror.names
    mirror.responses.length = 0

    const { port } = new URL(api.server.url)
    await api.close()
    await sleep(systemClock, outageMs)
    const during = mirror.responses.splice(0)
    api = await startTestApi({ dir, port: Number(port) })
    await createPod(connect(), 'late', '10.0.2.1')
    await mirror.until(() => mirror.addresses.has('Kubernetes//Pod/shop/late'))
    const connects = place.lines.filter((line) => line.includes('client connected')).length
    return { before, held: mirror.names, during, after: mirror.responses, connects }
  } finally {
    for (const client of clients) client.close()
    await place.end()
    await api.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function createPod(kube: KubeClient, name: string, podIP: string): Promise<void> {
  const spec = { nodeName: 'node-a', containers: [{ name: 'c', image: 'i' }] }
  await kube.post(PODS, { metadata: { name }, spec })
  const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: [{ type: 'Ready', status: 'True' }] }
  const { code, text } = await kube.merge(`${PODS}/${name}/status`, { status })
  if (code >= 300) throw new Error(`pod ${name}: ${code} ${text}`)
}
