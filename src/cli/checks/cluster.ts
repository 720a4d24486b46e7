import { isRecord } from '#shared/document'
import { MeshError, reasonOf } from '#shared/errors'
import type { ApiDocument, ApiResource, KubeConnection } from '#shared/kube-client'
import { discover, MESH_NAMESPACE } from '../cluster/index.ts'
import { type CheckLine, expected, failure, ok, warning } from './report.ts'

const API = 'kubernetes-api'
const CONTROL_PLANE = 'control-plane'
const RIGHTS = 'rights'

/** Groups of kinds without which the mesh's objects cannot be written. */
const GROUPS = [
  { group: 'gateway.networking.k8s.io', isNeeded: true },
  { group: 'security.istio.io', isNeeded: true },
  { group: 'networking.istio.io', isNeeded: true },
  { group: 'telemetry.istio.io', isNeeded: false },
] as const

/** What this command line's own commands need. */
const NEEDED_RIGHTS = [
  { verb: 'list', group: '', resource: 'pods', namespace: '', why: '"get", "status"' },
  { verb: 'patch', group: '', resource: 'namespaces', namespace: '', why: 'labels that enrol' },
  {
    verb: 'create',
    group: '',
    resource: 'pods/portforward',
    namespace: MESH_NAMESPACE,
    why: '"proxy-status", "ztunnel-config"',
  },
  { verb: 'create', group: '', resource: 'pods/exec', namespace: '', why: '"exec"' },
  { verb: 'get', group: '', resource: 'pods/log', namespace: '', why: '"logs"' },
  { verb: 'patch', group: 'gateway.networking.k8s.io', resource: 'gateways', namespace: '', why: '"waypoint"' },
] as const

const DEPLOYMENT: ApiResource = { apiVersion: 'apps/v1', kind: 'Deployment', resource: 'deployments', namespaced: true }
const DAEMON_SET: ApiResource = { apiVersion: 'apps/v1', kind: 'DaemonSet', resource: 'daemonsets', namespaced: true }

/** The API itself, and the kinds of the mesh in it; a server that does not answer ends the list. */
export async function apiLines(connection: KubeConnection, from: string): Promise<readonly CheckLine[]> {
  const chosen = ok(API, `the cluster is ${connection.server}, chosen by ${from}`)
  try {
    const answer = await connection.json({ method: 'GET', path: '/version' })
    const version = isRecord(answer) ? String(answer.gitVersion) : 'unknown'
    return [chosen, ok(API, `the API answers, version ${version}`), ...(await groupLines(connection))]
  } catch (error) {
    return [
      chosen,
      failure(
        API,
        `the API does not answer: ${expectedReason(error)}`,
        'Is this the cluster that you mean? See --kubeconfig and --context.',
      ),
    ]
  }
}

async function groupLines(connection: KubeConnection): Promise<readonly CheckLine[]> {
  const served = new Set((await discover(connection)).map(({ group }) => group))
  return GROUPS.map(({ group, isNeeded }) => {
    if (served.has(group)) return ok(API, `kinds of ${group} are installed`)
    const hint = 'Install the definitions of the mesh (for a cluster: those of Istio and of the Gateway API).'
    return (isNeeded ? failure : warning)(API, `there are no kinds of ${group}`, hint)
  })
}

/** The mesh's own workloads on a cluster. */
export async function controlPlaneLines(connection: KubeConnection): Promise<readonly CheckLine[]> {
  try {
    const [deployments, daemonSets] = await Promise.all([
      connection.list(DEPLOYMENT, { namespace: MESH_NAMESPACE }),
      connection.list(DAEMON_SET, { namespace: MESH_NAMESPACE }),
    ])
    return [
      workloadLine('istiod', deployments, ['istiod', 'istiod-lite'], 'replicas', 'readyReplicas'),
      workloadLine('ztunnel', daemonSets, ['ztunnel'], 'desiredNumberScheduled', 'numberReady'),
      workloadLine(
        'the node agent',
        daemonSets,
        ['istio-cni-node', 'node-agent'],
        'desiredNumberScheduled',
        'numberReady',
      ),
    ]
  } catch (error) {
    return [
      failure(
        CONTROL_PLANE,
        `cannot be looked at: ${expectedReason(error)}`,
        `You need to read deployments and daemonsets in ${MESH_NAMESPACE}.`,
      ),
    ]
  }
}

/** @param names what it is called, with revisions after a dash */
export function workloadLine(
  what: string,
  found: readonly ApiDocument[],
  names: readonly string[],
  wantedKey: string,
  readyKey: string,
): CheckLine {
  const own = found.filter((each) => {
    const name = isRecord(each.metadata) ? String(each.metadata.name) : ''
    return names.some((known) => name === known || name.startsWith(`${known}-`))
  })
  if (own.length === 0)
    return failure(
      CONTROL_PLANE,
      `${what} is not installed in ${MESH_NAMESPACE}`,
      'Install the mesh in ambient mode first.',
    )
  const sum = (key: string): number =>
    own.reduce((total, { status }) => total + (isRecord(status) ? Number(status[key] ?? 0) : 0), 0)
  const [ready, wanted] = [sum(readyKey), sum(wantedKey)]
  return expected(
    CONTROL_PLANE,
    wanted > 0 && ready >= wanted,
    `${what} is ready (${ready}/${wanted})`,
    `${what} is not ready (${ready}/${wanted})`,
    `See "ambit kubectl get pods -n ${MESH_NAMESPACE}".`,
  )
}

/** Whether the user may do what the commands need; a missing right is a failure only of those commands. */
export function rightLines(connection: KubeConnection): Promise<readonly CheckLine[]> {
  return Promise.all(
    NEEDED_RIGHTS.map(async (right) => {
      const { verb, resource, why } = right
      const text = `${verb} ${resource}`
      try {
        if (await isAllowed(connection, right)) return ok(RIGHTS, `you may ${text}`)
        return warning(RIGHTS, `you may not ${text}`, `Needed for ${why}.`)
      } catch (error) {
        return warning(RIGHTS, `cannot ask whether you may ${text}: ${expectedReason(error)}`, `Needed for ${why}.`)
      }
    }),
  )
}

async function isAllowed(connection: KubeConnection, right: (typeof NEEDED_RIGHTS)[number]): Promise<boolean> {
  const { verb, group, namespace } = right
  const [resource = '', subresource = ''] = right.resource.split('/')
  const answer = await connection.json({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      contentType: 'application/json',
      value: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb, group, resource, subresource, namespace } },
      },
    },
  })
  return isRecord(answer) && isRecord(answer.status) && answer.status.allowed === true
}

/** Anything that is not expected is a bug, and stays one. */
function expectedReason(error: unknown): string {
  if (error instanceof MeshError) return reasonOf(error)
  throw error
}
