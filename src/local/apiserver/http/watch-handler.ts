import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import type { Store } from '../../store/index.ts'
import { ApiError } from '../api-error.ts'
import { type WatchEvent, watchObjects } from '../objects/index.ts'
import type { RegistryChange, ResourceRegistry } from '../types.ts'
import type { Exchange } from './exchange.ts'
import type { ListOptions } from './query.ts'
import { WatchResponse } from './watch-response.ts'

/** The open watches: how many there may be, and when they end. */
export class WatchHandler {
  readonly #store: Store
  readonly #clock: Clock
  readonly #registry: ResourceRegistry
  readonly #maxWatches: number
  readonly #logger: Logger
  readonly #open = new Set<() => void>()

  constructor(store: Store, clock: Clock, registry: ResourceRegistry, maxWatches: number, logger: Logger) {
    this.#store = store
    this.#clock = clock
    this.#registry = registry
    this.#maxWatches = maxWatches
    this.#logger = logger
  }

  get openWatches(): number {
    return this.#open.size
  }

  /** Resolves when the watch is over. @throws ApiError BadRequest, TooManyRequests */
  async handle(exchange: Exchange, options: ListOptions): Promise<void> {
    if (this.#open.size >= this.#maxWatches)
      throw new ApiError('TooManyRequests', `there are already ${this.#maxWatches} watches`, { retryAfterSeconds: 1 })
    const { response, scope, wanted } = exchange
    // The client left while it was being identified; nobody would tell of it again.
    if (response.destroyed) return
    const { definition, version } = scope
    const over = Promise.withResolvers<void>()
    const begin = (): WatchResponse =>
      new WatchResponse(response, definition, version, wanted, options.includeObject, this.#clock)
    const output: { lines?: WatchResponse } = {}
    const watching = watchObjects(this.#store, this.#clock, scope, options, (event) => {
      output.lines ??= begin()
      this.#write(output.lines, event, exchange)
    })
    // Nothing may have happened yet, and the client waits for the headers.
    output.lines ??= begin()
    const end = (): void => void response.end()
    const timer = this.#clock.setTimer(options.timeoutMs, end)
    const stopListening = this.#registry.onChange((change) => {
      if (concerns(change, exchange)) end()
    })
    this.#open.add(end)
    response.once('close', () => {
      watching.stop()
      timer.cancel()
      stopListening()
      this.#open.delete(end)
      over.resolve()
    })
    await over.promise
  }

  /** One object that cannot be shown ends this watch, and neither the others nor the store that tells them all. */
  #write(lines: WatchResponse, event: WatchEvent, { response, scope }: Exchange): void {
    try {
      lines.write(event)
    } catch (error) {
      this.#logger.error('a watch failed', { resource: scope.definition.plural, error: reasonOf(error) })
      response.destroy()
    }
  }

  /** Ends all of them, cleanly. */
  endAll(): void {
    for (const end of [...this.#open]) end()
  }
}

/** Its resource, or its version of it, is served no more. */
function concerns(change: RegistryChange, { scope }: Exchange): boolean {
  const { group, plural, versions } = change.definition
  if (group !== scope.definition.group || plural !== scope.definition.plural) return false
  return change.kind === 'removed' || !versions.some(({ name, isServed }) => isServed && name === scope.version.name)
}
