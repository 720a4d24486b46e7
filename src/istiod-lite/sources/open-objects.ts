import type { Clock } from '#shared/clock'
import {
  configMapKind,
  type KindReader,
  meshConfigKind,
  meshKinds,
  type ObjectOrigin,
  type ObjectSource,
  watchFolder,
} from '#shared/k8s'
import { type KubeClient, openKubeClient, watchApi } from '#shared/kube-client'
import type { Logger } from '#shared/telemetry'
import { MESH_CONFIG_NAME } from './discovery.ts'
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
  parts: {
    readonly clock: Clock
    readonly logger: Logger
    /** See `watchApi`; a folder has no revisions. */
    readonly onRevision: (reader: KindReader, revision: string) => void
  },
): Promise<OpenedObjects> {
  if (origin.kind === 'folder') {
    const kinds = [...meshKinds, meshConfigKind]
    return { objects: watchFolder(origin.dir, { ...parts, kinds }), client: undefined }
  }
  const client = await openKubeClient(origin, parts)
  const kinds = meshKinds.map((reader) => ({ reader }))
  const roots = { reader: configMapKind, labelSelector: `${TRUST_LABEL}=true` }
  const settings = { reader: meshConfigKind, fieldSelector: `metadata.name=${MESH_CONFIG_NAME}` }
  return { objects: watchApi(client, [...kinds, roots, settings], parts), client }
}
