import { ApiError } from '../../apiserver/index.ts'
import { withCondition } from '../core/conditions.ts'
import type { Controller, Environment } from '../core/controller.ts'
import { EventRecorder } from '../core/events.ts'
import { isDeleting, keyOf, listOf, NODES, ownKey, PODS, read, refTo } from '../core/kinds.ts'
import { isFinished } from '../core/pods.ts'
import type { Pod } from '../core/shapes.ts'
import { chooseNode } from './choose-node.ts'

const MANAGER = 'default-scheduler'
/** Of one condition, against others who write the status at the same time. */
const MAX_ATTEMPTS = 8

/** Gives each pod that waits for a node one; one that fits nowhere is looked at again when a node changes. */
export function scheduler(environment: Environment): Controller {
  const { access, clock } = environment
  const events = new EventRecorder(environment, MANAGER)
  /** Chosen and not yet written: pods that are placed at the same time see one another. */
  const placing = new Map<string, Pod>()

  return {
    name: 'scheduler',
    watches: [
      {
        kind: PODS,
        keysOf: (event) => (event.type !== 'DELETED' && isWaiting(event.object as Pod) ? ownKey(event) : []),
      },
      { kind: NODES, keysOf: () => listOf(access, PODS, '').filter(isWaiting).map(keyOf) },
    ],
    async reconcile(key) {
      const pod = read(access, PODS, key)
      if (pod === undefined || !isWaiting(pod)) return undefined
      const choice = chooseNode(pod, listOf(access, NODES, ''), [...listOf(access, PODS, ''), ...placing.values()])
      if (choice.kind === 'none') {
        await setCondition(pod, 'False', 'Unschedulable', choice.message)
        await events.record(pod, { type: 'Warning', reason: 'FailedScheduling', message: choice.message })
        return undefined
      }
      const { uid, resourceVersion } = pod.metadata
      placing.set(key, { ...pod, spec: { ...pod.spec, nodeName: choice.name } })
      try {
        const change = { metadata: { uid, resourceVersion }, spec: { nodeName: choice.name } }
        const bound = (await access.patch(refTo(PODS, pod), 'merge', change, { fieldManager: MANAGER })) as Pod
        await setCondition(bound, 'True', '', '')
      } finally {
        placing.delete(key)
      }
      const message = `Successfully assigned ${key} to ${choice.name}`
      await events.record(pod, { type: 'Normal', reason: 'Scheduled', message })
      return undefined
    },
  }

  /** The kubelet may write conditions at the same time: each write is made from what is there, or again. */
  async function setCondition(pod: Pod, status: 'True' | 'False', reason: string, message: string): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const current = access.get(refTo(PODS, pod)) as Pod | undefined
      if (current === undefined || current.metadata.uid !== pod.metadata.uid) return
      const old = current.status?.conditions
      const conditions = withCondition(old, { type: 'PodScheduled', status, reason, message }, clock.nowMs())
      if (conditions === old) return
      const { resourceVersion } = current.metadata
      const change = {
        metadata: { resourceVersion },
        status: { conditions: conditions.map((each) => (each.reason === '' ? bare(each) : each)) },
      }
      try {
        await access.patch(refTo(PODS, pod), 'merge', change, { subresource: 'status', fieldManager: MANAGER })
        return
      } catch (error) {
        if (!(error instanceof ApiError && error.status.reason === 'Conflict')) throw error
      }
    }
  }
}

function isWaiting(pod: Pod): boolean {
  const { nodeName = '', schedulerName = MANAGER, schedulingGates = [] } = pod.spec
  return (
    nodeName === '' && schedulerName === MANAGER && schedulingGates.length === 0 && !isDeleting(pod) && !isFinished(pod)
  )
}

function bare<T extends object>({
  reason: _,
  message: __,
  ...rest
}: T & { reason?: unknown; message?: unknown }): object {
  return rest
}
