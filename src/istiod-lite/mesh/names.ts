import type { Pod, WorkloadEntry } from '#shared/k8s'

type Labels = Readonly<Record<string, string>>

const WORKLOAD_NAME = 'service.istio.io/workload-name'
const AUTO_REGISTRATION_GROUP = 'istio.io/autoRegistrationGroup'
const TEMPLATE_HASHES = ['pod-template-hash', 'rollouts-pod-template-hash'] as const
/** A CronJob names its Jobs after the minute (or second) for which they were made. */
const CRON_SUFFIX = /^(.+)-\d{8,10}$/

/** What a pod is called in telemetry and by services: the thing that made it, not the single pod. */
export interface WorkloadNames {
  readonly workloadName: string
  readonly canonicalName: string
  readonly canonicalRevision: string
}

/** @see istio-control-plane b.2 */
export function workloadNames(pod: Pod): WorkloadNames {
  const { labels } = pod.metadata
  return namesOf(labels, labels[WORKLOAD_NAME] ?? ownerName(pod) ?? pod.metadata.name)
}

/** What a WorkloadEntry is called: the group that it registered itself for comes first. */
export function entryNames(entry: WorkloadEntry, labels: Labels): WorkloadNames {
  const { annotations, name } = entry.metadata
  return namesOf(labels, annotations[AUTO_REGISTRATION_GROUP] ?? labels[WORKLOAD_NAME] ?? name)
}

export function namesOf(labels: Labels, workloadName: string): WorkloadNames {
  return {
    workloadName,
    canonicalName:
      labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? workloadName,
    canonicalRevision:
      labels['service.istio.io/canonical-revision'] ??
      labels['app.kubernetes.io/version'] ??
      labels.version ??
      'latest',
  }
}

/** Only pods that a controller made have a name that means nothing. */
function ownerName(pod: Pod): string | undefined {
  const { generateName, ownerReferences, labels } = pod.metadata
  const owner = ownerReferences.find((reference) => reference.controller)
  if (generateName === '' || owner === undefined) return undefined
  switch (owner.kind) {
    case 'ReplicaSet':
      return withoutHash(owner.name, labels)
    case 'ReplicationController':
      return labels.deploymentconfig ?? owner.name
    case 'Job':
      return CRON_SUFFIX.exec(owner.name)?.[1] ?? owner.name
    default:
      return owner.name
  }
}

function withoutHash(name: string, labels: Labels): string {
  for (const label of TEMPLATE_HASHES) {
    const suffix = `-${labels[label]}`
    if (labels[label] !== undefined && name.endsWith(suffix)) return name.slice(0, -suffix.length)
  }
  return name
}
