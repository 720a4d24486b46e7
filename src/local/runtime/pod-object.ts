import { isRecord } from '#shared/document'
import type { ApiObject } from '../apiserver/index.ts'
import type { BlockedPod } from './types.ts'

/** On the objects that stand for what the mesh itself runs. */
const MIRROR = 'kubernetes.io/config.mirror'

export function isDeleting({ metadata }: ApiObject): boolean {
  return metadata.deletionTimestamp !== undefined
}

export function graceMsOf({ metadata }: ApiObject): number {
  return (metadata.deletionGracePeriodSeconds ?? 0) * 1000
}

export function isMirror({ metadata }: ApiObject): boolean {
  return metadata.annotations?.[MIRROR] !== undefined
}

export function isFinished({ status }: ApiObject): boolean {
  return ['Succeeded', 'Failed'].includes(textOf(status, 'phase'))
}

export function isManaged({ metadata }: ApiObject): boolean {
  return metadata.ownerReferences?.some(({ controller }) => controller === true) ?? false
}

export function nodeOf({ spec }: ApiObject): string {
  return textOf(spec, 'nodeName')
}

/** Why a pod has no node; empty while nobody has looked for one yet. */
export function unschedulableReason({ status }: ApiObject): string {
  const conditions = isRecord(status) && Array.isArray(status.conditions) ? status.conditions : []
  const scheduled: unknown = conditions.find((each) => textOf(each, 'type') === 'PodScheduled')
  return textOf(scheduled, 'status') === 'False' ? textOf(scheduled, 'message') : ''
}

/** The same pod once more, as it was written, on the same node. */
export function anew({ apiVersion, kind, metadata, spec }: ApiObject): ApiObject {
  const { name, namespace = '', labels = {}, annotations = {} } = metadata
  const { 'ambient.istio.io/redirection': _, ...kept } = annotations
  return { apiVersion, kind, metadata: { name, namespace, labels, annotations: kept }, spec }
}

export function blockedPod({ metadata, spec }: ApiObject, reason: string): BlockedPod {
  const { name, namespace = '' } = metadata
  const serviceAccount = textOf(spec, 'serviceAccountName')
  return { key: `${namespace}/${name}`, namespace, name, serviceAccount, reason }
}

/** RFC 3339, as Kubernetes writes times. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

function textOf(record: unknown, field: string): string {
  const value = isRecord(record) ? record[field] : ''
  return typeof value === 'string' ? value : ''
}
