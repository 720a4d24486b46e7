import type { ApiDocument } from '#shared/kube-client'

/** What the pods of a waypoint are made from. */
export interface WaypointPod {
  /** Of the Gateway. */
  readonly gateway: string
  readonly deployment: string
  readonly serviceAccount: string
  readonly revision: string
  readonly image: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly clusterId: string
  readonly trustDomain: string
  readonly clusterDomain: string
  readonly rootNamespace: string
  /** Empty = none. */
  readonly network: string
}

/** Ports of a waypoint that Istio's tools know; its listeners' own come from the control plane. */
const METRICS_PORT = 15_020
export const READINESS_PORT = 15_021
const READINESS = { httpGet: { path: '/healthz/ready', port: READINESS_PORT, scheme: 'HTTP' }, timeoutSeconds: 1 }
const TOKEN_SECONDS = 43_200
/** Whom Istio's proxies run as. */
const USER = 1337

/** @see istio-control-plane c.1; the environment is written down in this room's README */
export function podTemplate(pod: WaypointPod): ApiDocument {
  return {
    metadata: {
      annotations: {
        ...pod.annotations,
        'istio.io/rev': pod.revision,
        'prometheus.io/path': '/stats/prometheus',
        'prometheus.io/port': String(METRICS_PORT),
        'prometheus.io/scrape': 'true',
      },
      labels: {
        'sidecar.istio.io/inject': 'false',
        'istio.io/dataplane-mode': 'none',
        'service.istio.io/canonical-name': pod.deployment,
        'service.istio.io/canonical-revision': 'latest',
        ...pod.labels,
      },
    },
    spec: {
      serviceAccountName: pod.serviceAccount,
      // Longer than the waypoint takes to see its connections out.
      terminationGracePeriodSeconds: 30,
      containers: [container(pod)],
      volumes: [
        {
          name: 'istio-podinfo',
          downwardAPI: {
            items: ['labels', 'annotations'].map((path) => ({ path, fieldRef: { fieldPath: `metadata.${path}` } })),
          },
        },
        {
          name: 'istio-token',
          projected: {
            sources: [
              { serviceAccountToken: { audience: 'istio-ca', expirationSeconds: TOKEN_SECONDS, path: 'istio-token' } },
            ],
          },
        },
        { name: 'istiod-ca-cert', configMap: { name: 'istio-ca-root-cert' } },
      ],
    },
  }
}

function container(pod: WaypointPod): ApiDocument {
  return {
    // By this name Istio's tools find it.
    name: 'istio-proxy',
    image: pod.image,
    ports: [
      { name: 'metrics', containerPort: METRICS_PORT, protocol: 'TCP' },
      { name: 'status-port', containerPort: READINESS_PORT, protocol: 'TCP' },
    ],
    env: environment(pod),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
    startupProbe: { ...READINESS, failureThreshold: 30, initialDelaySeconds: 1, periodSeconds: 1 },
    readinessProbe: { ...READINESS, failureThreshold: 4, periodSeconds: 15 },
    securityContext: {
      privileged: false,
      runAsUser: USER,
      runAsGroup: USER,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'istiod-ca-cert', mountPath: '/var/run/secrets/istio' },
      { name: 'istio-token', mountPath: '/var/run/secrets/tokens' },
      { name: 'istio-podinfo', mountPath: '/etc/istio/pod' },
    ],
  }
}

function environment(pod: WaypointPod): readonly ApiDocument[] {
  const istiod = `https://istiod.${pod.rootNamespace}.svc:15012`
  const fields = [
    ['POD_NAME', 'metadata.name'],
    ['POD_NAMESPACE', 'metadata.namespace'],
    ['INSTANCE_IP', 'status.podIP'],
    ['SERVICE_ACCOUNT', 'spec.serviceAccountName'],
    ['NODE_NAME', 'spec.nodeName'],
    ['HOST_IP', 'status.hostIP'],
  ] as const
  const values = [
    ['XDS_ADDRESS', istiod],
    ['CA_ADDRESS', istiod],
    ['XDS_ROOT_CA', '/var/run/secrets/istio/root-cert.pem'],
    ['CA_ROOT_CA', '/var/run/secrets/istio/root-cert.pem'],
    ['AUTH_TOKEN', '/var/run/secrets/tokens/istio-token'],
    ['TRUST_DOMAIN', pod.trustDomain],
    ['CLUSTER_DOMAIN', pod.clusterDomain],
    ['ISTIO_META_CLUSTER_ID', pod.clusterId],
    ...(pod.network === '' ? [] : [['NETWORK', pod.network] as const]),
    ['ISTIO_META_WORKLOAD_NAME', pod.deployment],
    ['AMBIT_GATEWAY', pod.gateway],
  ] as const
  return [
    ...fields.map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } })),
    ...values.map(([name, value]) => ({ name, value })),
  ]
}
