import { parseAllDocuments } from 'yaml'
import { type AnalysedObject, analysedKind, type Finding, isClusterKind, shownObject } from '#shared/analysis'
import { formatPath } from '#shared/document'
import { MeshObjects } from '../../src/shared/analysis/mesh-objects.ts'

const GROUPS: Readonly<Record<string, string>> = {
  VirtualService: 'networking.istio.io/v1',
  DestinationRule: 'networking.istio.io/v1',
  ServiceEntry: 'networking.istio.io/v1',
  WorkloadEntry: 'networking.istio.io/v1',
  AuthorizationPolicy: 'security.istio.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  Telemetry: 'telemetry.istio.io/v1',
  Gateway: 'gateway.networking.k8s.io/v1',
  GatewayClass: 'gateway.networking.k8s.io/v1',
  HTTPRoute: 'gateway.networking.k8s.io/v1',
  ReferenceGrant: 'gateway.networking.k8s.io/v1beta1',
  Deployment: 'apps/v1',
}

/** Objects of short YAML: `apiVersion` is known by the kind, the namespace is shop unless one is given. */
export function analysed(yaml: string): readonly AnalysedObject[] {
  return parseAllDocuments(yaml).map((parsed) => {
    const { kind, apiVersion = GROUPS[kind] ?? 'v1', ...rest } = parsed.toJS()
    const key = analysedKind(apiVersion, kind)
    const { name, namespace = 'shop' } = rest.metadata
    return { kind: key, name, namespace: isClusterKind(key) ? '' : namespace, document: { apiVersion, kind, ...rest } }
  })
}

/** `IST0101 VirtualService shop/web spec.http[0]…`, each once, sorted. */
export function findingsOf(family: (mesh: MeshObjects) => Iterable<Finding>, yaml: string): readonly string[] {
  return [...family(new MeshObjects(analysed(yaml)))]
    .map(({ code, object, path }) => `${code} ${shownObject(object)} ${formatPath(path)}`.trim())
    .sort()
}

/** A deployment, its pods' labels `app: NAME` and `version: v1`, and a service on 80. */
export const WEB = `
kind: Namespace
metadata: {name: shop}
---
kind: Deployment
metadata: {name: web}
spec: {template: {metadata: {labels: {app: web, version: v1}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}}
---
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
`
