import type { Clock } from '#shared/clock'
import { type KindReader, meshKinds, type ObjectOrigin, type ObjectSource, watchFolder } from '#shared/k8s'
import { type KubeClient, openKubeClient, watchApi } from '#shared/kube-client'
import type { Logger } from '#shared/telemetry'

/** Objects, and whom to tell when they come from a cluster. */
export interface OpenedObjects {
  readonly objects: ObjectSource
  /** Undefined for a folder. */
  readonly client: KubeClient | undefined
}

/**
 * Namespaces, and of a cluster's pods those of this node only.
 * @throws MeshError `CONFIG_INVALID` when there is no usable kubeconfig
 */
export async function openObjects(
  origin: ObjectOrigin,
  nodeName: string,
  parts: { readonly clock: Clock; readonly logger: Logger },
): Promise<OpenedObjects> {
  if (origin.kind === 'folder') return { objects: watchFolder(origin.dir, parts), client: undefined }
  const client = await openKubeClient(origin, parts)
  const kinds = [
    { reader: readerOf('Namespace') },
    { reader: readerOf('Pod'), fieldSelector: `spec.nodeName=${nodeName}` },
  ]
  return { objects: watchApi(client, kinds, parts), client }
}

function readerOf(kind: string): KindReader {
  const reader = meshKinds.find((known) => known.kind === kind)
  if (reader === undefined) throw new Error(`the mesh reads no ${kind}`)
  return reader
}
