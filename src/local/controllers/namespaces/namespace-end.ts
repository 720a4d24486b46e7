import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { ApiError, type ApiObject, type ObjectAccess, type ResourceRegistry } from '../../apiserver/index.ts'
import { withCondition, writeStatus } from '../core/conditions.ts'
import { type Controller, type Environment, runController } from '../core/controller.ts'
import { isDeleting, listOf, NAMESPACES, ownKey, refOf, refTo } from '../core/kinds.ts'
import type { Namespace } from '../core/shapes.ts'
import { WorkQueue } from '../core/work-queue.ts'
import { watchEveryResource } from './every-resource.ts'

const MANAGER = 'namespace-controller'
/** Given by the server to every namespace; it goes when nothing is left inside. */
const KUBERNETES = 'kubernetes'

/** Empties namespaces that are being deleted, then lets them go. Wakes with everything that leaves one. */
export function endNamespaces(environment: Environment, registry: ResourceRegistry): Closer {
  const { access, clock, logger } = environment
  const controller: Controller = {
    name: 'namespace-end',
    watches: [{ kind: NAMESPACES, keysOf: ownKey }],
    async reconcile(name) {
      const namespace = access.get(refOf(NAMESPACES, '', name)) as Namespace | undefined
      if (namespace === undefined || !isDeleting(namespace)) return undefined
      const left = await empty(access, registry, name)
      if (left.length > 0) await tell(namespace, left)
      else await finalize(access, namespace)
      return undefined
    },
  }

  async function tell(namespace: Namespace, left: readonly string[]): Promise<void> {
    const conditions = withCondition(
      namespace.status?.conditions,
      {
        type: 'NamespaceContentRemaining',
        status: 'True',
        reason: 'SomeResourcesRemain',
        message: `Some resources are remaining: ${left.join(', ')}`,
      },
      clock.nowMs(),
    )
    await writeStatus(access, namespace, { ...namespace.status, phase: 'Terminating', conditions }, MANAGER)
  }

  const queue = new WorkQueue({
    clock,
    parallel: 1,
    handle: (name) => controller.reconcile(name),
    failed: (name, error) => {
      if (error instanceof ApiError && error.status.reason === 'Conflict') return
      logger.warn('a namespace could not be emptied and will be tried again', { name, error: reasonOf(error) })
    },
  })
  const running = runController(controller, environment)
  const everything = watchEveryResource(access, registry, ({ type, object }) => {
    const { namespace } = object.metadata
    if (namespace === undefined) return
    const its = access.get(refOf(NAMESPACES, '', namespace))
    // What leaves may have been the last; what comes slipped in while the namespace was closing.
    if (its !== undefined && isDeleting(its) && type !== 'MODIFIED') queue.add(namespace)
  })
  return {
    async close() {
      everything.stop()
      await Promise.all([running.close(), queue.close()])
    },
  }
}

/** Asks everything inside to go. @returns what is still there, as `pods has 2 resource instances` */
async function empty(access: ObjectAccess, registry: ResourceRegistry, namespace: string): Promise<readonly string[]> {
  const left: string[] = []
  for (const definition of registry.definitions()) {
    if (!definition.isNamespaced || !definition.verbs.includes('delete')) continue
    const kind = { group: definition.group, version: '', kind: definition.kind, resource: definition.plural }
    for (const object of listOf(access, kind, namespace)) {
      if (!isDeleting(object)) await removeOne(access, kind, object)
    }
    const count = listOf(access, kind, namespace).length
    const dotted = definition.group === '' ? definition.plural : `${definition.plural}.${definition.group}`
    if (count > 0) left.push(`${dotted} has ${count} resource instances`)
  }
  return left
}

async function removeOne(
  access: ObjectAccess,
  kind: { readonly group: string; readonly resource: string },
  object: ApiObject,
): Promise<void> {
  try {
    const { uid } = object.metadata
    await access.delete(refTo(kind, object), { propagationPolicy: 'Background', preconditions: { uid } })
  } catch (error) {
    if (!(error instanceof ApiError && (error.status.reason === 'NotFound' || error.status.reason === 'Conflict')))
      throw error
  }
}

async function finalize(access: ObjectAccess, namespace: Namespace): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== KUBERNETES)
  await access.update({ ...namespace, spec: { ...namespace.spec, finalizers } }, { fieldManager: MANAGER })
}
