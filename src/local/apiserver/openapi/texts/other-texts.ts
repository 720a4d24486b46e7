import { prefixed, type Texts } from './texts.ts'

const wanted: Texts = { spec: 'What is wanted.' }
const common: Texts = { ...wanted, status: 'How it is.' }

export const serviceTexts: Texts = {
  ...common,
  ...prefixed('spec', {
    type: 'ClusterIP, NodePort, LoadBalancer or ExternalName.',
    clusterIP: 'Its address; None for a headless one, which has only names.',
    clusterIPs: 'Its addresses, one a family.',
    ipFamilies: 'IPv4, IPv6 or both.',
    ipFamilyPolicy: 'SingleStack, PreferDualStack or RequireDualStack.',
    ports: 'Its ports.',
    'ports.name': 'Name of the port; needed when there are several.',
    'ports.port': 'Number of the port.',
    'ports.nodePort': 'Port of the nodes that leads here.',
    'ports.protocol': 'TCP, UDP or SCTP.',
    'ports.appProtocol': 'What is spoken there: http, grpc, kubernetes.io/h2c…',
    externalName: 'Name that it is another name for, with type ExternalName.',
    externalIPs: 'Further addresses that lead here.',
    externalTrafficPolicy: "Whether traffic from outside goes only to the node's own pods: Cluster or Local.",
    internalTrafficPolicy: "Whether traffic from inside goes only to the node's own pods: Cluster or Local.",
    trafficDistribution: 'Which pods are preferred: PreferClose, PreferSameZone, PreferSameNode.',
    sessionAffinity: 'ClientIP sends a client to the same pod again.',
    publishNotReadyAddresses: 'Whether pods get names before they are ready.',
    healthCheckNodePort: 'Port of the nodes that says whether they have pods.',
    loadBalancerIP: 'Address that the load balancer shall have.',
    loadBalancerClass: 'Who makes the load balancer.',
    loadBalancerSourceRanges: 'Networks that may use the load balancer.',
    allocateLoadBalancerNodePorts: 'Whether a load balancer needs ports of nodes.',
  }),
  'status.loadBalancer': 'Addresses of the load balancer.',
}

export const namespaceTexts: Texts = {
  ...common,
  'spec.finalizers': 'Who must have cleaned up before the namespace goes.',
  'status.phase': 'Active or Terminating.',
  'status.conditions': 'Why it does not go yet.',
}

export const nodeTexts: Texts = {
  ...common,
  'spec.podCIDR': "Network of the node's pods.",
  'spec.podCIDRs': "Networks of the node's pods, one a family.",
  'spec.providerID': 'What the cloud calls it.',
  'spec.unschedulable': 'Whether no further pods come here.',
  'spec.taints': 'Reasons that keep pods away which do not tolerate them.',
  'status.addresses': 'Its addresses and names.',
  'status.capacity': 'What it has.',
  'status.allocatable': 'What pods may use of it.',
  'status.conditions': 'Facts: Ready, MemoryPressure…',
  'status.nodeInfo': 'Versions of its programs.',
  'status.images': 'Images that it has.',
}

export const configMapTexts: Texts = { immutable: 'Whether the data cannot be changed any more.' }

export const serviceAccountTexts: Texts = {
  secrets: 'Secrets that its pods may use.',
  imagePullSecrets: 'Secrets for registries, which its pods get.',
  automountServiceAccountToken: 'Whether its pods get its token.',
}

export const endpointSliceTexts: Texts = {
  addressType: 'IPv4, IPv6 or FQDN.',
  endpoints: 'The endpoints.',
  'endpoints.addresses': 'Addresses of one endpoint.',
  'endpoints.conditions': 'Whether it can be used.',
  'endpoints.conditions.ready': 'Whether it gets traffic.',
  'endpoints.conditions.serving': 'Whether it answers, also while it is going.',
  'endpoints.conditions.terminating': 'Whether it is going.',
  'endpoints.nodeName': 'Node that it is on.',
  'endpoints.zone': 'Zone that it is in.',
  'endpoints.hostname': 'Its name below that of the service.',
  'endpoints.targetRef': 'The pod.',
  'endpoints.hints': 'For whom it is meant.',
  ports: 'Ports of all endpoints.',
  'ports.name': 'Name of the port.',
  'ports.port': 'Number of the port.',
  'ports.protocol': 'TCP, UDP or SCTP.',
  'ports.appProtocol': 'What is spoken there.',
}

export const leaseTexts: Texts = {
  ...wanted,
  'spec.holderIdentity': 'Who leads.',
  'spec.leaseDurationSeconds': 'So long after renewTime others may take it.',
  'spec.acquireTime': 'When the holder got it.',
  'spec.renewTime': 'When the holder last renewed it.',
  'spec.leaseTransitions': 'How often it changed hands.',
}

export const roleTexts: Texts = {
  rules: 'The rights.',
  'rules.apiGroups': 'API groups; "" is the core group, * all.',
  'rules.resources': 'Resources, or resource/subresource; * means all.',
  'rules.verbs': 'What may be done: get, list, watch, create, update, patch, delete; * means all.',
  'rules.resourceNames': 'Names of single objects; all if not given.',
  'rules.nonResourceURLs': 'Paths outside of the API, in a ClusterRole.',
  aggregationRule: 'ClusterRoles whose rights are added.',
}

export const roleBindingTexts: Texts = {
  subjects: 'Who gets the rights.',
  'subjects.kind': 'User, Group or ServiceAccount.',
  'subjects.name': 'Name.',
  'subjects.namespace': 'Namespace of a ServiceAccount.',
  'subjects.apiGroup': 'API group of the kind.',
  roleRef: 'The role; cannot be changed.',
  'roleRef.kind': 'Role or ClusterRole.',
  'roleRef.name': 'Name of the role.',
  'roleRef.apiGroup': 'API group of the role.',
}

export const eventTexts: Texts = {
  involvedObject: 'The object.',
  reason: 'One word what happened.',
  message: 'A sentence what happened.',
  type: 'Normal or Warning.',
  count: 'How often it happened.',
  firstTimestamp: 'When it first happened.',
  lastTimestamp: 'When it last happened.',
  eventTime: 'When it happened.',
  source: 'Who says so.',
  reportingComponent: 'Who says so.',
  reportingInstance: 'Which instance of it.',
}

export const budgetTexts: Texts = {
  ...common,
  'spec.minAvailable': 'So many pods must stay: a number or a share.',
  'spec.maxUnavailable': 'So many pods may be missing: a number or a share.',
  'spec.selector': 'Labels of the pods.',
  'status.disruptionsAllowed': 'How many may be taken away now.',
}

export const autoscalerTexts: Texts = {
  ...common,
  'spec.scaleTargetRef': 'What is scaled.',
  'spec.minReplicas': 'Fewest pods.',
  'spec.maxReplicas': 'Most pods.',
  'spec.metrics': 'What the number of pods depends on.',
  'spec.behavior': 'How fast it grows and shrinks.',
}

export const networkPolicyTexts: Texts = {
  ...wanted,
  'spec.podSelector': 'Labels of the pods that it is for; {} means all of the namespace.',
  'spec.policyTypes': 'Ingress, Egress or both.',
  'spec.ingress': 'Who may talk to them.',
  'spec.ingress.from': 'Clients; all if not given.',
  'spec.ingress.ports': 'Ports; all if not given.',
  'spec.egress': 'Whom they may talk to.',
  'spec.egress.to': 'Servers; all if not given.',
  'spec.egress.ports': 'Ports; all if not given.',
}

export const ingressTexts: Texts = {
  ...common,
  'spec.ingressClassName': 'Who serves it.',
  'spec.defaultBackend': 'Where requests go that no rule fits.',
  'spec.rules': 'Which requests go where.',
  'spec.rules.host': 'Host that is asked.',
  'spec.rules.http': 'Paths and their backends.',
  'spec.tls': 'Certificates of hosts.',
  'status.loadBalancer': 'Addresses of the load balancer.',
}
