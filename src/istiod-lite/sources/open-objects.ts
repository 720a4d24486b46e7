import type { Clock } from '#shared/clock'
import { configMapKind, meshKinds, type ObjectOrigin, type ObjectSource, watchFolder } from '#shared/k8s'
import { type KubeClient, openKubeClient, watchApi } from '#shared/kube-client'
import type { Logger } from '#shared/telemetry'
import { TRUST_LABEL } from './root-config-maps.ts'

/** Objects, and whom to ask and tell when they come from a cluster. */
export interface OpenedObjects {
  readonly objects: ObjectSource
  /** Undefined for a folder. */
  readonly client: KubeClient | undefined
}

/** @throws MeshError `CONFIG_INVALID` when there is no usable kubeconfig */
export async function openObjects(
  origin: ObjectOrigin,
  parts: { readonly clock: Clock; readonly logger: Logger },
): Promise<OpenedObjects> {
  if (origin.kind === 'folder') return { objects: watchFolder(origin.dir, parts), client: undefined }
  const client = await openKubeClient(origin, parts)
  const kinds = meshKinds.map((reader) => ({ reader }))
  const roots = { reader: configMapKind, labelSelector: `${TRUST_LABEL}=true` }
  return { objects: watchApi(client, [...kinds, roots], parts), client }
}
