import { reasonOf } from '#shared/errors'
import { ApiError } from '../../apiserver/index.ts'
import { withCondition, withoutCondition, writeStatus } from '../core/conditions.ts'
import type { Controller, Environment } from '../core/controller.ts'
import { EventRecorder } from '../core/events.ts'
import { isDeleting, keyOf, keyOfController, listOf, ownKey, PODS, REPLICA_SETS, read, refTo } from '../core/kinds.ts'
import { selects } from '../core/label-selector.ts'
import type { Pod, ReplicaSet } from '../core/shapes.ts'
import { claim } from './claim-pods.ts'
import { inGrowingGroups, podOfTemplate } from './pods-of-template.ts'
import { planReplicas, replicaStatus } from './replica-plan.ts'

const MANAGER = 'replicaset-controller'

/** Keeps as many pods of a template as are asked for. */
export function replicaSets(environment: Environment): Controller {
  const { access, clock } = environment
  const events = new EventRecorder(environment, MANAGER)
  const ownerKey = keyOfController(REPLICA_SETS)

  return {
    name: 'replicaset',
    watches: [
      { kind: REPLICA_SETS, keysOf: ownKey },
      {
        kind: PODS,
        keysOf(event) {
          const owners = ownerKey(event)
          if (owners.length > 0 || event.type === 'DELETED') return owners
          if (event.object.metadata.ownerReferences?.some(({ controller }) => controller)) return []
          // Nobody's pod: every set of its namespace that would take it in.
          return listOf(access, REPLICA_SETS, event.object.metadata.namespace ?? '')
            .filter(({ spec }) => selects(spec.selector, event.object.metadata.labels))
            .map(keyOf)
        },
      },
    ],
    async reconcile(key) {
      const replicaSet = read(access, REPLICA_SETS, key)
      if (replicaSet === undefined) return undefined
      const pods = await claim(access, REPLICA_SETS, replicaSet, PODS)
      const failure = isDeleting(replicaSet) ? undefined : await adjust(replicaSet, pods)

      // What was written just now counts already: the answer of the server is what the next run would see.
      const current = listOf(access, PODS, replicaSet.metadata.namespace ?? '').filter(({ metadata }) =>
        metadata.ownerReferences?.some(({ uid, controller }) => controller && uid === replicaSet.metadata.uid),
      )
      const { status, againMs } = replicaStatus(replicaSet, current, clock.nowMs())
      const old = replicaSet.status?.conditions
      const conditions =
        failure === undefined
          ? withoutCondition(old, 'ReplicaFailure')
          : withCondition(old, { type: 'ReplicaFailure', status: 'True', ...failure.note }, clock.nowMs())
      await writeStatus(access, replicaSet, conditions.length === 0 ? status : { ...status, conditions }, MANAGER)
      if (failure !== undefined) throw failure.error
      return againMs
    },
  }

  async function adjust(
    replicaSet: ReplicaSet,
    pods: readonly Pod[],
  ): Promise<{ readonly error: unknown; readonly note: { reason: string; message: string } } | undefined> {
    const plan = planReplicas(replicaSet.spec.replicas ?? 1, pods)
    try {
      if (plan.kind === 'create') {
        const pod = podOfTemplate(REPLICA_SETS, replicaSet, replicaSet.spec.template)
        await inGrowingGroups(Array.from({ length: plan.count }), async () => {
          const made = await access.create(pod, { fieldManager: MANAGER })
          const message = `Created pod: ${made.metadata.name}`
          await events.record(replicaSet, { type: 'Normal', reason: 'SuccessfulCreate', message })
        })
      } else if (plan.kind === 'delete') {
        await inGrowingGroups(plan.pods, async (pod) => {
          await access.delete(refTo(PODS, pod), { preconditions: { uid: pod.metadata.uid } })
          const message = `Deleted pod: ${pod.metadata.name}`
          await events.record(replicaSet, { type: 'Normal', reason: 'SuccessfulDelete', message })
        })
      }
      return undefined
    } catch (error) {
      // A pod that went by itself is what was wanted.
      if (error instanceof ApiError && error.status.reason === 'NotFound') return undefined
      const reason = plan.kind === 'create' ? 'FailedCreate' : 'FailedDelete'
      const message = reasonOf(error)
      await events.record(replicaSet, { type: 'Warning', reason, message: `Error: ${message}` })
      return { error, note: { reason, message } }
    }
  }
}
