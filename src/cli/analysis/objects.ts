import { ANALYSED_KINDS, type AnalysedObject, analysedKind, isClusterKind } from '#shared/analysis'
import { isRecord } from '#shared/document'
import { type ApiDocument, isStatus, type KubeConnection } from '#shared/kube-client'
import { discover, type ServedResource } from '../cluster/index.ts'
import type { Manifest } from '../manifests/index.ts'

/** The objects of a cluster that checks look at, and what could not be had. */
export interface ClusterObjects {
  readonly objects: readonly AnalysedObject[]
  /** Kinds that we may not list. */
  readonly hidden: readonly string[]
}

/** Every namespace: objects of one refer to those of others. */
export async function clusterObjects(connection: Pick<KubeConnection, 'json' | 'list'>): Promise<ClusterObjects> {
  const served = new Map<string, ServedResource>()
  for (const resource of await discover(connection)) {
    const kind = analysedKind(resource.apiVersion, resource.kind)
    // The preferred version comes first.
    if (ANALYSED_KINDS.includes(kind) && !served.has(kind)) served.set(kind, resource)
  }
  const hidden: string[] = []
  const lists = await Promise.all(
    [...served].map(async ([kind, resource]) => {
      try {
        return (await connection.list(resource)).map((document) => analysed(kind, document, ''))
      } catch (error) {
        if (!isStatus(error, 403)) throw error
        hidden.push(resource.resource)
        return []
      }
    }),
  )
  return { objects: lists.flat(), hidden: hidden.sort() }
}

/** @param namespace of those that name none */
export function manifestObject({ apiVersion, kind, document }: Manifest, namespace: string): AnalysedObject {
  return analysed(analysedKind(apiVersion, kind), document, namespace)
}

/** Files over a cluster: what will be there once they are applied. */
export function laidOver(
  files: readonly AnalysedObject[],
  cluster: readonly AnalysedObject[],
): readonly AnalysedObject[] {
  const key = ({ kind, namespace, name }: AnalysedObject): string => `${kind}/${namespace}/${name}`
  const replaced = new Set(files.map(key))
  return [...files, ...cluster.filter((object) => !replaced.has(key(object)))]
}

function analysed(kind: string, document: ApiDocument, fallback: string): AnalysedObject {
  const { name, namespace } = isRecord(document.metadata) ? document.metadata : {}
  const own = typeof namespace === 'string' && namespace !== '' ? namespace : fallback
  return { kind, name: typeof name === 'string' ? name : '', namespace: isClusterKind(kind) ? '' : own, document }
}
