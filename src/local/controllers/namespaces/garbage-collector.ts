import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import {
  ApiError,
  type ApiObject,
  type ObjectRef,
  type OwnerReference,
  type ResourceRegistry,
} from '../../apiserver/index.ts'
import type { Environment } from '../core/controller.ts'
import { groupOf, isDeleting, refTo } from '../core/kinds.ts'
import { WorkQueue } from '../core/work-queue.ts'
import { watchEveryResource } from './every-resource.ts'
import { type Dependent, OwnerGraph } from './owner-graph.ts'

/** Set by the server on what is deleted with this propagation policy; taken off here. */
const FOREGROUND = 'foregroundDeletion'
const ORPHAN = 'orphan'
const PARALLEL = 8

/**
 * Deletes what refers only to owners that are gone (background), lets an owner go after those that block it
 * (foreground), or takes its name out of them (orphan). Owners are told by uid: one of the same name is another.
 */
export function collectGarbage({ access, clock, logger }: Environment, registry: ResourceRegistry): Closer {
  const graph = new OwnerGraph()
  const queue = new WorkQueue({
    clock,
    parallel: PARALLEL,
    handle: async (uid) => {
      const dependent = graph.get(uid)
      if (dependent !== undefined) await look(dependent)
      return undefined
    },
    failed: (uid, error) => {
      const isRace = error instanceof ApiError && ['Conflict', 'NotFound'].includes(error.status.reason ?? '')
      if (!isRace)
        logger.warn('garbage could not be collected and will be tried again', { uid, error: reasonOf(error) })
    },
  })
  const everything = watchEveryResource(access, registry, ({ type, object }, definition) => {
    const uid = object.metadata.uid ?? ''
    if (type === 'DELETED') {
      const owners = graph.get(uid)?.owners ?? []
      for (const dependent of graph.remove(uid)) queue.add(dependent)
      // An owner may be waiting in the foreground for just this one.
      for (const owner of owners) queue.add(owner.uid)
      return
    }
    const before = graph.get(uid)?.owners ?? []
    graph.put(refTo({ group: definition.group, resource: definition.plural }, object), object)
    if (object.metadata.ownerReferences !== undefined || isDeleting(object)) queue.add(uid)
    for (const owner of before) queue.add(owner.uid)
  })

  async function look({ ref, uid, owners }: Dependent): Promise<void> {
    const object = access.get(ref)
    if (object === undefined || object.metadata.uid !== uid) return
    if (isDeleting(object)) {
      await finish(ref, object)
      return
    }
    if (owners.length === 0) return
    const states = owners.map((owner) => ({ owner, state: stateOf(owner, ref.namespace) }))
    const alive = states.filter(({ state }) => state === 'alive')
    const gone = states.filter(({ state }) => state !== 'alive')
    if (gone.length === 0) return
    if (alive.length > 0) {
      await dropOwners(
        ref,
        object,
        gone.map(({ owner }) => owner.uid),
      )
      return
    }
    const isBlocking = states.some(({ state }) => state === 'waiting')
    await access.delete(ref, { propagationPolicy: isBlocking ? 'Foreground' : 'Background', preconditions: { uid } })
  }

  /** Of an object that is on its way out: what its propagation policy asks for. */
  async function finish(ref: ObjectRef, object: ApiObject): Promise<void> {
    const { uid = '', finalizers = [] } = object.metadata
    const dependents = graph.dependentsOf(uid)
    if (finalizers.includes(ORPHAN)) {
      for (const dependent of dependents) {
        const current = access.get(dependent.ref)
        if (current?.metadata.uid === dependent.uid) await dropOwners(dependent.ref, current, [uid])
      }
      await dropFinalizer(ref, object, ORPHAN)
    } else if (finalizers.includes(FOREGROUND)) {
      for (const dependent of dependents) queue.add(dependent.uid)
      const isBlocked = dependents.some(
        (dependent) =>
          access.get(dependent.ref)?.metadata.uid === dependent.uid &&
          dependent.owners.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
      )
      if (!isBlocked) await dropFinalizer(ref, object, FOREGROUND)
    }
  }

  function stateOf(owner: OwnerReference, namespace: string): 'alive' | 'waiting' | 'gone' {
    const definition = registry.findKind(groupOf(owner.apiVersion), owner.kind)
    // A kind that is not served (any more) proves nothing: its objects may come back with it.
    if (definition === undefined) return 'alive'
    const ref = {
      group: definition.group,
      resource: definition.plural,
      namespace: definition.isNamespaced ? namespace : '',
      name: owner.name,
    }
    const object = access.get(ref)
    if (object === undefined || object.metadata.uid !== owner.uid) return 'gone'
    return isDeleting(object) && object.metadata.finalizers?.includes(FOREGROUND) ? 'waiting' : 'alive'
  }

  async function dropOwners(ref: ObjectRef, object: ApiObject, uids: readonly string[]): Promise<void> {
    const { uid, resourceVersion, ownerReferences = [] } = object.metadata
    const left = ownerReferences.filter((owner) => !uids.includes(owner.uid))
    if (left.length === ownerReferences.length) return
    await access.patch(ref, 'merge', {
      metadata: { uid, resourceVersion, ownerReferences: left.length === 0 ? null : left },
    })
  }

  async function dropFinalizer(ref: ObjectRef, object: ApiObject, finalizer: string): Promise<void> {
    const { uid, resourceVersion, finalizers = [] } = object.metadata
    const left = finalizers.filter((each) => each !== finalizer)
    await access.patch(ref, 'merge', { metadata: { uid, resourceVersion, finalizers: left } })
  }

  return {
    close() {
      everything.stop()
      return queue.close()
    },
  }
}
