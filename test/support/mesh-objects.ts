import { DEFAULT_EXCLUDED_NAMESPACES } from '#shared/k8s'
import type { MeshSettings } from '../../src/istiod-lite/mesh/index.ts'

export const meshSettings: MeshSettings = {
  clusterId: 'Kubernetes',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  excludedNamespaces: DEFAULT_EXCLUDED_NAMESPACES,
  isDryRunSent: false,
  captureSign: 'labels',
}

/** YAML of a ready, enrolled pod unless told otherwise. */
export function podYaml(
  name: string,
  ip: string,
  settings: { readonly node?: string; readonly account?: string; readonly phase?: string; readonly uid?: string } = {},
): string {
  const { node = 'node-a', account = 'web', phase = 'Running', uid = '' } = settings
  return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, uid: "${uid}", labels: {app: ${account}, istio.io/dataplane-mode: ambient}}
spec:
  nodeName: ${node}
  serviceAccountName: ${account}
  containers: [{name: app, image: app}]
status: {phase: ${phase}, podIP: ${ip}, conditions: [{type: Ready, status: "True"}]}
`
}

export function serviceYaml(name: string, ip: string): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: ${ip}, selector: {app: ${name}}, ports: [{port: 80, targetPort: 8080}]}
`
}

export function policyYaml(name: string, action: 'ALLOW' | 'DENY' = 'ALLOW'): string {
  return `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: shop}
spec: {action: ${action}, rules: [{from: [{source: {namespaces: [bad]}}]}]}
`
}
