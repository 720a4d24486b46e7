import { isDeepStrictEqual } from 'node:util'
import { ApiError } from '../../apiserver/index.ts'
import { writeStatus } from '../core/conditions.ts'
import type { Controller, Environment } from '../core/controller.ts'
import { EventRecorder } from '../core/events.ts'
import {
  controllerOf,
  DEPLOYMENTS,
  isDeleting,
  keyOfController,
  listOf,
  ownerReference,
  ownKey,
  PODS,
  REPLICA_SETS,
  read,
  refTo,
  typeOf,
} from '../core/kinds.ts'
import { isFinished } from '../core/pods.ts'
import type { Deployment, ReplicaSet } from '../core/shapes.ts'
import { claim } from '../workloads/claim-pods.ts'
import {
  DESIRED_REPLICAS,
  expendableSets,
  MAX_REPLICAS,
  nextRevision,
  REVISION,
  revisionOf,
  setAnnotations,
} from './revisions.ts'
import {
  isScalingEvent,
  limitsOf,
  type Scaling,
  shareOut,
  shrinkOldSets,
  sizeOf,
  sizeOfNewSet,
} from './rollout-plan.ts'
import { deploymentStatus, isComplete, type NewSetNews } from './status.ts'
import { setOfTemplate, templateHash, withHashLabel } from './template.ts'

const MANAGER = 'deployment-controller'

interface NewSet {
  readonly set: ReplicaSet
  readonly news: NewSetNews
}

/** Rolls templates out through one ReplicaSet a revision. */
export function deployments(environment: Environment): Controller {
  const { access, clock } = environment
  const events = new EventRecorder(environment, MANAGER)
  const deploymentKey = keyOfController(DEPLOYMENTS)

  return {
    name: 'deployment',
    watches: [
      { kind: DEPLOYMENTS, keysOf: ownKey },
      { kind: REPLICA_SETS, keysOf: deploymentKey },
      {
        // Recreate waits until the last old pod is gone, which no set's status tells.
        kind: PODS,
        keysOf({ type, object }) {
          const owner = type === 'DELETED' ? controllerOf(object) : undefined
          const set = owner && read(access, REPLICA_SETS, `${object.metadata.namespace}/${owner.name}`)
          return set === undefined ? [] : deploymentKey({ object: set })
        },
      },
    ],
    async reconcile(key) {
      const deployment = read(access, DEPLOYMENTS, key)
      if (deployment === undefined) return undefined
      const sets = await claim(access, DEPLOYMENTS, deployment, REPLICA_SETS)
      const existing = setOfTemplate(sets, deployment.spec.template)
      const oldSets = sets.filter((set) => set !== existing)
      if (isDeleting(deployment)) return report(deployment, existing, oldSets, undefined)
      if (deployment.spec.paused === true || isScalingEvent(deployment, sets)) {
        await scaleAll(deployment, shareOut(deployment, existing, oldSets))
        return report(deployment, existing, oldSets, undefined)
      }
      return deployment.spec.strategy?.type === 'Recreate'
        ? recreate(deployment, existing, oldSets)
        : rollOver(deployment, existing, oldSets)
    },
  }

  async function rollOver(
    deployment: Deployment,
    existing: ReplicaSet | undefined,
    oldSets: readonly ReplicaSet[],
  ): Promise<number | undefined> {
    const { set, news } = await ensureNewSet(deployment, existing, oldSets)
    const size = sizeOfNewSet(deployment, sizeOf(set), [set, ...oldSets])
    const shrunk = size === sizeOf(set) ? shrinkOldSets(deployment, set, oldSets) : []
    await scaleAll(deployment, size === sizeOf(set) ? shrunk : [{ set, replicas: size }])
    return report(deployment, set, oldSets, news)
  }

  async function recreate(
    deployment: Deployment,
    existing: ReplicaSet | undefined,
    oldSets: readonly ReplicaSet[],
  ): Promise<number | undefined> {
    const running = oldSets.filter((set) => sizeOf(set) > 0)
    await scaleAll(
      deployment,
      running.map((set) => ({ set, replicas: 0 })),
    )
    const oldUids = new Set(oldSets.map(({ metadata }) => metadata.uid))
    const hasOldPods = listOf(access, PODS, deployment.metadata.namespace ?? '').some(
      (pod) => !isFinished(pod) && oldUids.has(controllerOf(pod)?.uid),
    )
    if (running.length > 0 || hasOldPods) return report(deployment, existing, oldSets, undefined)
    const { set, news } = await ensureNewSet(deployment, existing, oldSets)
    if (sizeOf(set) !== sizeOf(deployment)) await scaleAll(deployment, [{ set, replicas: sizeOf(deployment) }])
    return report(deployment, set, oldSets, news)
  }

  async function ensureNewSet(
    deployment: Deployment,
    existing: ReplicaSet | undefined,
    oldSets: readonly ReplicaSet[],
  ): Promise<NewSet> {
    const revision = nextRevision(oldSets)
    const annotations = setAnnotations(deployment, revision, existing)
    const { set, news } =
      existing === undefined
        ? await createSet(deployment, annotations, oldSets)
        : await refreshSet(deployment, annotations, existing)
    await markRevision(deployment, revisionOf(set))
    return { set, news }
  }

  async function refreshSet(
    deployment: Deployment,
    annotations: ReturnType<typeof setAnnotations>,
    existing: ReplicaSet,
  ): Promise<NewSet> {
    const minReadySeconds = deployment.spec.minReadySeconds ?? 0
    const isSame =
      isDeepStrictEqual(annotations, existing.metadata.annotations ?? {}) &&
      minReadySeconds === (existing.spec.minReadySeconds ?? 0)
    const isBack = revisionOf(existing) !== Number(annotations[REVISION])
    const hasCondition = deployment.status?.conditions?.some(({ type }) => type === 'Progressing') === true
    const news = isBack || !hasCondition ? 'found' : undefined
    if (isSame) return { set: existing, news }
    const change = { metadata: { annotations }, spec: { minReadySeconds } }
    return { set: (await access.patch(refTo(REPLICA_SETS, existing), 'merge', change)) as ReplicaSet, news }
  }

  async function createSet(
    deployment: Deployment,
    annotations: ReturnType<typeof setAnnotations>,
    oldSets: readonly ReplicaSet[],
  ): Promise<NewSet> {
    const { template, selector, minReadySeconds } = deployment.spec
    const { namespace } = deployment.metadata
    const hash = templateHash(template, deployment.status?.collisionCount ?? 0)
    const labels = withHashLabel(template.metadata?.labels, hash)
    const replicas = sizeOfNewSet(deployment, 0, oldSets)
    const wanted: ReplicaSet = {
      ...typeOf(REPLICA_SETS),
      metadata: {
        name: `${deployment.metadata.name}-${hash}`,
        ...(namespace === undefined ? {} : { namespace }),
        labels,
        annotations: { ...annotations, ...sizeAnnotations(deployment) },
        ownerReferences: [ownerReference(DEPLOYMENTS, deployment)],
      },
      spec: {
        replicas,
        ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
        selector: { ...selector, matchLabels: withHashLabel(selector.matchLabels, hash) },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    }
    try {
      const set = (await access.create(wanted, { fieldManager: MANAGER })) as ReplicaSet
      await note(deployment, `Scaled up replica set ${set.metadata.name} from 0 to ${replicas}`)
      return { set, news: 'created' }
    } catch (error) {
      if (!(error instanceof ApiError && error.status.reason === 'AlreadyExists')) throw error
      // The name is another template's: the next run hashes differently.
      const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 }
      await writeStatus(access, deployment, status, MANAGER)
      throw error
    }
  }

  async function markRevision(deployment: Deployment, revision: number): Promise<void> {
    if (revisionOf(deployment) === revision) return
    const change = { metadata: { annotations: { [REVISION]: `${revision}` } } }
    await access.patch(refTo(DEPLOYMENTS, deployment), 'merge', change)
  }

  async function scaleAll(deployment: Deployment, scalings: readonly Scaling[]): Promise<void> {
    for (const { set, replicas } of scalings) {
      const { uid, resourceVersion } = set.metadata
      await access.patch(refTo(REPLICA_SETS, set), 'merge', {
        metadata: { uid, resourceVersion, annotations: sizeAnnotations(deployment) },
        spec: { replicas },
      })
      const way = replicas > sizeOf(set) ? 'up' : 'down'
      if (replicas !== sizeOf(set)) {
        await note(deployment, `Scaled ${way} replica set ${set.metadata.name} from ${sizeOf(set)} to ${replicas}`)
      }
    }
  }

  async function report(
    deployment: Deployment,
    newSet: ReplicaSet | undefined,
    oldSets: readonly ReplicaSet[],
    news: NewSetNews,
  ): Promise<number | undefined> {
    // Sets may have been written in this run: their status is what it was, their sizes are new.
    const fresh = (set: ReplicaSet): ReplicaSet =>
      (access.get(refTo(REPLICA_SETS, set)) as ReplicaSet | undefined) ?? set
    const current = access.get(refTo(DEPLOYMENTS, deployment)) as Deployment | undefined
    if (current === undefined || current.metadata.uid !== deployment.metadata.uid) return undefined
    const { status, againMs } = deploymentStatus(
      { ...current, spec: deployment.spec, metadata: { ...current.metadata, ...generationOf(deployment) } },
      newSet && fresh(newSet),
      oldSets.map(fresh),
      news,
      clock.nowMs(),
    )
    await writeStatus(access, current, status, MANAGER)
    if (isComplete(deployment, status)) await forget(deployment, oldSets.map(fresh))
    return againMs
  }

  async function forget(deployment: Deployment, oldSets: readonly ReplicaSet[]): Promise<void> {
    for (const set of expendableSets(deployment, oldSets)) {
      await access.delete(refTo(REPLICA_SETS, set), { preconditions: { uid: set.metadata.uid } })
    }
  }

  function note(deployment: Deployment, message: string): Promise<void> {
    return events.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message })
  }
}

/** The status tells what this run has seen, not what came meanwhile. */
function generationOf({ metadata }: Deployment): { readonly generation?: number } {
  return metadata.generation === undefined ? {} : { generation: metadata.generation }
}

function sizeAnnotations(deployment: Deployment): Readonly<Record<string, string>> {
  const replicas = sizeOf(deployment)
  return {
    [DESIRED_REPLICAS]: `${replicas}`,
    [MAX_REPLICAS]: `${replicas === 0 ? 0 : replicas + limitsOf(deployment).surge}`,
  }
}
