import { objectMetaSchema, type Schema } from '../../schema/index.ts'
import { container, ephemeralContainer, pullSecrets, resources, seccompProfile, seLinuxOptions } from './container.ts'
import {
  defaulting,
  described,
  flag,
  free,
  integer,
  kind,
  labelSelector,
  labels,
  list,
  listMap,
  long,
  map,
  object,
  oneOf,
  quantity,
  set,
  status,
  text,
} from './form.ts'
import { volumes } from './volume.ts'

const nodeSelectorTerm: Schema = object({
  matchExpressions: list(object({ key: text, operator: text, values: list(text) }, ['key', 'operator'])),
  matchFields: list(object({ key: text, operator: text, values: list(text) }, ['key', 'operator'])),
})

const podAffinityTerm: Schema = object(
  {
    labelSelector,
    namespaces: list(text),
    topologyKey: text,
    namespaceSelector: labelSelector,
    matchLabelKeys: list(text),
    mismatchLabelKeys: list(text),
  },
  ['topologyKey'],
)

const podAffinity: Schema = object({
  requiredDuringSchedulingIgnoredDuringExecution: list(podAffinityTerm),
  preferredDuringSchedulingIgnoredDuringExecution: list(
    object({ weight: integer, podAffinityTerm }, ['weight', 'podAffinityTerm']),
  ),
})

const affinity: Schema = object({
  nodeAffinity: object({
    requiredDuringSchedulingIgnoredDuringExecution: object({ nodeSelectorTerms: list(nodeSelectorTerm) }, [
      'nodeSelectorTerms',
    ]),
    preferredDuringSchedulingIgnoredDuringExecution: list(
      object({ weight: integer, preference: nodeSelectorTerm }, ['weight', 'preference']),
    ),
  }),
  podAffinity,
  podAntiAffinity: podAffinity,
})

const toleration: Schema = object({
  key: text,
  operator: text,
  value: text,
  effect: text,
  tolerationSeconds: long,
})

const topologySpread: Schema = listMap(
  ['topologyKey', 'whenUnsatisfiable'],
  object(
    {
      maxSkew: integer,
      topologyKey: text,
      whenUnsatisfiable: text,
      labelSelector,
      minDomains: integer,
      nodeAffinityPolicy: text,
      nodeTaintsPolicy: text,
      matchLabelKeys: list(text),
    },
    ['maxSkew', 'topologyKey', 'whenUnsatisfiable'],
  ),
)

const podSecurityContext: Schema = object({
  appArmorProfile: seccompProfile,
  fsGroup: long,
  fsGroupChangePolicy: text,
  runAsGroup: long,
  runAsNonRoot: flag,
  runAsUser: long,
  seLinuxChangePolicy: text,
  seLinuxOptions,
  seccompProfile,
  supplementalGroups: list(long),
  supplementalGroupsPolicy: text,
  sysctls: list(object({ name: text, value: text }, ['name', 'value'])),
  windowsOptions: free,
})

const scheduling: Readonly<Record<string, Schema>> = {
  nodeSelector: { ...labels, 'x-kubernetes-map-type': 'atomic' },
  nodeName: described('The node that the pod runs on; set by the scheduler.', text),
  affinity,
  schedulerName: defaulting('default-scheduler', text),
  schedulingGates: listMap(['name'], object({ name: text }, ['name'])),
  tolerations: list(toleration),
  topologySpreadConstraints: topologySpread,
  priorityClassName: text,
  priority: integer,
  preemptionPolicy: text,
  runtimeClassName: text,
}

const networking: Readonly<Record<string, Schema>> = {
  hostNetwork: flag,
  hostPID: flag,
  hostIPC: flag,
  hostUsers: flag,
  hostname: text,
  subdomain: text,
  setHostnameAsFQDN: flag,
  hostAliases: listMap(['ip'], object({ ip: text, hostnames: list(text) }, ['ip'])),
  dnsPolicy: defaulting('ClusterFirst', oneOf(['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'])),
  dnsConfig: object({
    nameservers: list(text),
    searches: list(text),
    options: list(object({ name: text, value: text })),
  }),
}

export const podSpec: Schema = object(
  {
    containers: described('The processes of the pod.', listMap(['name'], container)),
    initContainers: described('Run one after the other before the others.', listMap(['name'], container)),
    ephemeralContainers: listMap(['name'], ephemeralContainer),
    volumes,
    restartPolicy: defaulting('Always', oneOf(['Always', 'OnFailure', 'Never'])),
    terminationGracePeriodSeconds: defaulting(30, long),
    activeDeadlineSeconds: long,
    serviceAccountName: described('Whose identity the pod has.', text),
    serviceAccount: text,
    automountServiceAccountToken: flag,
    imagePullSecrets: pullSecrets,
    securityContext: defaulting({}, podSecurityContext),
    shareProcessNamespace: flag,
    enableServiceLinks: defaulting(true, flag),
    readinessGates: list(object({ conditionType: text }, ['conditionType'])),
    overhead: map(quantity),
    os: object({ name: text }, ['name']),
    resourceClaims: listMap(
      ['name'],
      object({ name: text, resourceClaimName: text, resourceClaimTemplateName: text }, ['name']),
    ),
    resources,
    ...scheduling,
    ...networking,
  },
  ['containers'],
)

export const podTemplate: Schema = object({ metadata: objectMetaSchema, spec: podSpec })

export const podSchema: Schema = kind('A Pod is a group of processes with one network and one identity.', {
  spec: podSpec,
  status: {
    ...status,
    properties: {
      ...status.properties,
      podIPs: listMap(['ip'], object({ ip: text }, ['ip'])),
      hostIPs: list(object({ ip: text }, ['ip'])),
    },
  },
})

/** `metadata.finalizers`-like list of a Namespace's spec, here because only it has one. */
export const namespaceSchema: Schema = kind('A Namespace is a space of names.', {
  spec: object({ finalizers: set(text) }),
  status,
})
