import { formatPath, isRecord, type Path, type Report, shown } from '#shared/document'
import type { KindReader } from './kinds.ts'
import { readMetadata } from './metadata.ts'
import type { KubeObject, ObjectProblem } from './types.ts'

/** An object without its contents. */
export interface ObjectId {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

export type ReadObject =
  | { readonly kind: 'read'; readonly object: KubeObject }
  /** It says who it is, but is wrong; every problem has been reported. */
  | { readonly kind: 'rejected'; readonly id: ObjectId }

/** Reads one document of a known kind; one pass reports every problem. */
export function readObject(
  document: Readonly<Record<string, unknown>>,
  reader: KindReader,
  report: Report,
): ReadObject {
  let isGood = true
  const notice = (path: Path, problem: string): void => {
    isGood = false
    report(path, problem)
  }
  const metadata = readMetadata(document.metadata ?? undefined, reader, ['metadata'], notice)
  const body = reader.body(document, notice)
  if (isGood)
    return { kind: 'read', object: { ...body, apiVersion: reader.apiVersions[0], kind: reader.kind, metadata } }
  return { kind: 'rejected', id: { kind: reader.kind, namespace: metadata.namespace, name: metadata.name } }
}

export type ReadApiObject =
  | { readonly kind: 'read'; readonly object: KubeObject }
  | { readonly kind: 'rejected'; readonly uid: string; readonly problems: readonly ObjectProblem[] }

/** Written by kubectl into each object that it applies: the object once more, as text. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
/** Problems told per object. */
const MAX_PROBLEMS = 20

/**
 * Reads an object as the Kubernetes API gives it. Only what the mesh reads is kept: an API object is mostly what nobody
 * here looks at, and whole clusters of them are held in memory.
 */
export function readApiObject(value: unknown, reader: KindReader): ReadApiObject {
  const document = isRecord(value) ? value : {}
  const problems: ObjectProblem[] = []
  const where = describeObject(document, reader.kind)
  const report: Report = (path, problem) => {
    if (problems.length < MAX_PROBLEMS) problems.push({ where, line: undefined, path: formatPath(path), problem })
  }
  if (!isRecord(value)) report([], `is no object: ${shown(value)}`)
  const read = readObject(document, reader, report)
  if (problems.length > 0 || read.kind === 'rejected') return { kind: 'rejected', uid: uidOf(document), problems }
  return { kind: 'read', object: withoutLastApplied(read.object) }
}

function withoutLastApplied(object: KubeObject): KubeObject {
  if (object.metadata.annotations[LAST_APPLIED] === undefined) return object
  const { [LAST_APPLIED]: _, ...annotations } = object.metadata.annotations
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/** `Pod shop/cart`; whatever of it can be read. */
function describeObject(document: Readonly<Record<string, unknown>>, kind: string): string {
  const { namespace, name } = isRecord(document.metadata) ? document.metadata : {}
  const names = [namespace, name].filter((part) => typeof part === 'string' && part !== '')
  return `${kind} ${names.length === 0 ? 'without a name' : names.join('/')}`
}

function uidOf(document: Readonly<Record<string, unknown>>): string {
  const uid = isRecord(document.metadata) ? document.metadata.uid : ''
  return typeof uid === 'string' ? uid : ''
}
