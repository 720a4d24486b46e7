import { configMapBody, endpointSliceBody, type KindBody, podBody, serviceBody } from './core-kinds.ts'
import { serviceEntryBody, workloadEntryBody } from './entry-kinds.ts'
import { gatewayBody, gatewayClassBody, referenceGrantBody } from './gateway-kinds.ts'
import { meshConfigBody } from './mesh-config.ts'
import { authorizationPolicyBody, peerAuthenticationBody } from './policy-kinds.ts'
import type { KubeObject } from './types.ts'

/** How a kind is read: every document of one of `apiVersions` and `kind`. */
export interface KindReader {
  readonly kind: string
  /** What documents call it, where that is another word. */
  readonly documentKind?: string
  /** All spellings that mean the same fields; objects carry the first. */
  readonly apiVersions: readonly [string, ...string[]]
  readonly namespaced: boolean
  /** Its name in paths of the API: lower case, plural. */
  readonly resource: string
  /** What the object has besides `apiVersion`, `kind` and `metadata`. */
  readonly body: KindBody<Omit<KubeObject, keyof KubeObject>>
}

const nothingMore = (): object => ({})
const ISTIO_SECURITY = ['security.istio.io/v1', 'security.istio.io/v1beta1'] as const
const ISTIO_NETWORKING = [
  'networking.istio.io/v1',
  'networking.istio.io/v1beta1',
  'networking.istio.io/v1alpha3',
] as const
const GATEWAY_API = ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'] as const

/** The kinds that the mesh derives its state from. */
export const meshKinds: readonly KindReader[] = [
  { kind: 'Namespace', apiVersions: ['v1'], namespaced: false, resource: 'namespaces', body: nothingMore },
  { kind: 'Node', apiVersions: ['v1'], namespaced: false, resource: 'nodes', body: nothingMore },
  { kind: 'ServiceAccount', apiVersions: ['v1'], namespaced: true, resource: 'serviceaccounts', body: nothingMore },
  { kind: 'Pod', apiVersions: ['v1'], namespaced: true, resource: 'pods', body: podBody },
  { kind: 'Service', apiVersions: ['v1'], namespaced: true, resource: 'services', body: serviceBody },
  {
    kind: 'EndpointSlice',
    apiVersions: ['discovery.k8s.io/v1'],
    namespaced: true,
    resource: 'endpointslices',
    body: endpointSliceBody,
  },
  {
    kind: 'PeerAuthentication',
    apiVersions: ISTIO_SECURITY,
    namespaced: true,
    resource: 'peerauthentications',
    body: peerAuthenticationBody,
  },
  {
    kind: 'AuthorizationPolicy',
    apiVersions: ISTIO_SECURITY,
    namespaced: true,
    resource: 'authorizationpolicies',
    body: authorizationPolicyBody,
  },
  {
    kind: 'ServiceEntry',
    apiVersions: ISTIO_NETWORKING,
    namespaced: true,
    resource: 'serviceentries',
    body: serviceEntryBody,
  },
  {
    kind: 'WorkloadEntry',
    apiVersions: ISTIO_NETWORKING,
    namespaced: true,
    resource: 'workloadentries',
    body: workloadEntryBody,
  },
  {
    kind: 'GatewayClass',
    apiVersions: GATEWAY_API,
    namespaced: false,
    resource: 'gatewayclasses',
    body: gatewayClassBody,
  },
  { kind: 'Gateway', apiVersions: GATEWAY_API, namespaced: true, resource: 'gateways', body: gatewayBody },
  {
    kind: 'ReferenceGrant',
    apiVersions: ['gateway.networking.k8s.io/v1beta1', 'gateway.networking.k8s.io/v1'],
    namespaced: true,
    resource: 'referencegrants',
    body: referenceGrantBody,
  },
]

/** Not of the mesh: followed by who keeps some of them. */
export const configMapKind: KindReader = {
  kind: 'ConfigMap',
  apiVersions: ['v1'],
  namespaced: true,
  resource: 'configmaps',
  body: configMapBody,
}

/** ConfigMaps once more, as the mesh's settings; `istio` of the root namespace is the one that counts. */
export const meshConfigKind: KindReader = {
  kind: 'MeshConfig',
  documentKind: 'ConfigMap',
  apiVersions: ['v1'],
  namespaced: true,
  resource: 'configmaps',
  body: meshConfigBody,
}
