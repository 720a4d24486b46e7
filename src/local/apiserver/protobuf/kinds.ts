import { type MessageTable, readTables } from './message-table.ts'
import { accessTables } from './tables/access.ts'
import { coreTables } from './tables/core.ts'
import { metaTables } from './tables/meta.ts'
import { networkTables } from './tables/network.ts'
import { podTables } from './tables/pod.ts'
import { volumesTables } from './tables/volumes.ts'
import { workloadsTables } from './tables/workloads.ts'

/** The kinds of each API version that clients send as protobuf; the message is named like the kind unless after `=`. */
const KINDS: Readonly<Record<string, string>> = {
  v1:
    'Namespace ServiceAccount ConfigMap Secret Service Pod Endpoints Event LimitRange ResourceQuota ' +
    'PersistentVolumeClaim Binding',
  'apps/v1': 'Deployment ReplicaSet StatefulSet DaemonSet',
  'authentication.k8s.io/v1': 'TokenRequest TokenReview SelfSubjectReview',
  'authorization.k8s.io/v1':
    'SelfSubjectAccessReview SubjectAccessReview LocalSubjectAccessReview SelfSubjectRulesReview',
  'autoscaling/v1': 'Scale HorizontalPodAutoscaler=HorizontalPodAutoscalerV1',
  'autoscaling/v2': 'HorizontalPodAutoscaler',
  'batch/v1': 'Job CronJob',
  'coordination.k8s.io/v1': 'Lease',
  'discovery.k8s.io/v1': 'EndpointSlice',
  'events.k8s.io/v1': 'Event=EventsEvent',
  'networking.k8s.io/v1': 'Ingress IngressClass NetworkPolicy',
  'policy/v1': 'PodDisruptionBudget Eviction',
  'rbac.authorization.k8s.io/v1': 'Role RoleBinding ClusterRole ClusterRoleBinding',
  'scheduling.k8s.io/v1': 'PriorityClass',
}

/** Which message a kind's bytes are, and all messages. */
export interface KnownMessages {
  readonly table: MessageTable
  /** @returns undefined for a kind that is not decoded */
  messageOf(apiVersion: string, kind: string): string | undefined
}

let known: KnownMessages | undefined

/** Read at the first protobuf body; most programs never see one. */
export function knownMessages(): KnownMessages {
  known ??= readKnownMessages()
  return known
}

function readKnownMessages(): KnownMessages {
  const table = readTables([
    metaTables,
    coreTables,
    podTables,
    volumesTables,
    workloadsTables,
    networkTables,
    accessTables,
  ])
  const messages = new Map<string, string>()
  for (const [apiVersion, kinds] of Object.entries(KINDS)) {
    for (const entry of kinds.split(' ')) {
      const [kind = '', message = kind] = entry.split('=')
      messages.set(`${apiVersion} ${kind}`, message)
    }
  }
  return {
    table,
    // Clients give delete options the version of whatever is deleted.
    messageOf: (apiVersion, kind) =>
      kind === 'DeleteOptions' ? 'DeleteOptions' : messages.get(`${apiVersion} ${kind}`),
  }
}
