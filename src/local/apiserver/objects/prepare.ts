import { randomUUID } from 'node:crypto'
import type { Clock } from '#shared/clock'
import type { ApiObject, ObjectMeta } from '../types.ts'
import { isEqualJson } from './json-equal.ts'
import { hasStatus, type Scope } from './scope.ts'

/** Letters of made-up names: no vowels, so that no words come about. */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'
const SUFFIX_LENGTH = 5
/** What of a generateName is kept so that the name stays within 63 characters. */
const MAX_PREFIX = 58

/** RFC 3339 with whole seconds. */
export function timestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`
}

export function generatedName(prefix: string, clock: Clock): string {
  let suffix = ''
  for (let i = 0; i < SUFFIX_LENGTH; i++) suffix += SUFFIX_LETTERS[Math.floor(clock.random() * SUFFIX_LETTERS.length)]
  return prefix.slice(0, MAX_PREFIX) + suffix
}

/** A new object with the metadata that only the server sets, and without a status that is not for the client to set. */
export function asNew(object: ApiObject, scope: Scope, name: string, clock: Clock): ApiObject {
  const { resourceVersion: _, deletionTimestamp: __, deletionGracePeriodSeconds: ___, ...given } = object.metadata
  const { namespace: ____, generation: _____, ...kept } = given
  const metadata: ObjectMeta = {
    ...kept,
    name,
    ...(scope.definition.isNamespaced ? { namespace: scope.context.namespace } : {}),
    uid: randomUUID(),
    creationTimestamp: timestamp(clock.nowMs()),
    ...(scope.definition.hasGeneration ? { generation: 1 } : {}),
  }
  return { ...(hasStatus(scope.definition) ? withoutStatus(object) : object), metadata }
}

/** The changed object with what a client cannot change taken from the one that is there. */
export function asChanged(changed: ApiObject, old: ApiObject, scope: Scope): ApiObject {
  if (scope.context.subresource === 'status') {
    const { managedFields, labels, annotations } = changed.metadata
    const { labels: oldLabels, annotations: oldAnnotations, ...kept } = old.metadata
    // Kubernetes' own kinds take marks along with a status, custom ones do not (apiextensions' status strategy).
    const marks =
      scope.definition.origin === 'builtin'
        ? { labels, annotations }
        : { labels: oldLabels, annotations: oldAnnotations }
    const metadata = { ...kept, ...given({ ...marks, managedFields: managedFields ?? kept.managedFields }) }
    return { ...withoutStatus(old), metadata, ...statusOf(changed) }
  }
  const metadata = keepingServerFields(changed.metadata, old.metadata)
  if (!hasStatus(scope.definition)) return { ...changed, metadata }
  return { ...withoutStatus(changed), metadata, ...statusOf(old) }
}

/** `generation` grows when anything but metadata and status changed. */
export function withGeneration(changed: ApiObject, old: ApiObject, scope: Scope): ApiObject {
  if (!scope.definition.hasGeneration || scope.context.subresource === 'status') return changed
  if (isEqualJson(desired(changed, scope), desired(old, scope))) return changed
  const generation = (old.metadata.generation ?? 0) + 1
  return { ...changed, metadata: { ...changed.metadata, generation } }
}

/** Whether a write would change nothing but the times of managed fields. */
export function isUnchanged(changed: ApiObject, old: ApiObject): boolean {
  return isEqualJson(comparable(changed), comparable(old))
}

function comparable(object: ApiObject): unknown {
  const { resourceVersion: _, managedFields, ...metadata } = object.metadata
  return { ...object, metadata, managed: managedFields?.map(({ time: _time, ...entry }) => entry) ?? [] }
}

function desired(object: ApiObject, { definition }: Scope): unknown {
  const { metadata: _, apiVersion: __, ...rest } = object
  if (!hasStatus(definition)) return rest
  const { status: ___, ...desiredState } = rest as { readonly status?: unknown }
  return desiredState
}

function keepingServerFields(changed: ObjectMeta, old: ObjectMeta): ObjectMeta {
  const {
    deletionTimestamp: _,
    deletionGracePeriodSeconds: __,
    generation: ___,
    resourceVersion: ____,
    ...given
  } = changed
  return {
    ...given,
    name: old.name,
    ...own(old, 'namespace'),
    ...own(old, 'uid'),
    ...own(old, 'creationTimestamp'),
    ...own(old, 'deletionTimestamp'),
    ...own(old, 'deletionGracePeriodSeconds'),
    ...own(old, 'generation'),
    ...own(old, 'generateName'),
  }
}

function own<K extends keyof ObjectMeta>(metadata: ObjectMeta, key: K): Partial<Pick<ObjectMeta, K>> {
  const value = metadata[key]
  // One field of the type that the key says.
  return value === undefined ? {} : ({ [key]: value } as Pick<ObjectMeta, K>)
}

function withoutStatus(object: ApiObject): ApiObject {
  const { status: _, ...rest } = object
  return rest as ApiObject
}

function statusOf(object: ApiObject): { readonly status?: unknown } {
  return object.status === undefined ? {} : { status: object.status }
}

/** Without the keys that are undefined. */
function given<T extends object>(record: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
