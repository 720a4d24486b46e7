import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ApiDocument, ApiObjectId, KubeConnection } from '#shared/kube-client'
import { POD } from './pods.ts'

/** Where Istio, and whatever stands in for it, is installed. */
export const MESH_NAMESPACE = 'istio-system'

/** A pod of the mesh itself. */
export interface MeshPod {
  readonly id: ApiObjectId
  readonly node: string
  readonly isReady: boolean
}

/** Pods by label, the running ones. */
export async function meshPods(
  connection: Pick<KubeConnection, 'list'>,
  namespace: string,
  labelSelector: string,
): Promise<readonly MeshPod[]> {
  const pods = await connection.list(POD, { namespace, labelSelector })
  return pods.flatMap((pod) => {
    const { phase } = isRecord(pod.status) ? pod.status : {}
    return phase === 'Running' ? [meshPod(pod)] : []
  })
}

/**
 * The one of several that a user calls by its pod's or its node's name.
 * @throws MeshError `NOT_FOUND` with the names that there are
 */
export function podCalled(pods: readonly MeshPod[], called: string): MeshPod {
  // istioctl takes POD.NAMESPACE and pod/POD as well.
  const name = called.replace(/^pods?\//, '')
  const found = pods.find(({ id, node }) => [id.name, `${id.name}.${id.namespace}`, node].includes(name))
  if (found !== undefined) return found
  const names = pods.map(({ id, node }) => `${id.name} (${node})`).join(', ')
  throw new MeshError(
    'NOT_FOUND',
    `there is no running ztunnel pod, or node with one, called ${called}; there are ${names || 'none'}`,
  )
}

function meshPod(pod: ApiDocument): MeshPod {
  const { name, namespace } = pod.metadata as { readonly name: string; readonly namespace: string }
  const { nodeName } = isRecord(pod.spec) ? pod.spec : {}
  const { conditions } = isRecord(pod.status) ? pod.status : {}
  const list = Array.isArray(conditions) ? conditions.filter(isRecord) : []
  return {
    id: { name, namespace },
    node: typeof nodeName === 'string' ? nodeName : '',
    isReady: list.some(({ type, status }) => type === 'Ready' && status === 'True'),
  }
}
