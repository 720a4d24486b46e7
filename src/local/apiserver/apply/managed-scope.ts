import type { JsonObject } from '../patch/json-object.ts'
import { objectSchema, type Schema } from '../schema/index.ts'
import type { ApplyScope } from '../types.ts'
import { type FieldSet, fieldSet, without } from './field-set.ts'
import type { Manager } from './managers.ts'
import type { Comparison } from './typed-values.ts'

/** What the server alone sets; nobody owns it. */
const OF_THE_SERVER: ReadonlySet<string> = new Set(
  [
    'name',
    'namespace',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'selfLink',
    'uid',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => `f:${name}`),
)

/** What merging needs to know of one request. */
export interface ManagedScope {
  readonly schema: Schema
  readonly apiVersion: string
  /** Of who asks; the fields are to be set. */
  manager(operation: Manager['operation']): Omit<Manager, 'fields' | 'time'>
  /** Without what nobody can own, and what this (sub)resource does not write. */
  ownable(set: FieldSet): FieldSet
  /** The part of a manifest that this (sub)resource writes. */
  writable(manifest: JsonObject): JsonObject
}

export function managedScope({ definition, version, fieldManager, subresource }: ApplyScope): ManagedScope {
  const apiVersion = definition.group === '' ? version.name : `${definition.group}/${version.name}`
  const hasStatus = definition.subresources.has('status')
  const isWritten = (field: string): boolean =>
    subresource === 'status' ? field === 'status' : field !== 'status' || !hasStatus

  return {
    schema: objectSchema(version.schema),
    apiVersion,
    manager: (operation) => ({ name: fieldManager, operation, apiVersion, subresource }),
    ownable: (set) =>
      withoutFrame(set, definition.origin, (path) => {
        const [top = '', inner = ''] = path
        if (top === 'f:apiVersion' || top === 'f:kind' || !isWritten(top.slice(2))) return true
        return path.length === 2 && top === 'f:metadata' && OF_THE_SERVER.has(inner)
      }),
    writable: (manifest) =>
      Object.fromEntries(
        Object.entries(manifest).filter(
          ([name]) => ['apiVersion', 'kind', 'metadata'].includes(name) || isWritten(name),
        ),
      ),
  }
}

/**
 * `metadata` is there in every object, and so are `spec` and `status` in built-in kinds: nobody brought them, and nobody
 * is left with them when their fields are somebody else's.
 */
function withoutFrame(
  set: FieldSet,
  origin: 'builtin' | 'custom',
  drops: (path: readonly string[]) => boolean,
): FieldSet {
  const { children } = without(set, drops)
  const isFrame = (element: string, child: FieldSet): boolean =>
    element === 'f:metadata' || (origin === 'builtin' && child.children.size > 0)
  return fieldSet(
    false,
    [...children].map(([element, child]) => [
      element,
      fieldSet(child.isMember && !isFrame(element, child), child.children),
    ]),
  )
}

export function ownableChanges(comparison: Comparison, scope: ManagedScope): Comparison {
  return {
    added: scope.ownable(comparison.added),
    modified: scope.ownable(comparison.modified),
    removed: scope.ownable(comparison.removed),
  }
}
