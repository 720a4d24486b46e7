import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '#shared/clock'
import type { Listing, Scope } from '../objects/index.ts'
import { partialMetadata, tableOf } from '../present/index.ts'
import { apiVersionOf } from '../registry.ts'
import type { ApiObject } from '../types.ts'
import type { WantedAnswer } from './negotiate.ts'
import { listOptionsOf } from './query.ts'
import { sendObject, type Warnings } from './send.ts'

/** One request to a resource, and where its answer goes. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  readonly scope: Scope
  readonly wanted: WantedAnswer
  readonly warnings: Warnings
}

export function answerObject(exchange: Exchange, code: number, object: ApiObject, clock: Clock): void {
  const { response, wanted, warnings, scope } = exchange
  const body = shapeOf(exchange, object, clock)
  if (scope.version.deprecationWarning !== undefined) warnings.add(scope.version.deprecationWarning)
  sendObject(response, code, body, wanted.syntax, warnings)
}

export function answerList(exchange: Exchange, listing: Listing, clock: Clock): void {
  const { response, wanted, warnings, scope, query } = exchange
  const { definition, version } = scope
  if (version.deprecationWarning !== undefined) warnings.add(version.deprecationWarning)
  const { items, metadata } = listing
  if (wanted.form === 'Table') {
    const { includeObject } = listOptionsOf(query)
    const table = tableOf(items, version, metadata, includeObject, clock.nowMs(), true)
    sendObject(response, 200, table, wanted.syntax, warnings)
    return
  }
  const body =
    wanted.form === 'Object'
      ? { kind: definition.listKind, apiVersion: apiVersionOf(definition.group, version.name), metadata, items }
      : {
          kind: 'PartialObjectMetadataList',
          apiVersion: 'meta.k8s.io/v1',
          metadata,
          items: items.map(partialMetadata),
        }
  sendObject(response, 200, body, wanted.syntax, warnings)
}

function shapeOf({ wanted, scope, query }: Exchange, object: ApiObject, clock: Clock): object {
  if (wanted.form === 'PartialObjectMetadata') return partialMetadata(object)
  if (wanted.form !== 'Table') return object
  const { includeObject } = listOptionsOf(query)
  const { resourceVersion } = object.metadata
  return tableOf([object], scope.version, { resourceVersion }, includeObject, clock.nowMs(), true)
}
