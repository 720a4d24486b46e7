import type { ServerResponse } from 'node:http'
import type { Clock } from '#shared/clock'
import type { WatchEvent } from '../objects/index.ts'
import { type IncludeObject, partialMetadata, tableOf } from '../present/index.ts'
import { apiVersionOf } from '../registry.ts'
import type { ApiObject, ResourceDefinition, VersionDefinition } from '../types.ts'
import type { WantedAnswer } from './negotiate.ts'

/** What a slow watcher may leave unread before its watch is ended; it comes back and lists. */
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024

/** The last text that was made: many watchers get the same event one after the other. */
let lastText: { readonly event: WatchEvent; readonly object: unknown; readonly text: string } | undefined

/** Writes watch events as lines of JSON. */
export class WatchResponse {
  readonly #response: ServerResponse
  readonly #definition: ResourceDefinition
  readonly #version: VersionDefinition
  readonly #wanted: WantedAnswer
  readonly #includeObject: IncludeObject
  readonly #clock: Clock
  #hasHeader = false

  constructor(
    response: ServerResponse,
    definition: ResourceDefinition,
    version: VersionDefinition,
    wanted: WantedAnswer,
    includeObject: IncludeObject,
    clock: Clock,
  ) {
    this.#response = response
    this.#definition = definition
    this.#version = version
    this.#wanted = wanted
    this.#includeObject = includeObject
    this.#clock = clock
    response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache, private' })
    response.flushHeaders()
  }

  write(event: WatchEvent): void {
    if (this.#response.destroyed || this.#response.writableEnded) return
    this.#response.write(this.#text(event))
    if (event.type === 'ERROR') this.#response.end()
    else if (this.#response.writableLength > MAX_BUFFERED_BYTES) this.#response.destroy()
  }

  #text(event: WatchEvent): string {
    if (event.type === 'ERROR') return line('ERROR', event.error.status)
    if (event.type === 'BOOKMARK') return line('BOOKMARK', this.#bookmark(event))
    if (this.#wanted.form === 'Table') return line(event.type, this.#table(event.object))
    if (this.#wanted.form !== 'Object') return line(event.type, partialMetadata(event.object))
    if (lastText?.object === event.object && lastText.event.type === event.type) return lastText.text
    const text = line(event.type, event.object)
    lastText = { event, object: event.object, text }
    return text
  }

  #table(object: ApiObject): object {
    const { resourceVersion } = object.metadata
    const withHeader = !this.#hasHeader
    this.#hasHeader = true
    return tableOf([object], this.#version, { resourceVersion }, this.#includeObject, this.#clock.nowMs(), withHeader)
  }

  #bookmark({ resourceVersion, endsInitial }: Extract<WatchEvent, { type: 'BOOKMARK' }>): object {
    const annotations = endsInitial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}
    const metadata = { resourceVersion, creationTimestamp: null, ...annotations }
    if (this.#wanted.form === 'Table')
      return tableOf([], this.#version, metadata, 'None', this.#clock.nowMs(), !this.#hasHeader)
    if (this.#wanted.form !== 'Object') return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
    const apiVersion = apiVersionOf(this.#definition.group, this.#version.name)
    return { kind: this.#definition.kind, apiVersion, metadata }
  }
}

function line(type: WatchEvent['type'], object: object): string {
  return `${JSON.stringify({ type, object })}\n`
}
