import type { ApiObject, ObjectAccess, ObjectRef } from '../types.ts'
import { CLEANUP_FINALIZER, CRD_GROUP, type Crd } from './crd-types.ts'

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
    void this.#run(crd, access)
      .catch((error: unknown) => tellFailure(crd, error, access))
      .finally(() => this.#running.delete(name))
  }

  async #run(crd: Crd, access: ObjectAccess): Promise<void> {
    const selection = { group: crd.spec.group, resource: crd.spec.names.plural, namespace: '' }
    const gone = allGone(selection, access)
    try {
      for (const object of access.list(selection).items) await access.delete(refOf(object, crd))
      await gone.promise
    } finally {
      gone.stop()
    }
    const present = access.get(crdRef(crd.metadata.name))
    if (present === undefined || present.metadata.uid !== crd.metadata.uid) return
    const finalizers = (present.metadata.finalizers ?? []).filter((each) => each !== CLEANUP_FINALIZER)
    await access.update({ ...present, metadata: { ...present.metadata, finalizers } })
  }
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

function refOf({ metadata }: ApiObject, { spec }: Crd): ObjectRef {
  return { group: spec.group, resource: spec.names.plural, namespace: metadata.namespace ?? '', name: metadata.name }
}

function crdRef(name: string): ObjectRef {
  return { group: CRD_GROUP, resource: 'customresourcedefinitions', namespace: '', name }
}

/** The user waits for the CRD to go: its condition says why it does not. The next write of the CRD tries again. */
async function tellFailure(crd: Crd, error: unknown, access: ObjectAccess): Promise<void> {
  const message = error instanceof Error ? error.message : String(error)
  const present = access.get(crdRef(crd.metadata.name)) as Crd | undefined
  if (present?.status === undefined) return
  const conditions = present.status.conditions.map((each) =>
    each.type === 'Terminating' ? { ...each, reason: 'InstanceDeletionFailed', message } : each,
  )
  await access
    .update({ ...present, status: { ...present.status, conditions } }, { subresource: 'status' })
    // Another writer was faster, or the server is closing: the CRD is looked at again then.
    .catch(() => undefined)
}
