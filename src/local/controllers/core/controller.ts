import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import { type AccessEvent, ApiError, type ObjectAccess } from '../../apiserver/index.ts'
import type { Kind } from './kinds.ts'
import { WorkQueue } from './work-queue.ts'

/** A kind whose changes wake a controller, and the keys that each of them touches. */
export interface Watched {
  readonly kind: Pick<Kind, 'group' | 'resource'>
  keysOf(event: AccessEvent): readonly string[]
}

/** Brings what is there to what is asked for, one key at a time; every run looks at all of it anew. */
export interface Controller {
  readonly name: string
  readonly watches: readonly Watched[]
  /**
   * Safe to run at any time, any number of times.
   *
   * @returns ms until time alone may change something; undefined: never
   */
  reconcile(key: string): Promise<number | undefined>
}

/** What every controller works with. */
export interface Environment {
  readonly access: ObjectAccess
  readonly clock: Clock
  readonly logger: Logger
}

/** Keys at work at once in one controller: writes wait for the journal, so a few side by side use it better. */
const PARALLEL = 4
/** Somebody wrote in between; the next run sees what is there now. */
const ORDINARY_RACES: ReadonlySet<string | undefined> = new Set(['Conflict', 'NotFound', 'AlreadyExists'])

/** Runs it until closed. */
export function runController(controller: Controller, { access, clock, logger }: Environment): Closer {
  const queue = new WorkQueue({
    clock,
    parallel: PARALLEL,
    handle: (key) => controller.reconcile(key),
    failed: (key, error) => {
      if (error instanceof ApiError && ORDINARY_RACES.has(error.status.reason)) return
      logger.warn('a controller could not do its work and will try again', {
        controller: controller.name,
        key,
        error: reasonOf(error),
      })
    },
  })
  const watches = controller.watches.map(({ kind, keysOf }) =>
    access.watch({ group: kind.group, resource: kind.resource, namespace: '' }, (event) => {
      for (const key of keysOf(event)) queue.add(key)
    }),
  )
  return {
    close() {
      for (const watch of watches) watch.stop()
      return queue.close()
    },
  }
}
