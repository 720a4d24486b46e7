import { type Clock, systemClock } from '#shared/clock'
import type { Column, ResourceDefinition, ResourceRegistry, WrittenChange } from '../definition-types.ts'
import type { ApiObject, ObjectAccess } from '../types.ts'
import { CleanUp } from './clean-up.ts'
import { crdProblems } from './crd-problems.ts'
import { crdSchema } from './crd-schema.ts'
import { crdStatus, isEstablished, withDefaultNames } from './crd-status.ts'
import { CLEANUP_FINALIZER, CRD_GROUP, type Crd } from './crd-types.ts'
import { definitionOf } from './custom-definition.ts'
import { prune, validateValue, withDefaults } from './structural/index.ts'

const CREATED: Column = {
  name: 'Created At',
  // The time itself; a date would be shown as an age.
  type: 'string',
  priority: 0,
  description: 'When it was created.',
  cell: ({ metadata }) => metadata.creationTimestamp ?? null,
}

/**
 * CustomResourceDefinition as a resource of its own: writing one makes its kind known to the registry, deleting one
 * takes its objects along.
 */
export function createCrdDefinition(registry: ResourceRegistry, clock: Clock = systemClock): ResourceDefinition {
  const cleanUp = new CleanUp()
  return {
    group: CRD_GROUP,
    kind: 'CustomResourceDefinition',
    listKind: 'CustomResourceDefinitionList',
    plural: 'customresourcedefinitions',
    singular: 'customresourcedefinition',
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    isNamespaced: false,
    origin: 'builtin',
    versions: [{ name: 'v1', isServed: true, schema: crdSchema, columns: [CREATED] }],
    storageVersion: 'v1',
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: new Map([['status', { kind: 'status' }]]),
    selectableFields: new Map(),
    hasGeneration: true,
    // The schema's root is an object, so that what comes back is one.
    prune: (object, { schema }) => prune(object, schema, true) as ApiObject,
    defaulted: (object, { schema }) => withDefaults(object, schema) as ApiObject,
    prepare: (object, old) => prepared(object, old, registry, clock.nowMs()),
    validate(object, old, { schema }) {
      const problems = validateValue(object, schema)
      return problems.length > 0 ? problems : crdProblems(object as Crd, old as Crd | undefined)
    },
    written: (change, access) => follow(change, access, registry, cleanUp),
  }
}

/** Fills in names, the finalizer and the status; leaves alone what is no CRD, which `validate` then refuses. */
function prepared(object: ApiObject, old: ApiObject | undefined, registry: ResourceRegistry, nowMs: number): ApiObject {
  const schema = { ...crdSchema, properties: { spec: crdSchema.properties?.spec ?? {} } }
  if (validateValue({ spec: object.spec }, schema).length > 0) return object
  const given = object as Crd
  const crd: Crd = { ...given, spec: { ...given.spec, names: withDefaultNames(given.spec.names) } }
  const { finalizers = [], deletionTimestamp } = crd.metadata
  const isHeld = deletionTimestamp !== undefined || finalizers.includes(CLEANUP_FINALIZER)
  return {
    ...crd,
    metadata: isHeld ? crd.metadata : { ...crd.metadata, finalizers: [...finalizers, CLEANUP_FINALIZER] },
    status: crdStatus(crd, old as Crd | undefined, registry, nowMs),
  }
}

function follow(change: WrittenChange, access: ObjectAccess, registry: ResourceRegistry, cleanUp: CleanUp): void {
  // It was validated before it was stored.
  const crd = change.object as Crd
  const { group, names } = crd.spec
  if (change.kind === 'deleted') {
    if (registry.find(group, names.plural)?.origin === 'custom') registry.remove(group, names.plural)
    return
  }
  if (isEstablished(crd) && isNews(change)) registry.put(definitionOf(crd))
  if (crd.metadata.deletionTimestamp !== undefined) cleanUp.begin(crd, access)
}

/** A write of the status alone, or of an annotation, must not end the watches of the kind's informers. */
function isNews(change: Exclude<WrittenChange, { kind: 'deleted' }>): boolean {
  const { object, old } = change
  return old === undefined || object.metadata.generation !== old.metadata.generation || !isEstablished(old as Crd)
}
