/** Programs of the mesh that have an account of their own. */
export type MeshAccount = 'istiod-lite' | 'node-agent' | 'ztunnel'

/** A rule of a Role or ClusterRole. */
export interface Rule {
  readonly apiGroups: readonly [string]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

export interface MeshRights {
  readonly everywhere: readonly Rule[]
  /** In the namespace of the mesh. */
  readonly atHome: readonly Rule[]
}

const FOLLOW = ['list', 'watch']
/** Before something is written to an object's status it is read anew. */
const READ = ['get', ...FOLLOW]
/** Of what is made for waypoints. */
const KEEP = [...READ, 'create', 'patch', 'delete']
const GATEWAY = 'gateway.networking.k8s.io'
const WEBHOOKS = 'admissionregistration.k8s.io'
const LEASES = 'coordination.k8s.io'

const controlPlane: readonly Rule[] = [
  { apiGroups: [''], resources: ['namespaces', 'nodes', 'pods'], verbs: FOLLOW },
  { apiGroups: [''], resources: ['serviceaccounts', 'services'], verbs: KEEP },
  { apiGroups: ['apps'], resources: ['deployments'], verbs: KEEP },
  { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'], verbs: KEEP },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets'], verbs: KEEP },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: FOLLOW },
  ...toldKinds('security.istio.io', ['authorizationpolicies', 'peerauthentications', 'requestauthentications']),
  ...toldKinds('networking.istio.io', ['destinationrules', 'serviceentries', 'virtualservices', 'workloadentries']),
  ...toldKinds('telemetry.istio.io', ['telemetries']),
  ...toldKinds(GATEWAY, ['gatewayclasses', 'gateways', 'grpcroutes', 'httproutes', 'tcproutes', 'tlsroutes']),
  ...toldKinds('ambit.dev', ['ratelimits']),
  { apiGroups: [''], resources: ['services/status'], verbs: ['patch'] },
  { apiGroups: [GATEWAY], resources: ['referencegrants'], verbs: FOLLOW },
  { apiGroups: [GATEWAY], resources: ['gateways'], verbs: ['patch'] },
  { apiGroups: [GATEWAY], resources: ['gatewayclasses'], verbs: ['create'] },
  { apiGroups: [''], resources: ['events'], verbs: ['get', 'create', 'patch'] },
  // What is made cannot be limited to a name: it has none yet when its maker is asked for their rights.
  { apiGroups: [''], resources: ['configmaps'], verbs: [...FOLLOW, 'create'] },
  {
    apiGroups: [''],
    resources: ['configmaps'],
    resourceNames: ['istio-ca-root-cert', 'istio-ca-crl'],
    verbs: ['patch'],
  },
  { apiGroups: [''], resources: ['configmaps'], resourceNames: ['istio-ca-crl'], verbs: ['delete'] },
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: [WEBHOOKS], resources: ['validatingwebhookconfigurations'], verbs: ['create'] },
  {
    apiGroups: [WEBHOOKS],
    resources: ['validatingwebhookconfigurations'],
    resourceNames: ['ambit-validator'],
    verbs: ['patch', 'delete'],
  },
]

/** The CA's own Secret, the one that a user plugs in, and the lease of the replica that writes. */
const controlPlaneAtHome: readonly Rule[] = [
  { apiGroups: [''], resources: ['secrets'], resourceNames: ['istio-ca-secret'], verbs: ['get', 'patch'] },
  { apiGroups: [''], resources: ['secrets'], resourceNames: ['cacerts'], verbs: ['get'] },
  { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
  { apiGroups: [LEASES], resources: ['leases'], verbs: ['create'] },
  { apiGroups: [LEASES], resources: ['leases'], resourceNames: ['ambit-istiod-leader'], verbs: ['get', 'patch'] },
]

/** As few as the programs can do with: exactly those that `daemonset/` gives them on a cluster. */
export const meshRights: Readonly<Record<MeshAccount, MeshRights>> = {
  'istiod-lite': { everywhere: controlPlane, atHome: controlPlaneAtHome },
  'node-agent': {
    everywhere: [
      { apiGroups: [''], resources: ['namespaces', 'pods'], verbs: FOLLOW },
      { apiGroups: [''], resources: ['pods/status'], verbs: ['patch'] },
    ],
    atHome: [],
  },
  ztunnel: { everywhere: [], atHome: [] },
}

/** Objects that are followed, and are told in their status what became of them. */
function toldKinds(group: string, resources: readonly string[]): readonly Rule[] {
  return [
    { apiGroups: [group], resources, verbs: READ },
    { apiGroups: [group], resources: resources.map((resource) => `${resource}/status`), verbs: ['patch'] },
  ]
}
