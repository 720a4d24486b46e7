import type { Described } from './group-versions.ts'
import { type Operation, operationsByPath } from './operations.ts'
import { publishedSchemas, REF_PREFIX } from './published-schema.ts'

/** What documents call the API and its version: the Kubernetes version whose behaviour is shown. */
export const API_TITLE = 'Kubernetes'
export const API_VERSION = 'v1.32.4'

/** The OpenAPI v3 document of one group and version. */
export function documentV3(kinds: readonly Described[]): object {
  const paths = [...operationsByPath(kinds)].map(([path, operations]) => [path, pathItem(path, operations)])
  return {
    openapi: '3.0.0',
    info: { title: API_TITLE, version: API_VERSION },
    paths: Object.fromEntries(paths),
    components: { schemas: publishedSchemas(kinds) },
  }
}

function pathItem(path: string, operations: readonly Operation[]): object {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
  return {
    parameters: names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...Object.fromEntries(operations.map((each) => [each.method, operationV3(each)])),
  }
}

function operationV3({ operationId, action, description, gvk, schema, hasBody, query }: Operation): object {
  const content = { 'application/json': { schema: { $ref: `${REF_PREFIX}${schema}` } } }
  return {
    operationId,
    description,
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
    parameters: query.map(({ name, type, description: text }) => ({
      name,
      in: 'query',
      description: text,
      schema: { type },
    })),
    ...(hasBody ? { requestBody: { content } } : {}),
    responses: { '200': { description: 'OK', content } },
  }
}
