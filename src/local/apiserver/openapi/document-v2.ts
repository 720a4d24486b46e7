import { API_TITLE, API_VERSION } from './document-v3.ts'
import type { Described } from './group-versions.ts'
import { type HttpMethod, type Operation, operationsByPath } from './operations.ts'
import { type GroupVersionKind, type Published, publishedSchemas, REF_PREFIX } from './published-schema.ts'
import { bytesField, flagField, message } from './wire.ts'

/**
 * The OpenAPI v2 document of everything as protobuf, in gnostic's messages (openapiv2/OpenAPIv2.proto): kubectl before
 * 1.27 reads nothing else. Only the fields that kubectl looks at are written; the numbers are gnostic's.
 */
export function documentV2(kinds: readonly Described[]): Buffer {
  const definitions = Object.entries(publishedSchemas(kinds)).map(([name, schema]) => named(1, name, schemaV2(schema)))
  const paths = [...operationsByPath(kinds)].map(([path, operations]) => named(2, path, pathItemV2(operations)))
  return message([
    bytesField(1, '2.0'),
    bytesField(2, message([bytesField(1, API_TITLE), bytesField(2, API_VERSION)])),
    bytesField(8, message(paths)),
    bytesField(9, message(definitions)),
  ])
}

/** gnostic's Named… messages: name 1, value 2. */
function named(number: number, name: string, value: Buffer): Buffer {
  return bytesField(number, message([bytesField(1, name), bytesField(2, value)]))
}

/** A vendor extension; its value is YAML. */
function extension(number: number, name: string, yaml: string): Buffer {
  return named(number, name, bytesField(2, yaml))
}

const GVK = 'x-kubernetes-group-version-kind'
const LIST_EXTENSIONS = [
  'x-kubernetes-list-type',
  'x-kubernetes-patch-strategy',
  'x-kubernetes-patch-merge-key',
] as const

/** Schema. What may have several types has none here, as Kubernetes publishes it. */
function schemaV2(schema: Published): Buffer {
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref
  if (reference !== undefined) return bytesField(1, reference.replace(REF_PREFIX, '#/definitions/'))
  const { format, description, required, additionalProperties, type, items, properties } = schema
  const isFree =
    schema['x-kubernetes-preserve-unknown-fields'] === true ||
    schema['x-kubernetes-int-or-string'] === true ||
    schema.nullable === true ||
    (type === 'object' && properties === undefined && additionalProperties === undefined)
  const fields: Buffer[] = []
  if (format !== undefined) fields.push(bytesField(2, format))
  if (description !== undefined) fields.push(bytesField(4, description))
  for (const name of required ?? []) fields.push(bytesField(19, name))
  if (typeof additionalProperties === 'object')
    fields.push(bytesField(21, bytesField(1, schemaV2(additionalProperties))))
  else if (additionalProperties !== undefined) fields.push(bytesField(21, flagField(2, additionalProperties)))
  if (type !== undefined && !isFree) fields.push(bytesField(22, bytesField(1, type)))
  if (items !== undefined) fields.push(bytesField(23, bytesField(1, schemaV2(items))))
  if (properties !== undefined && !isFree) {
    const each = Object.entries(properties).map(([name, value]) => named(1, name, schemaV2(value)))
    fields.push(bytesField(25, message(each)))
  }
  const kinds = schema[GVK]
  if (kinds !== undefined) fields.push(extension(31, GVK, kinds.map((gvk) => `- ${yamlOf(gvk, '\n  ')}\n`).join('')))
  for (const name of LIST_EXTENSIONS) {
    const value = schema[name]
    if (value !== undefined) fields.push(extension(31, name, `${value}\n`))
  }
  return message(fields)
}

function yamlOf({ group, kind, version }: GroupVersionKind, separator: string): string {
  return [`group: "${group}"`, `kind: ${kind}`, `version: ${version}`].join(separator)
}

const METHOD_NUMBERS: Readonly<Record<HttpMethod, number>> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 }

function pathItemV2(operations: readonly Operation[]): Buffer {
  return message(operations.map((each) => bytesField(METHOD_NUMBERS[each.method], operationV2(each))))
}

function operationV2({ operationId, gvk, action, query }: Operation): Buffer {
  const ok = named(1, '200', bytesField(1, bytesField(1, 'OK')))
  return message([
    bytesField(5, operationId),
    // Parameter → non-body → query: place 2, name 4, type 6.
    ...query.map(({ name, type }) => {
      const parameter = message([bytesField(2, 'query'), bytesField(4, name), bytesField(6, type)])
      return bytesField(8, bytesField(1, bytesField(2, bytesField(3, parameter))))
    }),
    bytesField(9, ok),
    extension(13, GVK, `${yamlOf(gvk, '\n')}\n`),
    extension(13, 'x-kubernetes-action', `${action}\n`),
  ])
}
