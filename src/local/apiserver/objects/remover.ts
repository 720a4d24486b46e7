import type { Clock } from '#shared/clock'
import type { Store, StoredObject } from '../../store/index.ts'
import { conflict, forbidden, MODIFIED_MEANWHILE, notFound } from '../api-error.ts'
import type { ApiObject, DeleteOptions } from '../types.ts'
import type { Admission } from './admission.ts'
import { timestamp } from './prepare.ts'
import { inVersion, keyOf, type Scope } from './scope.ts'
import { isGone, type ObjectWriter } from './writer.ts'

const MAX_ATTEMPTS = 8
const FINALIZER_OF_POLICY = { Background: undefined, Foreground: 'foregroundDeletion', Orphan: 'orphan' } as const

/** `removed`: it is gone, `object` as it last was. `deleting`: it has a deletionTimestamp and stays until let go. */
export interface Removal {
  readonly kind: 'removed' | 'deleting'
  readonly object: ApiObject
}

/** The way by which objects go. */
export class ObjectRemover {
  readonly #store: Store
  readonly #clock: Clock
  readonly #admission: Admission
  readonly #writer: ObjectWriter

  constructor(store: Store, clock: Clock, admission: Admission, writer: ObjectWriter) {
    this.#store = store
    this.#clock = clock
    this.#admission = admission
    this.#writer = writer
  }

  /** @throws ApiError NotFound, Conflict on preconditions */
  async remove(scope: Scope, name: string, options: DeleteOptions): Promise<Removal> {
    const { definition, context } = scope
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const stored = this.#store.get(keyOf(scope, name))
      if (stored === undefined) throw notFound(definition, name)
      checkPreconditions(stored.object, scope, name, options)
      const refusal = definition.deletion?.refusal?.(stored.object)
      if (refusal !== undefined) throw forbidden(definition, name, refusal)
      const object = inVersion(stored.object, scope)
      await this.#admission.run({
        operation: 'DELETE',
        stage: 'validate',
        definition,
        object,
        old: object,
        // The body of a deletion may ask for a dry run as well as its query.
        context: { ...context, write: { ...context.write, isDryRun: options.isDryRun === true } },
      })
      const begun = this.#begun(stored.object, scope, options)
      const removal = await this.#keep(scope, stored, begun, options)
      if (removal !== undefined) return removal
    }
    throw conflict(definition, name, MODIFIED_MEANWHILE)
  }

  /** The object as it is once its deletion has begun; the very same when that makes no difference. */
  #begun(object: ApiObject, { definition }: Scope, options: DeleteOptions): ApiObject {
    const { deletion } = definition
    const { metadata } = object
    const graceSeconds = deletion?.graceSeconds(object, options.gracePeriodSeconds) ?? 0
    const { finalizers: current = [] } = metadata
    const finalizers = finalizersFor(current, options)
    const isLonger =
      metadata.deletionTimestamp !== undefined && graceSeconds >= (metadata.deletionGracePeriodSeconds ?? 0)
    if (isLonger && finalizers === current) return object
    const isFirst = metadata.deletionTimestamp === undefined
    const begun: ApiObject = {
      ...object,
      metadata: {
        ...metadata,
        ...(finalizers.length === 0 ? {} : { finalizers }),
        deletionTimestamp: isLonger
          ? (metadata.deletionTimestamp as string)
          : timestamp(this.#clock.nowMs() + graceSeconds * 1000),
        deletionGracePeriodSeconds: isLonger ? (metadata.deletionGracePeriodSeconds ?? 0) : graceSeconds,
        ...(isFirst && definition.hasGeneration ? { generation: (metadata.generation ?? 0) + 1 } : {}),
      },
    }
    return isFirst ? (deletion?.begun?.(begun) ?? begun) : begun
  }

  /** @returns undefined when another write came between */
  async #keep(
    scope: Scope,
    stored: StoredObject,
    begun: ApiObject,
    options: DeleteOptions,
  ): Promise<Removal | undefined> {
    const isRemoved = isGone(begun, scope)
    const kind = isRemoved ? 'removed' : 'deleting'
    if (options.isDryRun === true || (!isRemoved && begun === stored.object))
      return { kind, object: inVersion(begun, scope) }
    const result = isRemoved
      ? this.#store.delete(stored.key, stored.revision)
      : this.#store.update(stored.key, begun, stored.revision)
    if (result.kind !== 'written') return undefined
    const { object } = result.stored
    this.#writer.told(scope, { kind: isRemoved ? 'deleted' : 'updated', object, old: stored.object })
    await result.durable
    return { kind, object: inVersion(object, scope) }
  }
}

function checkPreconditions(object: ApiObject, { definition }: Scope, name: string, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {}
  if (uid !== undefined && uid !== object.metadata.uid)
    throw conflict(
      definition,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${object.metadata.uid}`,
    )
  if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion)
    throw conflict(
      definition,
      name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${object.metadata.resourceVersion}`,
    )
}

/** The policy's finalizer in, the other policies' out; the very same list when nothing changes. */
function finalizersFor(finalizers: readonly string[], { propagationPolicy }: DeleteOptions): readonly string[] {
  if (propagationPolicy === undefined) return finalizers
  const wanted = FINALIZER_OF_POLICY[propagationPolicy]
  const others = finalizers.filter((one) => one !== 'foregroundDeletion' && one !== 'orphan')
  const all = wanted === undefined ? others : [...others, wanted]
  return all.length === finalizers.length && all.every((one) => finalizers.includes(one)) ? finalizers : all
}
