import { ApiError } from '../api-error.ts'
import type { ApiObject, ObjectAccess, ObjectRef } from '../types.ts'
import { CLEANUP_FINALIZER, CRD_GROUP, type Crd } from './crd-types.ts'

/** How often a write is tried again when another one came between. */
const MAX_ATTEMPTS = 8

/**
 * Deletes the objects of a CRD that is going, and lets the CRD go when the last of them is gone: objects may have
 * finalizers of their own. Runs until then; a CRD whose clean-up is under way is not begun again.
 */
export class CleanUp {
  /** Names of CRDs. */
  readonly #running = new Set<string>()

  begin(crd: Crd, access: ObjectAccess): void {
    const { name } = crd.metadata
    if (this.#running.has(name)) return
    this.#running.add(name)
    void run(crd, access)
      .catch((error: unknown) => tellFailure(crd, error, access))
      .finally(() => this.#running.delete(name))
  }
}

async function run(crd: Crd, access: ObjectAccess): Promise<void> {
  // Writing it as it is lets the server add the condition Terminating.
  await change(crd, access, (present) => present)
  const selection = { group: crd.spec.group, resource: crd.spec.names.plural, namespace: '' }
  const gone = allGone(selection, access)
  try {
    for (const object of access.list(selection).items) await deleteOne(refOf(object, crd), access)
    await gone.promise
  } finally {
    gone.stop()
  }
  await change(crd, access, (present) => {
    const finalizers = (present.metadata.finalizers ?? []).filter((each) => each !== CLEANUP_FINALIZER)
    return { ...present, metadata: { ...present.metadata, finalizers } }
  })
}

/** Its owner may have been faster. */
async function deleteOne(ref: ObjectRef, access: ObjectAccess): Promise<void> {
  if (access.get(ref) === undefined) return
  await access.delete(ref).catch((error: unknown) => {
    if (!hasReason(error, 'NotFound')) throw error
  })
}

/** Resolves when none is left, also when there never was one. */
function allGone(
  selection: { readonly group: string; readonly resource: string; readonly namespace: string },
  access: ObjectAccess,
): { readonly promise: Promise<void>; stop(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const check = (): void => {
    if (access.list(selection).items.length === 0) resolve()
  }
  const watch = access.watch(selection, ({ type }) => {
    if (type === 'DELETED') check()
  })
  check()
  return { promise, stop: () => watch.stop() }
}

/** Changes the CRD as it is now; nothing when it has gone, or another one has its name. */
async function change(crd: Crd, access: ObjectAccess, by: (present: Crd) => Crd): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const present = presentCrd(crd, access)
    if (present === undefined) return
    try {
      await access.update(by(present))
      return
    } catch (error) {
      if (hasReason(error, 'NotFound')) return
      if (!hasReason(error, 'Conflict') || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

function presentCrd({ metadata }: Crd, access: ObjectAccess): Crd | undefined {
  const { name, uid } = metadata
  const found = access.get({ group: CRD_GROUP, resource: 'customresourcedefinitions', namespace: '', name })
  // What is stored there was validated as a CRD.
  return found?.metadata.uid === uid ? (found as Crd) : undefined
}

function refOf({ metadata }: ApiObject, { spec }: Crd): ObjectRef {
  return { group: spec.group, resource: spec.names.plural, namespace: metadata.namespace ?? '', name: metadata.name }
}

function hasReason(error: unknown, reason: string): boolean {
  return error instanceof ApiError && error.status.reason === reason
}

/** The user waits for the CRD to go: its condition says why it does not. The next write of the CRD tries again. */
async function tellFailure(crd: Crd, error: unknown, access: ObjectAccess): Promise<void> {
  const message = error instanceof Error ? error.message : String(error)
  const present = presentCrd(crd, access)
  if (present?.status === undefined) return
  const conditions = present.status.conditions.map((each) =>
    each.type === 'Terminating' ? { ...each, reason: 'InstanceDeletionFailed', message } : each,
  )
  await access
    .update({ ...present, status: { ...present.status, conditions } }, { subresource: 'status' })
    // Another writer was faster, or the server is closing: the CRD is looked at again then.
    .catch(() => undefined)
}
