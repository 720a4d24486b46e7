import type { ApiObject, ObjectAccess } from '../apiserver/index.ts'
import { MESH_NAMESPACE } from './mesh-accounts.ts'

const NAME = 'istiod'

/**
 * The service by which waypoints find the control plane, as on a cluster (`daemonset/istiod-lite.yaml`); what is there
 * stays. Its endpoints are those of the pod that the control plane shows as.
 */
export async function makeIstiodService(access: ObjectAccess): Promise<void> {
  const ref = { group: '', resource: 'services', namespace: MESH_NAMESPACE, name: NAME }
  if (access.get(ref) !== undefined) return
  const service: ApiObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: NAME, namespace: MESH_NAMESPACE, labels: { app: 'istiod', istio: 'pilot' } },
    spec: {
      ipFamilyPolicy: 'PreferDualStack',
      selector: { app: 'istiod', istio: 'pilot' },
      ports: [
        { name: 'https-xds', port: 15_012, targetPort: 15_012, protocol: 'TCP' },
        { name: 'https-webhook', port: 443, targetPort: 15_017, protocol: 'TCP' },
      ],
    },
  }
  await access.create(service)
}
