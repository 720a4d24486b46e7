import type { ResourceDefinition, Subresource, Verb, VersionDefinition } from '../definition-types.ts'
import type { Schema } from '../schema/types.ts'
import { columnsOf } from './columns.ts'
import type { Crd, CrdVersion } from './crd-types.ts'
import { findAll, parseJsonPath } from './json-path.ts'
import { ruleProblems } from './rules/index.ts'
import { prune, validateChange, withDefaults } from './structural/index.ts'
import { compareVersions } from './version-order.ts'

const ALL_VERBS: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

/** What the server must know to serve the objects of a CRD that was found valid. */
export function definitionOf(crd: Crd): ResourceDefinition {
  const { group, names, scope, versions } = crd.spec
  const ordered = [...versions].sort((a, b) => compareVersions(a.name, b.name))
  const storage = versions.find((each) => each.storage) ?? ordered[0]
  return {
    group,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    isNamespaced: scope === 'Namespaced',
    origin: 'custom',
    versions: ordered.map((version) => versionOf(version, `${group}/${version.name} ${names.kind}`)),
    storageVersion: storage?.name ?? '',
    verbs: ALL_VERBS,
    subresources: subresourcesOf(storage),
    selectableFields: selectableFields(versions),
    hasGeneration: true,
    // A schema's root is an object, so that what comes back is one.
    prune: (object, { schema }) => prune(object, schema, true) as typeof object,
    defaulted: (object, { schema }) => withDefaults(object, schema) as typeof object,
    validate(object, old, { schema }) {
      const problems = validateChange(object, old, schema)
      // Rules may rely on what the schema promises, so they are asked only about well-formed objects.
      return problems.length > 0 ? problems : ruleProblems(object, old, schema)
    },
  }
}

function versionOf(version: CrdVersion, title: string): VersionDefinition {
  const { name, served, deprecated, deprecationWarning } = version
  return {
    name,
    isServed: served,
    schema: rootSchema(version.schema?.openAPIV3Schema ?? { type: 'object' }),
    columns: columnsOf(version.additionalPrinterColumns),
    deprecationWarning: deprecated === true ? (deprecationWarning ?? `${title} is deprecated`) : undefined,
  }
}

/** A CRD need not name the fields that every object has. */
function rootSchema(schema: Schema): Schema {
  const { apiVersion, kind, metadata, ...rest } = schema.properties ?? {}
  return {
    ...schema,
    properties: {
      apiVersion: apiVersion ?? { type: 'string' },
      kind: kind ?? { type: 'string' },
      metadata: metadata ?? { type: 'object' },
      ...rest,
    },
  }
}

function subresourcesOf(version: CrdVersion | undefined): ReadonlyMap<string, Subresource> {
  const found = new Map<string, Subresource>()
  const { status, scale } = version?.subresources ?? {}
  if (status !== undefined) found.set('status', { kind: 'status' })
  if (scale !== undefined) found.set('scale', { kind: 'scale', paths: scale })
  return found
}

function selectableFields(versions: readonly CrdVersion[]): ResourceDefinition['selectableFields'] {
  const paths = new Set(versions.flatMap(({ selectableFields: fields }) => fields?.map((each) => each.jsonPath) ?? []))
  return new Map(
    [...paths].map((jsonPath) => {
      const path = parseJsonPath(jsonPath) ?? []
      const read = (object: unknown): string => {
        const [value] = findAll(object, path)
        return value === undefined || value === null ? '' : String(value)
      }
      return [jsonPath.replace(/^\./, ''), read]
    }),
  )
}
