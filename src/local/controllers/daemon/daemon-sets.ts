import { writeStatus } from '../core/conditions.ts'
import type { Controller, Environment } from '../core/controller.ts'
import { EventRecorder } from '../core/events.ts'
import {
  DAEMON_SETS,
  isDeleting,
  keyOf,
  keyOfController,
  listOf,
  NODES,
  ownKey,
  PODS,
  read,
  refTo,
} from '../core/kinds.ts'
import type { DaemonSet, Pod } from '../core/shapes.ts'
import { templateHash } from '../deployment/template.ts'
import { claim } from '../workloads/claim-pods.ts'
import { inGrowingGroups, podOfTemplate } from '../workloads/pods-of-template.ts'
import { daemonPodSpec, daemonStatus, nodesFor, planDaemons, REVISION_LABEL } from './daemon-plan.ts'

const MANAGER = 'daemonset-controller'

/** Stands for programs that the mesh itself runs on each node: there is nothing to make of it. */
function isShown({ metadata }: DaemonSet): boolean {
  return metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined
}

/** Keeps one pod of a template on each node. */
export function daemonSets(environment: Environment): Controller {
  const { access, clock } = environment
  const events = new EventRecorder(environment, MANAGER)

  return {
    name: 'daemonset',
    watches: [
      { kind: DAEMON_SETS, keysOf: ownKey },
      { kind: PODS, keysOf: keyOfController(DAEMON_SETS) },
      { kind: NODES, keysOf: () => listOf(access, DAEMON_SETS, '').map(keyOf) },
    ],
    async reconcile(key) {
      const set = read(access, DAEMON_SETS, key)
      if (set === undefined || isDeleting(set) || isShown(set)) return undefined
      const revision = templateHash(set.spec.template, 0)
      const nodes = nodesFor(set, listOf(access, NODES, ''))
      const pods = await claim(access, DAEMON_SETS, set, PODS)
      const plan = planDaemons(set, revision, nodes, pods, clock.nowMs())
      await inGrowingGroups(plan.remove, (pod) => remove(set, pod))
      await inGrowingGroups(plan.create, (node) => create(set, revision, node))
      const current = listOf(access, PODS, set.metadata.namespace ?? '').filter(({ metadata }) =>
        metadata.ownerReferences?.some(({ uid, controller }) => controller && uid === set.metadata.uid),
      )
      const { status, againMs } = daemonStatus(set, revision, nodes, current, clock.nowMs())
      await writeStatus(access, set, status, MANAGER)
      return againMs
    },
  }

  async function create(set: DaemonSet, revision: string, node: string): Promise<void> {
    const pod = podOfTemplate(DAEMON_SETS, set, set.spec.template, { labels: { [REVISION_LABEL]: revision } })
    const made = await access.create({ ...pod, spec: daemonPodSpec(set, node) }, { fieldManager: MANAGER })
    const message = `Created pod: ${made.metadata.name}`
    await events.record(set, { type: 'Normal', reason: 'SuccessfulCreate', message })
  }

  async function remove(set: DaemonSet, pod: Pod): Promise<void> {
    await access.delete(refTo(PODS, pod), { preconditions: { uid: pod.metadata.uid } })
    const message = `Deleted pod: ${pod.metadata.name}`
    await events.record(set, { type: 'Normal', reason: 'SuccessfulDelete', message })
  }
}
