import type { Clock } from '#shared/clock'
import type { Store, WriteResult } from '../../store/index.ts'
import { ApiError, alreadyExists, badRequest, conflict, invalid, MODIFIED_MEANWHILE, notFound } from '../api-error.ts'
import type { ApiObject, FieldManagement, FieldProblem, ObjectAccess, WrittenChange } from '../types.ts'
import type { Admission } from './admission.ts'
import { metadataProblems } from './metadata-problems.ts'
import { namespaceBar } from './namespace-bar.ts'
import { asChanged, asNew, generatedName, isUnchanged, withGeneration } from './prepare.ts'
import { checkFields } from './read-object.ts'
import { inStorageVersion, inVersion, keyOf, type Scope } from './scope.ts'

/** How often a write is tried again when others keep coming between. */
const MAX_ATTEMPTS = 8

/** What a client wants an object to be. */
export interface Proposal {
  /** In the version of the request. */
  readonly object: ApiObject
  /** Fields that the body had twice. */
  readonly duplicates: readonly string[]
  /** Server-side apply has already written the managed fields. */
  readonly hasManagedFields: boolean
}

/**
 * Called with the object as it is now, in the request's version, or undefined when there is none; again when another
 * write came between.
 *
 * @throws ApiError
 */
export type Propose = (current: ApiObject | undefined) => Proposal

export interface Written {
  readonly object: ApiObject
  readonly kind: 'created' | 'updated' | 'unchanged'
}

/** The one way by which objects come about and change. */
export class ObjectWriter {
  readonly #store: Store
  readonly #clock: Clock
  readonly #fieldManagement: FieldManagement
  readonly #admission: Admission
  readonly #access: () => ObjectAccess

  constructor(
    store: Store,
    clock: Clock,
    fieldManagement: FieldManagement,
    admission: Admission,
    access: () => ObjectAccess,
  ) {
    this.#store = store
    this.#clock = clock
    this.#fieldManagement = fieldManagement
    this.#admission = admission
    this.#access = access
  }

  /** POST. @throws ApiError */
  async create(scope: Scope, object: ApiObject, duplicates: readonly string[]): Promise<Written> {
    const { metadata } = object
    if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '')
      throw badRequest('resourceVersion should not be set on objects to be created')
    const name = metadata.name || (metadata.generateName ? this.#freeName(scope, metadata.generateName) : '')
    if (name === '')
      throw invalid(scope.definition, '', [
        {
          field: 'metadata.name',
          reason: 'FieldValueRequired',
          problem: 'Required value: name or generateName is required',
        },
      ])
    return this.write(scope, name, (current) => {
      if (current !== undefined) throw alreadyExists(scope.definition, name)
      return { object, duplicates, hasManagedFields: false }
    })
  }

  /** PUT, PATCH, apply: whatever the proposal does. @throws ApiError */
  async write(scope: Scope, name: string, propose: Propose): Promise<Written> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const done = await this.#attempt(scope, name, propose)
      if (done !== undefined) return done
    }
    throw conflict(scope.definition, name, MODIFIED_MEANWHILE)
  }

  /** @returns undefined when another write came between */
  async #attempt(scope: Scope, name: string, propose: Propose): Promise<Written | undefined> {
    const stored = this.#store.get(keyOf(scope, name))
    const current = stored === undefined ? undefined : inVersion(stored.object, scope)
    const proposal = propose(current)
    checkIdentity(proposal.object, current, scope, name)
    checkFields(proposal.object, proposal.duplicates, scope)
    if (current === undefined || stored === undefined) {
      const created = await this.#finish(scope, asNew(proposal.object, scope, name, this.#clock), undefined, proposal)
      return this.#keep(scope, created, undefined, () => this.#store.create(keyOf(scope, name), created))
    }
    const changed = await this.#finish(scope, asChanged(proposal.object, current, scope), current, proposal)
    const next = inStorageVersion(withGeneration(changed, current, scope), scope)
    if (isUnchanged(next, stored.object)) {
      await this.#store.settled()
      return { object: current, kind: 'unchanged' }
    }
    // The last one who held an object that was to be deleted has let go.
    const write = isGone(next, scope)
      ? (): WriteResult => this.#store.delete(keyOf(scope, name), stored.revision)
      : (): WriteResult => this.#store.update(keyOf(scope, name), next, stored.revision)
    return this.#keep(scope, next, stored.object, write)
  }

  /** Everything between what the client sent and what is stored. */
  async #finish(scope: Scope, given: ApiObject, old: ApiObject | undefined, proposal: Proposal): Promise<ApiObject> {
    const { definition, version, context } = scope
    const shaped = (object: ApiObject): ApiObject => definition.defaulted(definition.prune(object, version), version)
    const prepared = definition.prepare?.(shaped(given), old, context, this.#access()) ?? shaped(given)
    const operation = old === undefined ? 'CREATE' : 'UPDATE'
    const asked = { operation, definition, old, context } as const
    const mutated = await this.#admission.run({ ...asked, stage: 'mutate', object: prepared })
    const whole = mutated === prepared ? prepared : shaped(mutated)
    const tracked = proposal.hasManagedFields ? whole : this.#tracked(scope, whole, old)
    const problems: FieldProblem[] = [
      ...metadataProblems(tracked.metadata, definition.nameRule ?? 'subdomain'),
      ...definition.validate(tracked, old, version),
    ]
    if (problems.length > 0) throw invalid(definition, tracked.metadata.name, problems)
    await this.#admission.run({ ...asked, stage: 'validate', object: tracked })
    return inStorageVersion(tracked, scope)
  }

  #tracked(scope: Scope, object: ApiObject, old: ApiObject | undefined): ApiObject {
    const { definition, version, context } = scope
    const { fieldManager } = context.write
    const nowMs = this.#clock.nowMs()
    const managedFields = this.#fieldManagement.track(old, object, {
      definition,
      version,
      fieldManager,
      subresource: context.subresource,
      nowMs,
    })
    const { managedFields: _, ...metadata } = object.metadata
    return { ...object, metadata: managedFields.length === 0 ? metadata : { ...metadata, managedFields } }
  }

  async #keep(
    scope: Scope,
    object: ApiObject,
    old: ApiObject | undefined,
    write: () => WriteResult,
  ): Promise<Written | undefined> {
    if (old === undefined) {
      const bar = namespaceBar(this.#store, scope, object.metadata.name)
      if (bar !== undefined) throw bar
    }
    const kind = old === undefined ? 'created' : 'updated'
    if (scope.context.write.isDryRun) return { object: inVersion(object, scope), kind }
    const result = write()
    if (result.kind !== 'written') return undefined
    const stored = result.stored.object
    if (old === undefined) this.told(scope, { kind: 'created', object: stored, old })
    else this.told(scope, { kind: isGone(object, scope) ? 'deleted' : 'updated', object: stored, old })
    await result.durable
    return { object: inVersion(stored, scope), kind }
  }

  /** Lets the definition know of a change that has been made. */
  told({ definition }: Pick<Scope, 'definition'>, change: WrittenChange): void {
    definition.written?.(change, this.#access())
  }

  #freeName(scope: Scope, prefix: string): string {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const name = generatedName(prefix, this.#clock)
      if (this.#store.get(keyOf(scope, name)) === undefined) return name
    }
    throw new ApiError('AlreadyExists', `unable to generate a name with the prefix ${JSON.stringify(prefix)}`)
  }
}

/** An object that was to be deleted, and that nobody holds any more. */
export function isGone(object: ApiObject, { definition }: Pick<Scope, 'definition'>): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds > 0 || finalizers.length > 0) return false
  return definition.deletion?.isHeld?.(object) !== true
}

/** The object that was sent is the one that the path names, and the one that the client has seen. */
function checkIdentity(
  object: ApiObject,
  current: ApiObject | undefined,
  { definition, context }: Scope,
  name: string,
): void {
  const { metadata } = object
  const isOtherName = metadata.name !== undefined && metadata.name !== '' && metadata.name !== name
  if (isOtherName)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  const isOtherNamespace = definition.isNamespaced && metadata.namespace && metadata.namespace !== context.namespace
  if (isOtherNamespace)
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`)
  if (current === undefined) {
    // An update that names a version of what is not there means something that was.
    if (metadata.uid !== undefined && context.verb !== 'create') throw notFound(definition, name)
    return
  }
  if (metadata.uid !== undefined && metadata.uid !== '' && metadata.uid !== current.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${current.metadata.uid}`
    throw conflict(definition, name, why)
  }
  const { resourceVersion = '' } = metadata
  // None, and 0, mean whatever is there.
  const isAny = resourceVersion === '' || resourceVersion === '0'
  const isOtherVersion = !isAny && resourceVersion !== current.metadata.resourceVersion
  if (isOtherVersion) throw conflict(definition, name, MODIFIED_MEANWHILE)
}
