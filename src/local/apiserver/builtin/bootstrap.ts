import type { PolicyRule } from '../auth/index.ts'
import type { ApiObject, ObjectAccess } from '../types.ts'

const RBAC = 'rbac.authorization.k8s.io'
const RBAC_VERSION = `${RBAC}/v1`
const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease']
const READ = ['get', 'list', 'watch']
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update']
const WORKLOAD_GROUPS = ['', 'apps', 'batch', 'autoscaling', 'networking.k8s.io', 'policy', 'discovery.k8s.io']

const viewable = {
  apiGroups: WORKLOAD_GROUPS,
  resources: [
    'configmaps',
    'endpoints',
    'events',
    'namespaces',
    'persistentvolumeclaims',
    'pods',
    'pods/log',
    'pods/status',
    'serviceaccounts',
    'services',
    'services/status',
    'controllerrevisions',
    'daemonsets',
    'daemonsets/status',
    'deployments',
    'deployments/scale',
    'deployments/status',
    'replicasets',
    'replicasets/scale',
    'replicasets/status',
    'statefulsets',
    'statefulsets/scale',
    'statefulsets/status',
    'cronjobs',
    'cronjobs/status',
    'jobs',
    'jobs/status',
    'horizontalpodautoscalers',
    'ingresses',
    'ingresses/status',
    'networkpolicies',
    'poddisruptionbudgets',
    'endpointslices',
  ],
} as const
const editable = {
  apiGroups: WORKLOAD_GROUPS,
  resources: [
    ...viewable.resources.filter((name) => name !== 'namespaces' && !name.endsWith('/status')),
    'pods/attach',
    'pods/eviction',
    'pods/exec',
    'pods/portforward',
    'pods/proxy',
    'secrets',
    'serviceaccounts/token',
  ],
}
const viewRules: readonly PolicyRule[] = [{ ...viewable, verbs: READ }]
const editRules: readonly PolicyRule[] = [
  ...viewRules,
  { ...editable, verbs: [...READ, ...WRITE] },
  { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['impersonate'] },
]

/** ClusterRoles that users know from every cluster, and whom they belong to. */
const roles: Readonly<Record<string, { readonly rules: readonly PolicyRule[]; readonly groups: readonly string[] }>> = {
  'cluster-admin': {
    rules: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { nonResourceURLs: ['*'], verbs: ['*'] },
    ],
    groups: ['system:masters'],
  },
  admin: {
    rules: [
      ...editRules,
      { apiGroups: [RBAC], resources: ['roles', 'rolebindings'], verbs: [...READ, ...WRITE] },
      { apiGroups: ['authorization.k8s.io'], resources: ['localsubjectaccessreviews'], verbs: ['create'] },
    ],
    groups: [],
  },
  edit: { rules: editRules, groups: [] },
  view: { rules: viewRules, groups: [] },
  'system:discovery': {
    rules: [
      {
        nonResourceURLs: [
          '/api',
          '/api/*',
          '/apis',
          '/apis/*',
          '/healthz',
          '/livez',
          '/openapi',
          '/openapi/*',
          '/readyz',
          '/version',
          '/version/',
        ],
        verbs: ['get'],
      },
    ],
    groups: ['system:authenticated'],
  },
  'system:basic-user': {
    rules: [
      {
        apiGroups: ['authorization.k8s.io'],
        resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
        verbs: ['create'],
      },
      { apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'], verbs: ['create'] },
    ],
    groups: ['system:authenticated'],
  },
  'system:public-info-viewer': {
    rules: [{ nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'], verbs: ['get'] }],
    groups: ['system:authenticated', 'system:unauthenticated'],
  },
  'system:service-account-issuer-discovery': {
    rules: [
      { nonResourceURLs: ['/.well-known/openid-configuration', '/openid/v1/jwks', '/openid/v1/jwks/'], verbs: ['get'] },
    ],
    groups: ['system:serviceaccounts'],
  },
  'system:auth-delegator': {
    rules: [
      { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
      { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    ],
    groups: [],
  },
}

/** Makes what every cluster starts with; what is there stays as it is. */
export async function bootstrap(access: ObjectAccess): Promise<void> {
  const wanted = [
    ...NAMESPACES.map(namespace),
    ...Object.entries(roles).flatMap(([name, role]) => roleObjects(name, role)),
  ]
  const missing = wanted.filter(
    ({ resource, group, object }) =>
      access.get({ group, resource, namespace: '', name: object.metadata.name }) === undefined,
  )
  await Promise.all(missing.map(({ object }) => access.create(object)))
}

interface Wanted {
  readonly group: string
  readonly resource: string
  readonly object: ApiObject
}

function namespace(name: string): Wanted {
  return { group: '', resource: 'namespaces', object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } }
}

function roleObjects(name: string, { rules, groups }: (typeof roles)[string]): Wanted[] {
  const metadata = { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } }
  const role: Wanted = {
    group: RBAC,
    resource: 'clusterroles',
    object: { apiVersion: RBAC_VERSION, kind: 'ClusterRole', metadata, rules },
  }
  if (groups.length === 0) return [role]
  const binding: Wanted = {
    group: RBAC,
    resource: 'clusterrolebindings',
    object: {
      apiVersion: RBAC_VERSION,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name },
      subjects: groups.map((group) => ({ apiGroup: RBAC, kind: 'Group', name: group })),
    },
  }
  return [role, binding]
}
