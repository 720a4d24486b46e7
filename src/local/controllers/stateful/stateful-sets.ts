import { reasonOf } from '#shared/errors'
import { writeStatus } from '../core/conditions.ts'
import type { Controller, Environment } from '../core/controller.ts'
import { EventRecorder } from '../core/events.ts'
import { isDeleting, keyOfController, listOf, ownKey, PODS, read, refTo, STATEFUL_SETS } from '../core/kinds.ts'
import type { Pod, StatefulSet } from '../core/shapes.ts'
import { REVISION_LABEL } from '../daemon/daemon-plan.ts'
import { templateHash } from '../deployment/template.ts'
import { claim } from '../workloads/claim-pods.ts'
import { inGrowingGroups, podOfTemplate } from '../workloads/pods-of-template.ts'
import { ordinalOf, planStateful, statefulStatus } from './stateful-plan.ts'

const MANAGER = 'statefulset-controller'

/** Keeps pods with names that stay, one for each number. */
export function statefulSets(environment: Environment): Controller {
  const { access, clock } = environment
  const events = new EventRecorder(environment, MANAGER)

  return {
    name: 'statefulset',
    watches: [
      { kind: STATEFUL_SETS, keysOf: ownKey },
      { kind: PODS, keysOf: keyOfController(STATEFUL_SETS) },
    ],
    async reconcile(key) {
      const set = read(access, STATEFUL_SETS, key)
      if (set === undefined || isDeleting(set)) return undefined
      const revision = templateHash(set.spec.template, 0)
      const claimed = await claim(access, STATEFUL_SETS, set, PODS)
      const pods = claimed.filter((pod) => ordinalOf(set, pod) !== undefined)
      const plan = planStateful(set, revision, pods, clock.nowMs())
      await inGrowingGroups(plan.remove, (pod) => remove(set, pod))
      await inGrowingGroups(plan.create, (ordinal) => create(set, revision, ordinal))
      const current = listOf(access, PODS, set.metadata.namespace ?? '').filter(({ metadata }) =>
        metadata.ownerReferences?.some(({ uid, controller }) => controller && uid === set.metadata.uid),
      )
      const { status, againMs } = statefulStatus(set, revision, current, clock.nowMs())
      await writeStatus(access, set, status, MANAGER)
      return againMs
    },
  }

  async function create(set: StatefulSet, revision: string, ordinal: number): Promise<void> {
    const name = `${set.metadata.name}-${ordinal}`
    const labels = {
      'statefulset.kubernetes.io/pod-name': name,
      'apps.kubernetes.io/pod-index': String(ordinal),
      [REVISION_LABEL]: revision,
    }
    const { metadata, spec, ...pod } = podOfTemplate(STATEFUL_SETS, set, set.spec.template, { labels })
    const { generateName: _, ...named } = { ...metadata, name }
    const { serviceName = '' } = set.spec
    const identity = { hostname: name, ...(serviceName === '' ? {} : { subdomain: serviceName }) }
    try {
      await access.create({ ...pod, metadata: named, spec: { ...spec, ...identity } }, { fieldManager: MANAGER })
    } catch (error) {
      const message = `create Pod ${name} in StatefulSet ${set.metadata.name} failed error: ${reasonOf(error)}`
      await events.record(set, { type: 'Warning', reason: 'FailedCreate', message })
      throw error
    }
    const message = `create Pod ${name} in StatefulSet ${set.metadata.name} successful`
    await events.record(set, { type: 'Normal', reason: 'SuccessfulCreate', message })
  }

  async function remove(set: StatefulSet, pod: Pod): Promise<void> {
    await access.delete(refTo(PODS, pod), { preconditions: { uid: pod.metadata.uid } })
    const message = `delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} successful`
    await events.record(set, { type: 'Normal', reason: 'SuccessfulDelete', message })
  }
}
