import type { ServerResponse } from 'node:http'
import { ApiError } from '../api-error.ts'
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from '../discovery/index.ts'
import type { OpenApi, ResourceRegistry } from '../types.ts'
import { wantedDiscovery } from './negotiate.ts'
import type { Route } from './route.ts'
import { sendBytes, sendObject } from './send.ts'

/** `/api`, `/apis` and what is directly below. @throws ApiError NotFound */
export function answerDiscovery(
  response: ServerResponse,
  route: Extract<Route, { kind: 'discovery' }>,
  accept: string,
  registry: ResourceRegistry,
): void {
  const { group, version } = route
  const isRoot = (group === undefined || group === '') && version === undefined
  const form = isRoot ? wantedDiscovery(accept) : undefined
  if (form !== undefined) {
    const body = aggregatedDiscovery(registry, form, group === '' ? 'api' : 'apis')
    // kubectl takes the answer for what it asked for only when the type says so.
    const type = `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`
    sendBytes(response, 200, type, Buffer.from(JSON.stringify(body)))
    return
  }
  const body = plainDocument(registry, group, version)
  if (body === undefined) throw notServed()
  sendObject(response, 200, body, 'json')
}

function plainDocument(
  registry: ResourceRegistry,
  group: string | undefined,
  version: string | undefined,
): object | undefined {
  if (group === undefined) return apiGroupList(registry)
  if (version !== undefined) return apiResourceList(registry, group, version)
  return group === '' ? apiVersions() : apiGroup(registry, group)
}

/** @throws ApiError NotFound */
export function answerOpenApi(response: ServerResponse, path: string, query: URLSearchParams, openApi: OpenApi): void {
  const { accept = '', 'if-none-match': known } = response.req.headers
  const answer = openApi.answer({ path, query, accept })
  if (answer === undefined) throw notServed()
  response.setHeader('ETag', answer.etag)
  if (known !== undefined && known === answer.etag) {
    response.writeHead(304).end()
    return
  }
  sendBytes(response, 200, answer.contentType, answer.body)
}

/** Of no object: clients tell by the empty details that it is the resource that is missing. */
export function notServed(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource', {})
}
