import { forbidden } from '../api-error.ts'
import type { ApiObject, ObjectAccess } from '../types.ts'
import { at, listAt, recordAt, textAt } from './define.ts'

const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
const VOLUME_PREFIX = 'kube-api-access-'
/** An hour, and seconds by which the kubelet tells it from a token that somebody asked for. */
const TOKEN_SECONDS = 3607

/**
 * A new pod with its service account named, and with the account's token, the cluster's CA and the namespace mounted
 * where client libraries look for them, unless the pod or the account does not want that.
 *
 * @throws ApiError Forbidden when the account does not exist
 */
export function withServiceAccount(pod: ApiObject, namespace: string, access: ObjectAccess): ApiObject {
  const name = textAt(pod, 'spec', 'serviceAccountName') || 'default'
  const account = access.get({ group: '', resource: 'serviceaccounts', namespace, name })
  // `default` is made soon after its namespace; a pod that is faster is as well off.
  if (account === undefined && name !== 'default') {
    const why = `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`
    throw forbidden({ group: '', plural: 'pods', kind: 'Pod' }, pod.metadata.name, why)
  }
  const spec = { ...recordAt(pod, 'spec'), serviceAccountName: name, serviceAccount: name }
  const wantsToken = at(spec, 'automountServiceAccountToken') ?? at(account, 'automountServiceAccountToken') ?? true
  return { ...pod, spec: wantsToken === true ? withToken(spec, pod.metadata.uid ?? '') : spec }
}

function withToken(spec: Readonly<Record<string, unknown>>, uid: string): Readonly<Record<string, unknown>> {
  const volume = VOLUME_PREFIX + uid.replaceAll('-', '').slice(0, 5)
  const mounted = (['initContainers', 'containers'] as const).flatMap((list) => {
    const containers = listAt(spec, list)
    return containers.length === 0 ? [] : [[list, containers.map((one) => withMount(one, volume))] as const]
  })
  const needsVolume = mounted.some(([, containers]) =>
    containers.some((one) => listAt(one, 'volumeMounts').some((mount) => textAt(mount, 'name') === volume)),
  )
  if (!needsVolume) return spec
  return { ...spec, ...Object.fromEntries(mounted), volumes: [...listAt(spec, 'volumes'), tokenVolume(volume)] }
}

function withMount(container: unknown, volume: string): unknown {
  const mounts = listAt(container, 'volumeMounts')
  if (mounts.some((mount) => textAt(mount, 'mountPath') === TOKEN_PATH)) return container
  const mount = { name: volume, readOnly: true, mountPath: TOKEN_PATH }
  return { ...recordAt(container), volumeMounts: [...mounts, mount] }
}

function tokenVolume(name: string): object {
  const namespaceField = { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }
  const sources = [
    { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    { downwardAPI: { items: [namespaceField] } },
  ]
  return { name, projected: { defaultMode: 420, sources } }
}
