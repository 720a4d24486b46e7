import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { ApiObject, ObjectAccess, ObjectRef } from '../apiserver/index.ts'
import { type MeshAccount, type MeshRights, meshRights, type Rule } from './mesh-rights.ts'

/** Where the mesh's programs are at home. */
export const MESH_NAMESPACE = 'istio-system'

/** The pod that a program shows as: to users and their tools and, a tunnel's, to the CA, which wants to see who runs where. */
export interface ProgramPod {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly serviceAccount: string
  readonly node: string
}

/** How long a namespace of an earlier life may take to go. */
const GOING_MS = 10_000
const RBAC = 'rbac.authorization.k8s.io'

/**
 * Namespace, accounts and rights of the mesh's programs. What is there stays, but rights that an earlier program wrote there
 * become those that this one needs.
 *
 * @throws MeshError `COMMAND_FAILED` when a namespace that is being deleted does not go
 */
export async function makeMeshAccounts(access: ObjectAccess, clock: Clock): Promise<void> {
  const namespace: ObjectRef = { group: '', resource: 'namespaces', namespace: '', name: MESH_NAMESPACE }
  if (isDeleting(access.get(namespace))) await untilGone(access, namespace, clock)
  await makeIfMissing(access, '', 'namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: MESH_NAMESPACE },
  })
  const objects = (Object.entries(meshRights) as [MeshAccount, MeshRights][]).flatMap(
    ([name, { everywhere, atHome }]) => [...accountObjects(name, everywhere), ...roleObjects(name, atHome)],
  )
  await Promise.all(objects.map(({ group, resource, object }) => makeIfMissing(access, group, resource, object)))
  await Promise.all(objects.map((made) => updateRules(access, made)))
}

/**
 * Takes away the pods that stood for the programs of an earlier life: their tokens end with them. Nobody is left who would
 * end such a pod, and a namespace that is being deleted waits for it.
 */
export async function removeProgramPods(access: ObjectAccess): Promise<void> {
  const { items } = access.list({ group: '', resource: 'pods', namespace: MESH_NAMESPACE })
  const mirrors = items.filter(({ metadata }) => metadata.annotations?.[MIRROR] !== undefined)
  await Promise.all(mirrors.map(({ metadata }) => removeNow(access, metadata.name)))
}

/** Where a program of the mesh runs; the control plane, which runs on no node, is shown on the first. */
export interface ProgramPlace {
  readonly node: string
  readonly ips: readonly string[]
}

/** Labels are Istio's, by which its tools find the pods of each program. */
const SHOWN: Readonly<
  Record<MeshAccount, { readonly labels: Readonly<Record<string, string>>; readonly container: string }>
> = {
  'istiod-lite': { labels: { app: 'istiod', istio: 'pilot', 'istio.io/rev': 'default' }, container: 'discovery' },
  'node-agent': { labels: { 'k8s-app': 'istio-cni-node' }, container: 'install-cni' },
  ztunnel: { labels: { app: 'ztunnel' }, container: 'istio-proxy' },
}

/** A pod like those that a kubelet shows of what it runs without being asked: nobody starts or ends it. */
export async function makeProgramPod(
  access: ObjectAccess,
  program: MeshAccount,
  name: string,
  { node, ips }: ProgramPlace,
): Promise<ProgramPod> {
  const { labels, container } = SHOWN[program]
  const image = `ambit/${program}`
  const made = await access.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: MESH_NAMESPACE, labels, annotations: { [MIRROR]: node } },
    spec: {
      nodeName: node,
      serviceAccountName: program,
      hostNetwork: true,
      automountServiceAccountToken: false,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: container, image }],
    },
  })
  const now = made.metadata.creationTimestamp ?? ''
  const condition = (type: string): object => ({ type, status: 'True', lastTransitionTime: now })
  await access.patch(
    { group: '', resource: 'pods', namespace: MESH_NAMESPACE, name },
    'merge',
    {
      status: {
        phase: 'Running',
        hostIP: ips[0] ?? '',
        hostIPs: ips.map((ip) => ({ ip })),
        podIP: ips[0] ?? '',
        podIPs: ips.map((ip) => ({ ip })),
        startTime: now,
        conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(condition),
        containerStatuses: [
          {
            name: container,
            image,
            imageID: '',
            ready: true,
            started: true,
            restartCount: 0,
            state: { running: { startedAt: now } },
          },
        ],
      },
    },
    { subresource: 'status', fieldManager: 'kubelet' },
  )
  return { namespace: MESH_NAMESPACE, name, uid: made.metadata.uid ?? '', serviceAccount: program, node }
}

/** By this name Istio's tools find the tunnels' pods; they run already, so nobody makes any of it. */
export async function showTunnelSet(access: ObjectAccess, nodes: number): Promise<void> {
  const { labels, container } = SHOWN.ztunnel
  const metadata = { name: 'ztunnel', namespace: MESH_NAMESPACE, labels, annotations: { [MIRROR]: 'all' } }
  await makeIfMissing(access, 'apps', 'daemonsets', {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata,
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: container, image: 'ambit/ztunnel' }] } },
    },
  })
  const counts = ['currentNumberScheduled', 'desiredNumberScheduled', 'numberReady', 'numberAvailable']
  const more = { numberMisscheduled: 0, updatedNumberScheduled: nodes }
  await access.patch(
    { group: 'apps', resource: 'daemonsets', namespace: MESH_NAMESPACE, name: metadata.name },
    'merge',
    { status: { ...Object.fromEntries(counts.map((count) => [count, nodes])), ...more } },
    { subresource: 'status', fieldManager: 'kubelet' },
  )
}

/** As on the API objects of a kubelet's static pods. */
export const MIRROR = 'kubernetes.io/config.mirror'

interface MadeObject {
  readonly group: string
  readonly resource: string
  readonly object: ApiObject
}

function roleObjects(name: string, rules: readonly Rule[]): readonly MadeObject[] {
  if (rules.length === 0) return []
  const metadata = { name: `ambit:${name}`, namespace: MESH_NAMESPACE }
  const binding: ApiObject = {
    apiVersion: `${RBAC}/v1`,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: RBAC, kind: 'Role', name: metadata.name },
    subjects: [{ kind: 'ServiceAccount', name, namespace: MESH_NAMESPACE }],
  }
  return [
    { group: RBAC, resource: 'roles', object: { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata, rules } },
    { group: RBAC, resource: 'rolebindings', object: binding },
  ]
}

function accountObjects(name: string, rules: readonly Rule[]): readonly MadeObject[] {
  const account: ApiObject = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace: MESH_NAMESPACE },
  }
  if (rules.length === 0) return [{ group: '', resource: 'serviceaccounts', object: account }]
  const metadata = { name: `ambit:${name}` }
  const role: ApiObject = { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata, rules }
  const binding: ApiObject = {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata,
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: metadata.name },
    subjects: [{ kind: 'ServiceAccount', name, namespace: MESH_NAMESPACE }],
  }
  return [
    { group: '', resource: 'serviceaccounts', object: account },
    { group: RBAC, resource: 'clusterroles', object: role },
    { group: RBAC, resource: 'clusterrolebindings', object: binding },
  ]
}

async function updateRules(access: ObjectAccess, { group, resource, object }: MadeObject): Promise<void> {
  const { rules } = object
  if (rules === undefined) return
  const { name, namespace = '' } = object.metadata
  const ref = { group, resource, namespace, name }
  if (isDeepStrictEqual(access.get(ref)?.rules, rules)) return
  await access.patch(ref, 'merge', { rules }, { fieldManager: 'ambit' })
}

async function makeIfMissing(access: ObjectAccess, group: string, resource: string, object: ApiObject): Promise<void> {
  const { name, namespace = '' } = object.metadata
  if (access.get({ group, resource, namespace, name }) === undefined) await access.create(object)
}

/** Without waiting for anybody who holds it by a finalizer: nothing stands behind it any more. */
async function removeNow(access: ObjectAccess, name: string): Promise<void> {
  const ref: ObjectRef = { group: '', resource: 'pods', namespace: MESH_NAMESPACE, name }
  if ((access.get(ref)?.metadata.finalizers ?? []).length > 0)
    await access.patch(ref, 'merge', { metadata: { finalizers: null } }, { fieldManager: 'kubelet' })
  // One whose deletion had begun went with its last finalizer.
  if (access.get(ref) !== undefined) await access.delete(ref, { gracePeriodSeconds: 0 })
}

function isDeleting(object: ApiObject | undefined): boolean {
  return object?.metadata.deletionTimestamp !== undefined
}

function untilGone(access: ObjectAccess, { group, resource, name }: ObjectRef, clock: Clock): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const selection = { group, resource, namespace: '', fieldSelector: `metadata.name=${name}` }
  const watch = access.watch(selection, ({ type }) => {
    if (type === 'DELETED') resolve()
  })
  const timer: Timer = clock.setTimer(GOING_MS, () =>
    reject(
      new MeshError(
        'COMMAND_FAILED',
        `the namespace ${name} is being deleted since an earlier life of the mesh, and something in it does not go; "ambit down --purge" removes everything`,
      ),
    ),
  )
  return promise.finally(() => {
    watch.stop()
    timer.cancel()
  })
}
