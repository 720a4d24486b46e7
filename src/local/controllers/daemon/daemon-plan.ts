import { isActive, isFinished, isReady, missingReadyMs } from '../core/pods.ts'
import type { DaemonSet, NodeObject, Pod, PodSpec, Toleration } from '../core/shapes.ts'
import { refusalOf } from '../scheduling/choose-node.ts'

/** On each pod of a DaemonSet or StatefulSet: which template made it. */
export const REVISION_LABEL = 'controller-revision-hash'

export interface DaemonPlan {
  /** Nodes that get a pod. */
  readonly create: readonly string[]
  readonly remove: readonly Pod[]
}

/** Pods of a node stay there whatever becomes of it. */
const OF_THE_NODE: readonly Toleration[] = [
  ...['not-ready', 'unreachable'].map(
    (key): Toleration => ({
      key: `node.kubernetes.io/${key}`,
      operator: 'Exists',
      effect: 'NoExecute',
    }),
  ),
  ...['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable'].map(
    (key): Toleration => ({
      key: `node.kubernetes.io/${key}`,
      operator: 'Exists',
      effect: 'NoSchedule',
    }),
  ),
]

/** A pod of the set for one node; nobody has to look for a place for it. */
export function daemonPodSpec({ spec }: DaemonSet, node: string): PodSpec {
  const { tolerations = [] } = spec.template.spec
  return { ...spec.template.spec, tolerations: [...tolerations, ...OF_THE_NODE], nodeName: node }
}

export function nodesFor(set: DaemonSet, nodes: readonly NodeObject[]): readonly string[] {
  return nodes
    .filter((node) => refusalOf(node, { spec: daemonPodSpec(set, node.metadata.name) }) === undefined)
    .map(({ metadata }) => metadata.name)
}

/**
 * One pod on each node that may have one; a node waits for an old one to go. Pods of an older template go as fast as the
 * strategy allows, those that serve nobody first.
 */
export function planDaemons(
  set: DaemonSet,
  revision: string,
  nodes: readonly string[],
  pods: readonly Pod[],
  nowMs: number,
): DaemonPlan {
  const isWanted = (pod: Pod): boolean => nodes.includes(pod.spec.nodeName ?? '')
  const kept = new Map<string, Pod>()
  const remove: Pod[] = []
  for (const pod of [...pods].sort(byAge)) {
    if (pod.metadata.deletionTimestamp !== undefined) continue
    const node = pod.spec.nodeName ?? ''
    if (isFinished(pod) || !isWanted(pod) || kept.has(node)) remove.push(pod)
    else kept.set(node, pod)
  }
  const occupied = new Set(pods.map(({ spec }) => spec.nodeName))
  return {
    create: nodes.filter((node) => !occupied.has(node)),
    remove: [...remove, ...outdated(set, revision, nodes, [...kept.values()], nowMs)],
  }
}

export function daemonStatus(
  set: DaemonSet,
  revision: string,
  nodes: readonly string[],
  pods: readonly Pod[],
  nowMs: number,
): { readonly status: Readonly<Record<string, number>>; readonly againMs: number | undefined } {
  const active = pods.filter(isActive)
  const placed = active.filter(({ spec }) => nodes.includes(spec.nodeName ?? ''))
  const missing = placed.map((pod) => missingReadyMs(pod, set.spec.minReadySeconds ?? 0, nowMs))
  const soon = missing.filter((ms) => ms !== undefined && ms > 0) as readonly number[]
  const available = missing.filter((ms) => ms === 0).length
  return {
    status: {
      desiredNumberScheduled: nodes.length,
      currentNumberScheduled: placed.length,
      numberMisscheduled: active.length - placed.length,
      numberReady: placed.filter(isReady).length,
      numberAvailable: available,
      numberUnavailable: nodes.length - available,
      updatedNumberScheduled: placed.filter((pod) => isOf(pod, revision)).length,
      observedGeneration: set.metadata.generation ?? 0,
    },
    againMs: soon.length === 0 ? undefined : Math.min(...soon),
  }
}

export function isOf({ metadata }: Pod, revision: string): boolean {
  return metadata.labels?.[REVISION_LABEL] === revision
}

function outdated(
  set: DaemonSet,
  revision: string,
  nodes: readonly string[],
  kept: readonly Pod[],
  nowMs: number,
): readonly Pod[] {
  const { type = 'RollingUpdate', rollingUpdate = {} } = set.spec.updateStrategy ?? {}
  if (type === 'OnDelete') return []
  const isAvailable = (pod: Pod): boolean => missingReadyMs(pod, set.spec.minReadySeconds ?? 0, nowMs) === 0
  const old = kept.filter((pod) => !isOf(pod, revision))
  const useless = old.filter((pod) => !isAvailable(pod))
  const unavailable = nodes.length - kept.filter(isAvailable).length
  const budget = Math.max(0, countOf(rollingUpdate.maxUnavailable ?? 1, nodes.length) - unavailable)
  return [...useless, ...old.filter(isAvailable).slice(0, budget)]
}

/** A number, or a part of all, rounded up; at least one, or nothing would ever change. */
function countOf(value: number | string, all: number): number {
  const count = typeof value === 'number' ? value : Math.ceil((Number.parseInt(value, 10) * all) / 100)
  return Math.max(1, count)
}

function byAge(a: Pod, b: Pod): number {
  const [aTime, bTime] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '']
  return aTime === bTime ? (a.metadata.name < b.metadata.name ? -1 : 1) : aTime < bTime ? -1 : 1
}
