import { prune, validateValue, withDefaults } from '../crd/structural/index.ts'
import { ageSince } from '../present/index.ts'
import type {
  ApiObject,
  Column,
  DeletionRules,
  FieldProblem,
  ObjectAccess,
  RequestContext,
  ResourceDefinition,
  Schema,
  Subresource,
  Verb,
} from '../types.ts'

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
]

/** What differs between built-in kinds; all else follows from it. */
export interface Builtin {
  readonly group?: string
  readonly version?: string
  /** Also served, with the same fields. */
  readonly olderVersions?: readonly string[]
  readonly kind: string
  /** Default: the kind in lower case with an `s`. */
  readonly plural?: string
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly isNamespaced: boolean
  readonly schema: Schema
  readonly columns?: readonly Column[]
  readonly subresources?: Readonly<Record<string, Subresource>>
  readonly selectableFields?: Readonly<Record<string, (object: ApiObject) => string>>
  readonly hasGeneration?: boolean
  readonly nameRule?: NonNullable<ResourceDefinition['nameRule']>
  readonly verbs?: readonly Verb[]
  /** Defaults that depend on other fields; after those of the schema. */
  readonly defaulted?: (object: ApiObject) => ApiObject
  /** After types and enums have been checked. */
  readonly validate?: (object: ApiObject, old: ApiObject | undefined) => readonly FieldProblem[]
  readonly prepare?: (
    object: ApiObject,
    old: ApiObject | undefined,
    context: RequestContext,
    access: ObjectAccess,
  ) => ApiObject
  readonly deletion?: DeletionRules
  /** What does not happen here that users of a cluster expect; told as a warning with each write. */
  readonly note?: string
}

export function define(builtin: Builtin): ResourceDefinition {
  const { kind, schema, deletion, nameRule } = builtin
  const prepare = withNote(builtin)
  const version = builtin.version ?? 'v1'
  const singular = kind.toLowerCase()
  const columns = builtin.columns ?? [age]
  return {
    group: builtin.group ?? '',
    kind,
    listKind: `${kind}List`,
    plural: builtin.plural ?? `${singular}s`,
    singular,
    shortNames: builtin.shortNames ?? [],
    categories: builtin.categories ?? [],
    isNamespaced: builtin.isNamespaced,
    origin: 'builtin',
    versions: [version, ...(builtin.olderVersions ?? [])].map((name) => ({ name, isServed: true, schema, columns })),
    storageVersion: version,
    verbs: builtin.verbs ?? ALL_VERBS,
    subresources: new Map(Object.entries(builtin.subresources ?? {})),
    selectableFields: new Map(Object.entries(builtin.selectableFields ?? {})),
    hasGeneration: builtin.hasGeneration ?? false,
    ...(nameRule === undefined ? {} : { nameRule }),
    // Each keeps the object's own form.
    prune: (object) => prune(object, schema, true) as ApiObject,
    defaulted: (object) => {
      const filled = withDefaults(object, schema) as ApiObject
      return builtin.defaulted?.(filled) ?? filled
    },
    validate: (object, old) => {
      const problems = validateValue(object, schema)
      return problems.length > 0 ? problems : (builtin.validate?.(object, old) ?? [])
    },
    ...(prepare === undefined ? {} : { prepare }),
    ...(deletion === undefined ? {} : { deletion }),
  }
}

function withNote({ prepare, note }: Builtin): Builtin['prepare'] {
  if (note === undefined) return prepare
  return (object, old, context, access) => {
    if (context.subresource === '') context.warn(note)
    return prepare?.(object, old, context, access) ?? object
  }
}

export const status: Readonly<Record<'status', Subresource>> = { status: { kind: 'status' } }

/** Scale as Deployments and their like have it. */
export const scale: Readonly<Record<'scale', Subresource>> = {
  scale: {
    kind: 'scale',
    paths: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.spec.selector',
    },
  },
}

/** A column; a text of '' or undefined shows as `<none>`. */
export function column(
  name: string,
  cell: (object: ApiObject, nowMs: number) => string | number | boolean | null | undefined,
  priority = 0,
  type: Column['type'] = 'string',
): Column {
  return {
    name,
    type,
    priority,
    description: '',
    cell: (object, nowMs) => {
      const value = cell(object, nowMs)
      return value === undefined || value === '' ? '<none>' : value
    },
  }
}

export const age: Column = {
  ...column('Age', ({ metadata }, nowMs) => ageSince(metadata.creationTimestamp, nowMs)),
  description: 'When the object was created; the server sets it.',
}

/** A member of a member, if every step is there: `at(pod, 'spec', 'nodeName')`. */
export function at(object: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined,
    object,
  )
}

export function textAt(object: unknown, ...path: readonly (string | number)[]): string {
  const value = at(object, ...path)
  return typeof value === 'string' ? value : ''
}

export function numberAt(object: unknown, ...path: readonly (string | number)[]): number {
  const value = at(object, ...path)
  return typeof value === 'number' ? value : 0
}

export function listAt(object: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const value = at(object, ...path)
  return Array.isArray(value) ? value : []
}

export function recordAt(object: unknown, ...path: readonly (string | number)[]): Readonly<Record<string, unknown>> {
  const value = at(object, ...path)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {}
}

/** `a=b,c=d`. */
export function pairs(record: Readonly<Record<string, unknown>>): string {
  return Object.entries(record)
    .map(([key, value]) => `${key}=${String(value)}`)
    .sort()
    .join(',')
}
