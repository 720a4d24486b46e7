import { join } from 'node:path'
import { systemClock } from '#shared/clock'
import { installMeshCrds, readMeshCrds } from '../../src/local/apiserver/crd/index.ts'
import { type AdmissionRequest, serverParts, Webhooks, writeKubeconfig } from '../../src/local/apiserver/index.ts'
import { startTestApi, type TestApi } from './kube-api.ts'
import { type Json, KubeClient } from './kube-client.ts'
import { CRD_FOLDER } from './mesh-kinds.ts'

/** One write, as the API server took it. */
export interface AuditedWrite {
  readonly user: string
  /** `resource/subresource namespace/name`. */
  readonly what: string
  readonly atMs: number
}

/** An API with the mesh's kinds, webhooks, and a record of who wrote what. */
export class IstiodCluster {
  readonly api: TestApi
  readonly kube: KubeClient
  readonly writes: AuditedWrite[] = []

  private constructor(api: TestApi) {
    this.api = api
    this.kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
  }

  static async start(): Promise<IstiodCluster> {
    const api = await startTestApi()
    const { access } = api.server
    await installMeshCrds(readMeshCrds(CRD_FOLDER), access)
    const cluster = new IstiodCluster(api)
    api.server.addAdmission({
      name: 'audit',
      handles: (request) => request.stage === 'validate' || request.operation === 'DELETE',
      admit: async (request) => {
        cluster.#note(request)
        return { kind: 'admitted', object: request.object, warnings: [] }
      },
    })
    api.server.addAdmission(new Webhooks({ access, clock: systemClock, applyPatch: serverParts.applyPatch }))
    for (const name of ['istio-system', 'shop']) await cluster.create('/api/v1/namespaces', { metadata: { name } })
    return cluster
  }

  #note({ definition, context, object }: AdmissionRequest): void {
    const resource = context.subresource === '' ? definition.plural : `${definition.plural}/${context.subresource}`
    this.writes.push({
      user: context.user.username,
      what: `${resource} ${object.metadata.namespace ?? ''}/${object.metadata.name}`,
      atMs: performance.now(),
    })
  }

  /** Writes of one user, without those of the lease itself. */
  writesOf(user: string): readonly AuditedWrite[] {
    return this.writes.filter((write) => write.user === user && !write.what.startsWith('leases'))
  }

  /** A kubeconfig of somebody who may do everything, under that name. */
  kubeconfigOf(user: string): string {
    const path = join(this.api.dir, `kubeconfig-${user}`)
    const pair = this.api.server.issueClient(user, 'system:masters')
    const { url: server, caPem } = this.api.server
    writeKubeconfig(path, { server, caPem, user, credential: { kind: 'certificate', pair } })
    return path
  }

  async create(path: string, body: Json): Promise<Json> {
    const { code, json, text } = await this.kube.post(path, body)
    if (code >= 300) throw new Error(`POST ${path}: ${code} ${text}`)
    return json
  }

  async patch(path: string, body: Json): Promise<Json> {
    const { code, json, text } = await this.kube.merge(path, body)
    if (code >= 300) throw new Error(`PATCH ${path}: ${code} ${text}`)
    return json
  }

  async get(path: string): Promise<Json> {
    return (await this.kube.get(path)).json
  }

  async close(): Promise<void> {
    this.kube.close()
    await this.api.close()
  }
}

export const POLICIES = '/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies'

/** A policy that asks a tunnel for what it cannot see. */
export function policyOfMethods(name: string, more: Json = {}): Json {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace: 'shop' },
    spec: { action: 'DENY', rules: [{ to: [{ operation: { methods: ['GET'], ports: ['80'] } }] }], ...more },
  }
}
