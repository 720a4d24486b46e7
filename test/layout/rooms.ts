/**
 * Which room may import which. The key is a room (a folder below `src`), the value the rooms whose doors it may use;
 * inside a room every file may use every other. Files directly in a program's folder (`main`, `app`, `config`…) may use
 * every room of that program and all of `shared`.
 */
export const sharedRooms: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  clock: [],
  config: ['errors'],
  lifecycle: ['errors', 'clock'],
  net: ['errors', 'clock'],
  sys: ['errors', 'net', 'lifecycle'],
  telemetry: ['errors', 'clock', 'net'],
  model: ['errors', 'net'],
  dns: ['net'],
  policy: ['errors', 'net', 'model'],
  pki: ['errors', 'clock', 'net', 'model'],
  http2: ['errors', 'clock', 'lifecycle', 'net'],
  xds: ['errors', 'clock', 'lifecycle', 'telemetry', 'model', 'net', 'pki', 'http2'],
  hbone: ['errors', 'clock', 'lifecycle', 'telemetry', 'net', 'model', 'pki', 'http2'],
  zds: ['errors', 'clock', 'lifecycle', 'telemetry', 'sys', 'model'],
  admin: ['errors', 'clock', 'lifecycle', 'net', 'telemetry'],
  document: [],
  k8s: ['errors', 'clock', 'config', 'lifecycle', 'telemetry', 'document'],
  'kube-client': ['errors', 'clock', 'lifecycle', 'telemetry', 'document', 'k8s'],
  analysis: ['net', 'document'],
  control: ['errors'],
}

/** Rooms of each program, and the rooms of the same program that they may use; every one may use all of `shared`. */
export const programRooms: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  ztunnel: {
    capture: [],
    state: [],
    identity: [],
    connections: [],
    authz: ['state', 'connections'],
    dial: ['capture'],
    revocation: [],
    reporting: ['capture', 'connections', 'succession'],
    'same-node': ['capture', 'state'],
    dns: ['capture', 'state', 'reporting'],
    outbound: ['capture', 'state', 'identity', 'authz', 'connections', 'dial', 'reporting', 'same-node', 'succession'],
    inbound: ['capture', 'state', 'identity', 'authz', 'connections', 'dial', 'reporting', 'succession'],
    admin: ['state', 'identity', 'authz', 'connections'],
    workers: ['capture', 'state', 'identity', 'authz', 'admin'],
    succession: [],
  },
  'node-agent': {
    pods: [],
    netns: [],
    redirect: [],
    marks: [],
    handover: ['pods', 'netns', 'redirect', 'marks'],
  },
  'istiod-lite': {
    collections: [],
    sources: ['collections'],
    mesh: ['collections', 'sources'],
    push: ['collections', 'mesh'],
    ca: ['mesh'],
    admin: ['collections', 'mesh', 'push', 'ca'],
  },
  local: {
    host: [],
    store: [],
    apiserver: ['store'],
    controllers: ['apiserver'],
    network: ['host'],
    services: ['apiserver', 'network'],
    dns: ['apiserver', 'network', 'services'],
    'host-ports': ['apiserver', 'controllers', 'services'],
    images: [],
    'pod-plan': ['images', 'apiserver'],
    volumes: ['host', 'pod-plan', 'apiserver'],
    logs: [],
    'pod-streams': ['host', 'logs', 'apiserver'],
    kubelet: ['host', 'network', 'pod-plan', 'logs'],
    'cluster-api': ['host', 'network', 'services', 'store', 'apiserver', 'controllers'],
    objects: ['network', 'services', 'pod-plan', 'apiserver'],
    programs: ['host', 'kubelet'],
    runtime: [
      'host',
      'network',
      'images',
      'pod-plan',
      'volumes',
      'logs',
      'kubelet',
      'objects',
      'apiserver',
      'controllers',
    ],
    control: ['host'],
  },
  'port-opener': {},
  cli: {
    print: [],
    flags: [],
    target: [],
    manifests: [],
    analysis: ['cluster', 'manifests'],
    client: ['print', 'target'],
    cluster: ['print'],
    kubectl: ['cluster', 'flags', 'manifests', 'print'],
    checks: ['client', 'cluster', 'print'],
    commands: ['client', 'print', 'flags', 'target', 'manifests', 'cluster', 'kubectl', 'checks', 'analysis'],
  },
}

/** Packages that only these places may import. */
export const guardedPackages: Readonly<Record<string, readonly string[]>> = {
  koffi: ['shared/sys'],
  '@grpc/grpc-js': ['shared/xds'],
  '@grpc/proto-loader': ['shared/xds'],
  'node-forge': ['shared/pki', 'istiod-lite/ca'],
  commander: ['cli'],
  '@kubernetes/client-node': ['shared/kube-client'],
}

/** Lines a source file may have. */
export const MAX_LINES = 400
