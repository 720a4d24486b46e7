import { withCondition, writeStatus } from '../core/conditions.ts'
import type { Controller, Environment } from '../core/controller.ts'
import { EventRecorder } from '../core/events.ts'
import { AUTOSCALERS, CLAIMS, isDeleting, ownKey, read } from '../core/kinds.ts'

/** Says in the status of each autoscaler why it scales nothing. */
export function autoscalers({ access, clock }: Environment): Controller {
  return {
    name: 'autoscalers',
    watches: [{ kind: AUTOSCALERS, keysOf: ownKey }],
    async reconcile(key) {
      const autoscaler = read(access, AUTOSCALERS, key)
      if (autoscaler === undefined || isDeleting(autoscaler)) return undefined
      const condition = {
        type: 'ScalingActive',
        status: 'False' as const,
        reason: 'FailedGetResourceMetric',
        message: 'there are no metrics of pods on one machine',
      }
      const conditions = withCondition(autoscaler.status?.conditions, condition, clock.nowMs())
      await writeStatus(access, autoscaler, { ...autoscaler.status, conditions }, 'horizontal-pod-autoscaler')
      return undefined
    },
  }
}

/** Says by an event why a claim stays Pending. */
export function claims(environment: Environment): Controller {
  const events = new EventRecorder(environment, 'persistentvolume-controller')
  return {
    name: 'claims',
    watches: [{ kind: CLAIMS, keysOf: ownKey }],
    async reconcile(key) {
      const claim = read(environment.access, CLAIMS, key)
      if (claim === undefined || isDeleting(claim)) return undefined
      const message = 'nobody provides volumes on one machine: the claim stays Pending; use emptyDir'
      await events.record(claim, { type: 'Warning', reason: 'ProvisioningFailed', message })
      return undefined
    },
  }
}
