import type { Clock } from '#shared/clock'
import type { Store } from '../store/index.ts'
import { badRequest, notFound } from './api-error.ts'
import { proposePatch } from './http/patch-handler.ts'
import {
  inVersion,
  keyOf,
  listObjects,
  type ObjectRemover,
  type ObjectWriter,
  readObject,
  type Scope,
  watchObjects,
} from './objects/index.ts'
import type {
  AccessEvent,
  AccessOptions,
  ApiObject,
  DeleteOptions,
  ObjectAccess,
  ObjectRef,
  PatchKind,
  ResourceDefinition,
  ResourceRegistry,
  Selection,
  ServerParts,
  UserInfo,
  Verb,
} from './types.ts'

/** Who writes from inside; RBAC is not asked. */
const insider: UserInfo = { username: 'system:ambit', uid: '', groups: ['system:masters'], extra: {} }
const DEFAULT_MANAGER = 'ambit'

const everything = {
  resourceVersion: '',
  resourceVersionMatch: '',
  limit: undefined,
  continueToken: '',
  isWatch: false,
  wantsBookmarks: false,
  sendInitialEvents: false,
  timeoutMs: 0,
  includeObject: 'Metadata',
} as const

export interface AccessServices {
  readonly store: Store
  readonly clock: Clock
  readonly registry: ResourceRegistry
  readonly parts: Pick<ServerParts, 'applyPatch' | 'fieldManagement'>
  readonly writer: ObjectWriter
  readonly remover: ObjectRemover
}

/** The API for what runs inside the server's process. */
export class InProcessAccess implements ObjectAccess {
  readonly #services: AccessServices

  constructor(services: AccessServices) {
    this.#services = services
  }

  get(ref: ObjectRef): ApiObject | undefined {
    const definition = this.#services.registry.find(ref.group, ref.resource)
    if (definition === undefined) return undefined
    const scope = scopeOf(definition, 'get', ref.namespace, ref.name)
    const stored = this.#services.store.get(keyOf(scope))
    return stored === undefined ? undefined : inVersion(stored.object, scope)
  }

  list(selection: Selection): { readonly items: readonly ApiObject[]; readonly resourceVersion: string } {
    const { items, metadata } = listObjects(
      this.#services.store,
      this.#selected(selection, 'list'),
      optionsOf(selection),
    )
    return { items, resourceVersion: metadata.resourceVersion }
  }

  async create(object: ApiObject, as: AccessOptions = {}): Promise<ApiObject> {
    const definition = this.#ofKind(object)
    const { name, namespace = '' } = object.metadata
    const scope = scopeOf(definition, 'create', namespace, name ?? '', as)
    return (await this.#services.writer.create(scope, readObject(object, scope), [])).object
  }

  async update(object: ApiObject, as: AccessOptions & { readonly subresource?: 'status' } = {}): Promise<ApiObject> {
    const definition = this.#ofKind(object)
    const { name, namespace = '' } = object.metadata
    const scope = scopeOf(definition, 'update', namespace, name, as)
    const given = readObject(object, scope)
    const written = await this.#services.writer.write(scope, name, (current) => {
      if (current === undefined) throw notFound(definition, name)
      return { object: given, duplicates: [], hasManagedFields: false }
    })
    return written.object
  }

  async patch(
    ref: ObjectRef,
    kind: PatchKind,
    body: unknown,
    as: AccessOptions & { readonly subresource?: 'status' } = {},
  ): Promise<ApiObject> {
    const { registry, writer, parts, clock } = this.#services
    const definition = registry.find(ref.group, ref.resource)
    if (definition === undefined) throw badRequest(`there is no resource ${ref.group}/${ref.resource}`)
    const scope = scopeOf(definition, 'patch', ref.namespace, ref.name, as)
    const decoded = { value: body, duplicates: [] }
    const written = await writer.write(scope, ref.name, (current) =>
      proposePatch(kind, decoded, current, scope, parts, clock),
    )
    return written.object
  }

  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    const definition = this.#services.registry.find(ref.group, ref.resource)
    if (definition === undefined) throw badRequest(`there is no resource ${ref.group}/${ref.resource}`)
    const scope = scopeOf(definition, 'delete', ref.namespace, ref.name)
    await this.#services.remover.remove(scope, ref.name, options)
  }

  watch(selection: Selection, listener: (event: AccessEvent) => void): { stop(): void } {
    const { store, clock } = this.#services
    const scope = this.#selected(selection, 'watch')
    return watchObjects(store, clock, scope, optionsOf(selection), (event) => {
      if (event.type !== 'BOOKMARK' && event.type !== 'ERROR') listener(event)
    })
  }

  #selected({ group, resource, namespace }: Selection, verb: Verb): Scope {
    const definition = this.#services.registry.find(group, resource)
    if (definition === undefined) throw badRequest(`there is no resource ${group}/${resource}`)
    return scopeOf(definition, verb, namespace, '')
  }

  #ofKind({ apiVersion, kind }: ApiObject): ResourceDefinition {
    const slash = apiVersion.indexOf('/')
    const definition = this.#services.registry.findKind(slash === -1 ? '' : apiVersion.slice(0, slash), kind)
    if (definition === undefined) throw badRequest(`no matches for kind ${JSON.stringify(kind)} in ${apiVersion}`)
    return definition
  }
}

function scopeOf(
  definition: ResourceDefinition,
  verb: Verb,
  namespace: string,
  name: string,
  as: AccessOptions & { readonly subresource?: 'status' } = {},
): Scope {
  const version = definition.versions.find((one) => one.name === definition.storageVersion)
  if (version === undefined) throw badRequest(`${definition.plural} has no version ${definition.storageVersion}`)
  return {
    definition,
    version,
    context: {
      user: insider,
      verb,
      group: definition.group,
      version: version.name,
      resource: definition.plural,
      subresource: as.subresource ?? '',
      namespace,
      name,
      write: {
        isDryRun: false,
        fieldManager: as.fieldManager ?? DEFAULT_MANAGER,
        fieldValidation: 'Strict',
        force: true,
      },
      warn: () => undefined,
    },
  }
}

function optionsOf({ labelSelector = '', fieldSelector = '' }: Selection): Parameters<typeof listObjects>[2] {
  return { ...everything, labelSelector, fieldSelector }
}
