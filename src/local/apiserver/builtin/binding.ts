import type { Clock } from '#shared/clock'
import { badRequest, conflict } from '../api-error.ts'
import { timestamp } from '../objects/prepare.ts'
import type { ApiObject, ObjectAccess, Subresource } from '../types.ts'
import { listAt, recordAt, textAt } from './define.ts'

const PODS = { group: '', kind: 'Pod', plural: 'pods' } as const

/** `pods/binding`: the scheduler's word on which node a pod runs. @throws ApiError Conflict when it has one */
export function createBind(clock: Clock): Extract<Subresource, { kind: 'action' }>['run'] {
  return (pod, binding, _context, access) => bind(pod, binding, access, timestamp(clock.nowMs()))
}

async function bind(pod: ApiObject, binding: ApiObject, access: ObjectAccess, now: string): Promise<ApiObject> {
  const node = textAt(binding, 'target', 'name')
  if (node === '') throw badRequest('target.name: Required value')
  const current = textAt(pod, 'spec', 'nodeName')
  if (current !== '')
    throw conflict(
      PODS,
      pod.metadata.name,
      `pod ${pod.metadata.name} is already assigned to node ${JSON.stringify(current)}`,
    )
  const bound = await access.update(
    { ...pod, spec: { ...recordAt(pod, 'spec'), nodeName: node } },
    { fieldManager: 'kube-scheduler' },
  )
  const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now }
  const conditions = [
    ...listAt(bound, 'status', 'conditions').filter((one) => textAt(one, 'type') !== 'PodScheduled'),
    scheduled,
  ]
  const status = { ...recordAt(bound, 'status'), conditions }
  await access.update({ ...bound, status }, { fieldManager: 'kube-scheduler', subresource: 'status' })
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } as unknown as ApiObject
}
