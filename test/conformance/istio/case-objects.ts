import type { ApiObject } from '../../../src/local/apiserver/index.ts'

/** Objects as cases need them: of namespace `shop` unless told otherwise, and whole but for what the case is about. */

type Texts = Readonly<Record<string, string>>

interface Meta {
  readonly namespace?: string
  readonly labels?: Texts
  readonly annotations?: Texts
  readonly [field: string]: unknown
}

const ENROLLED = { 'ambient.istio.io/redirection': 'enabled' }

export function namespace(name: string, labels: Texts = {}, annotations: Texts = {}): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels, annotations } }
}

export function node(name: string, labels: Texts): ApiObject {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }
}

interface PodInput extends Meta {
  readonly ips?: readonly string[]
  readonly spec?: object
  readonly phase?: string
  readonly ready?: 'True' | 'False'
}

/** Running, ready, captured, with label `app: web` and port `http` 8080. */
export function pod(name: string, ip: string, input: PodInput = {}): ApiObject {
  const { ips = [ip], spec = {}, phase = 'Running', ready = 'True', ...meta } = input
  const addresses = ips.filter((each) => each !== '')
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata(name, { labels: { app: 'web' }, annotations: ENROLLED, ...meta }) },
    spec: {
      nodeName: 'node-a',
      serviceAccountName: 'web',
      containers: [{ name: 'app', image: 'app', ports: [{ name: 'http', containerPort: 8080 }] }],
      ...spec,
    },
    status: {
      phase,
      ...(addresses.length > 0 && { podIP: addresses[0], podIPs: addresses.map((each) => ({ ip: each })) }),
      conditions: [{ type: 'Ready', status: ready }],
    },
  }
}

/** Of the pods `app: web`, port 80 to 8080. */
export function service(name: string, spec: object = {}, meta: Meta = {}): ApiObject {
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }]
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(name, meta),
    spec: { clusterIP: '10.96.0.1', selector: { app: 'web' }, ports, ...spec },
  }
}

export function slice(name: string, of: string, rest: object, meta: Meta = {}): ApiObject {
  const labels = of === '' ? {} : { 'kubernetes.io/service-name': of }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: metadata(name, { labels, ...meta }),
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 9090 }],
    ...rest,
  }
}

export function policy(name: string, spec: object, meta: Meta = {}): ApiObject {
  return istio('security.istio.io/v1', 'AuthorizationPolicy', name, spec, meta)
}

export function mtls(name: string, spec: object, meta: Meta = {}): ApiObject {
  return istio('security.istio.io/v1', 'PeerAuthentication', name, spec, meta)
}

export function serviceEntry(name: string, spec: object, meta: Meta = {}): ApiObject {
  return istio('networking.istio.io/v1', 'ServiceEntry', name, spec, meta)
}

export function workloadEntry(name: string, spec: object, meta: Meta = {}): ApiObject {
  return istio('networking.istio.io/v1', 'WorkloadEntry', name, spec, meta)
}

function istio(apiVersion: string, kind: string, name: string, spec: object, meta: Meta): ApiObject {
  return { apiVersion, kind, metadata: metadata(name, meta), spec }
}

function metadata(name: string, meta: Meta): ApiObject['metadata'] {
  return { name, namespace: 'shop', ...meta }
}
