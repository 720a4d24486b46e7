import { createHash } from 'node:crypto'
import type { ApiObject } from '../apiserver/index.ts'

/** The field manager of what folders say. */
export const FOLDER_MANAGER = 'ambit-up'
/** On each object of a folder: what was last written of it, for a later life of the mesh. */
const MARK = 'ambit.dev/applied'

/** What was written of an object of a folder. */
export interface AppliedMark {
  readonly manifest: string
  /** Of a pod: what cannot change while it lives; empty for all else. */
  readonly fixed: string
}

export function markOf(manifest: ApiObject, fixed: string): AppliedMark {
  return { manifest: digest(JSON.stringify(manifest)), fixed: fixed === '' ? '' : digest(fixed) }
}

export function withMark(manifest: ApiObject, { manifest: hash, fixed }: AppliedMark): ApiObject {
  const annotations = { ...manifest.metadata.annotations, [MARK]: fixed === '' ? hash : `${hash}.${fixed}` }
  return { ...manifest, metadata: { ...manifest.metadata, annotations } }
}

/** Undefined: no folder has brought this object. A copy that a user made of one carries the annotation and is the user's. */
export function readMark({ metadata }: ApiObject): AppliedMark | undefined {
  const isOurs = metadata.managedFields?.some(
    ({ manager, operation }) => manager === FOLDER_MANAGER && operation === 'Apply',
  )
  const [, manifest, fixed = ''] =
    /^([0-9a-f]{32})(?:\.([0-9a-f]{32}))?$/.exec(metadata.annotations?.[MARK] ?? '') ?? []
  return isOurs === true && manifest !== undefined ? { manifest, fixed } : undefined
}

/** Kinds of which a namespace gets some by itself, with no owner to tell it. */
const BYPRODUCTS: ReadonlySet<string> = new Set(['Event', 'Endpoints', 'Lease'])
const GIVEN: ReadonlySet<string> = new Set([
  'ServiceAccount default',
  'ConfigMap kube-root-ca.crt',
  'ConfigMap istio-ca-root-cert',
])

/** Whether somebody has put an object there: it came neither from a folder, nor from a controller, nor with its namespace. */
export function isUsersOwn(object: ApiObject): boolean {
  const { kind, metadata } = object
  return (
    !BYPRODUCTS.has(kind) &&
    !GIVEN.has(`${kind} ${metadata.name}`) &&
    (metadata.ownerReferences ?? []).length === 0 &&
    readMark(object) === undefined
  )
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
