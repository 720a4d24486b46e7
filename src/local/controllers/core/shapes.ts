import type { ApiObject } from '../../apiserver/index.ts'

export type Labels = Readonly<Record<string, string>>

export interface LabelSelector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly SelectorRequirement[]
}

export interface SelectorRequirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
  readonly values?: readonly string[]
}

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
  readonly lastUpdateTime?: string
  readonly lastProbeTime?: string
}

export interface PodTemplate {
  readonly metadata?: { readonly labels?: Labels; readonly annotations?: Labels; readonly [field: string]: unknown }
  readonly spec: PodSpec
}

export interface PodSpec {
  readonly nodeName?: string
  readonly nodeSelector?: Labels
  readonly affinity?: { readonly nodeAffinity?: NodeAffinity; readonly [field: string]: unknown }
  readonly tolerations?: readonly Toleration[]
  readonly schedulerName?: string
  readonly schedulingGates?: readonly unknown[]
  readonly hostname?: string
  readonly subdomain?: string
  readonly hostNetwork?: boolean
  readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never'
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly [field: string]: unknown
}

export interface Container {
  readonly name: string
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[]
  readonly env?: readonly unknown[]
  readonly restartPolicy?: string
  readonly [field: string]: unknown
}

export interface NodeAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: {
    readonly nodeSelectorTerms?: readonly {
      readonly matchExpressions?: readonly SelectorRequirement[]
      readonly matchFields?: readonly SelectorRequirement[]
    }[]
  }
}

export interface Toleration {
  readonly key?: string
  readonly operator?: 'Equal' | 'Exists'
  readonly value?: string
  readonly effect?: string
}

export interface Pod extends ApiObject {
  readonly spec: PodSpec
  readonly status?: {
    readonly phase?: string
    readonly conditions?: readonly Condition[]
    readonly podIP?: string
    readonly podIPs?: readonly { readonly ip: string }[]
    readonly initContainerStatuses?: readonly { readonly restartCount?: number }[]
    readonly containerStatuses?: readonly { readonly restartCount?: number }[]
    readonly [field: string]: unknown
  }
}

export interface ReplicaSet extends ApiObject {
  readonly spec: {
    readonly replicas?: number
    readonly minReadySeconds?: number
    readonly selector: LabelSelector
    readonly template: PodTemplate
  }
  readonly status?: {
    readonly replicas?: number
    readonly fullyLabeledReplicas?: number
    readonly readyReplicas?: number
    readonly availableReplicas?: number
    readonly observedGeneration?: number
    readonly conditions?: readonly Condition[]
  }
}

export interface Deployment extends ApiObject {
  readonly spec: {
    readonly replicas?: number
    readonly minReadySeconds?: number
    readonly selector: LabelSelector
    readonly template: PodTemplate
    readonly strategy?: {
      readonly type?: 'RollingUpdate' | 'Recreate'
      readonly rollingUpdate?: { readonly maxSurge?: number | string; readonly maxUnavailable?: number | string }
    }
    readonly revisionHistoryLimit?: number
    readonly progressDeadlineSeconds?: number
    readonly paused?: boolean
  }
  readonly status?: {
    readonly observedGeneration?: number
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly readyReplicas?: number
    readonly availableReplicas?: number
    readonly unavailableReplicas?: number
    readonly collisionCount?: number
    readonly conditions?: readonly Condition[]
  }
}

/** What rolls pods over one by one. */
interface PodSetSpec {
  readonly minReadySeconds?: number
  readonly selector: LabelSelector
  readonly template: PodTemplate
}

export interface StatefulSet extends ApiObject {
  readonly spec: PodSetSpec & {
    readonly replicas?: number
    readonly serviceName?: string
    readonly podManagementPolicy?: 'OrderedReady' | 'Parallel'
    readonly updateStrategy?: { readonly type?: string }
    readonly ordinals?: { readonly start?: number }
  }
  readonly status?: StatefulSetStatus
}

export interface StatefulSetStatus {
  readonly replicas?: number
  readonly readyReplicas?: number
  readonly availableReplicas?: number
  readonly currentReplicas?: number
  readonly updatedReplicas?: number
  readonly currentRevision?: string
  readonly updateRevision?: string
  readonly observedGeneration?: number
}

export interface DaemonSet extends ApiObject {
  readonly spec: PodSetSpec & {
    readonly updateStrategy?: {
      readonly type?: string
      readonly rollingUpdate?: { readonly maxUnavailable?: number | string }
    }
  }
  readonly status?: Readonly<Record<string, number>>
}

export interface DisruptionBudget extends ApiObject {
  readonly spec: {
    readonly minAvailable?: number | string
    readonly maxUnavailable?: number | string
    readonly selector?: LabelSelector
  }
  readonly status?: {
    readonly conditions?: readonly Condition[]
    readonly observedGeneration?: number
    readonly expectedPods?: number
    readonly currentHealthy?: number
    readonly desiredHealthy?: number
    readonly disruptionsAllowed?: number
  }
}

export interface Job extends ApiObject {
  readonly spec: {
    readonly parallelism?: number
    readonly completions?: number
    readonly completionMode?: 'NonIndexed' | 'Indexed'
    readonly backoffLimit?: number
    readonly activeDeadlineSeconds?: number
    readonly ttlSecondsAfterFinished?: number
    readonly suspend?: boolean
    readonly selector?: LabelSelector
    readonly template: PodTemplate
  }
  readonly status?: JobStatus
}

export interface JobStatus {
  readonly active?: number
  readonly ready?: number
  readonly succeeded?: number
  readonly failed?: number
  readonly terminating?: number
  readonly completedIndexes?: string
  readonly uncountedTerminatedPods?: { readonly succeeded?: readonly string[]; readonly failed?: readonly string[] }
  readonly startTime?: string
  readonly completionTime?: string
  readonly conditions?: readonly Condition[]
}

export interface ServicePort {
  readonly name?: string
  readonly port: number
  readonly protocol?: string
  readonly targetPort?: number | string
  readonly nodePort?: number
  readonly appProtocol?: string
}

export interface Service extends ApiObject {
  readonly spec: {
    readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
    readonly selector?: Labels
    readonly ports?: readonly ServicePort[]
    readonly clusterIP?: string
    readonly clusterIPs?: readonly string[]
    readonly ipFamilies?: readonly ('IPv4' | 'IPv6')[]
    readonly ipFamilyPolicy?: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack'
    readonly allocateLoadBalancerNodePorts?: boolean
    readonly externalTrafficPolicy?: string
    readonly healthCheckNodePort?: number
    readonly publishNotReadyAddresses?: boolean
    readonly [field: string]: unknown
  }
}

export interface TargetRef {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface Endpoint {
  readonly addresses: readonly string[]
  readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean }
  readonly hostname?: string
  readonly nodeName?: string
  readonly targetRef?: TargetRef
}

export interface EndpointPort {
  readonly name: string
  readonly port: number
  readonly protocol: string
  readonly appProtocol?: string
}

export interface EndpointSlice extends ApiObject {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly endpoints: readonly Endpoint[]
  readonly ports: readonly EndpointPort[]
}

export interface EndpointAddress {
  readonly ip: string
  readonly hostname?: string
  readonly nodeName?: string
  readonly targetRef?: TargetRef
}

export interface EndpointSubset {
  readonly addresses?: readonly EndpointAddress[]
  readonly notReadyAddresses?: readonly EndpointAddress[]
  readonly ports?: readonly Partial<EndpointPort>[]
}

export interface Endpoints extends ApiObject {
  readonly subsets?: readonly EndpointSubset[]
}

export interface NodeObject extends ApiObject {
  readonly spec?: {
    readonly unschedulable?: boolean
    readonly podCIDR?: string
    readonly podCIDRs?: readonly string[]
    readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[]
    readonly [field: string]: unknown
  }
  readonly status?: { readonly conditions?: readonly Condition[]; readonly [field: string]: unknown }
}

export interface Namespace extends ApiObject {
  readonly spec?: { readonly finalizers?: readonly string[] }
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] }
}

export interface ServiceAccount extends ApiObject {
  readonly secrets?: readonly unknown[]
}

export interface Secret extends ApiObject {
  readonly type?: string
  readonly data?: Readonly<Record<string, string>>
}

export interface ConfigMap extends ApiObject {
  readonly data?: Readonly<Record<string, string>>
}
