import type { AuthorizationPolicy, EndpointSlice, KubeObject, PeerAuthentication, Pod, Service } from '#shared/k8s'

/** An object as Kubernetes writes it. */
export type KubeDocument = Readonly<Record<string, unknown>>

/**
 * Writes an object that `shared/k8s` has read as the document that it reads again as the same object. Containers say
 * only what the mesh looks at: their names and ports.
 */
export function documentOf(object: KubeObject): KubeDocument {
  const { apiVersion, kind, metadata } = object
  const { namespace, ...meta } = metadata
  return {
    apiVersion,
    kind,
    metadata: { ...pruned(meta), ...(namespace === '' ? {} : { namespace }) },
    ...bodyOf(object),
  }
}

function bodyOf(object: KubeObject): KubeDocument {
  switch (object.kind) {
    case 'Pod':
      return podBody(object as Pod)
    case 'Service':
      return serviceBody(object as Service)
    case 'EndpointSlice':
      return sliceBody(object as EndpointSlice)
    case 'PeerAuthentication':
      return peerAuthenticationBody(object as PeerAuthentication)
    case 'AuthorizationPolicy':
      return authorizationPolicyBody(object as AuthorizationPolicy)
    default:
      return {}
  }
}

function podBody({ spec, status }: Pod): KubeDocument {
  const { podIPs, ...rest } = status
  return {
    spec: { ...spec, containers: spec.containers.map(pruned), initContainers: spec.initContainers.map(pruned) },
    status: { ...rest, ...(podIPs[0] === undefined ? {} : { podIP: podIPs[0] }), podIPs: podIPs.map((ip) => ({ ip })) },
  }
}

function serviceBody({ spec }: Service): KubeDocument {
  const { clusterIPs, ...rest } = spec
  // A service without an address stays without: nobody else gives addresses here.
  return {
    spec: { ...rest, clusterIP: clusterIPs[0] ?? 'None', clusterIPs: clusterIPs.length > 0 ? clusterIPs : ['None'] },
  }
}

function sliceBody({ addressType, endpoints, ports }: EndpointSlice): KubeDocument {
  return {
    addressType,
    endpoints: endpoints.map(({ ready, ...rest }) => ({ ...pruned(rest), conditions: { ready } })),
    ports: ports.map(pruned),
  }
}

function peerAuthenticationBody({ spec }: PeerAuthentication): KubeDocument {
  const { selector, mtls, portLevelMtls } = spec
  const ports = [...portLevelMtls].map(([port, mode]) => [port, { mode }])
  return {
    spec: pruned({
      selector,
      mtls: { mode: mtls },
      ...(ports.length > 0 ? { portLevelMtls: Object.fromEntries(ports) } : {}),
    }),
  }
}

function authorizationPolicyBody({ spec }: AuthorizationPolicy): KubeDocument {
  const { provider, rules, targetRefs, ...rest } = spec
  return {
    spec: pruned({
      ...rest,
      ...(targetRefs.length > 0 ? { targetRefs: targetRefs.map(withoutEmpty) } : {}),
      ...(provider === '' ? {} : { provider: { name: provider } }),
      rules: rules.map(({ from, to, when }) =>
        withoutEmpty({
          from: from.map((source) => ({ source: withoutEmpty(source) })),
          to: to.map((operation) => ({ operation: withoutEmpty(operation) })),
          when: when.map(withoutEmpty),
        }),
      ),
    }),
  }
}

/** Without what is undefined, which YAML cannot say. */
function pruned(record: object): KubeDocument {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))
}

/** Without empty texts and lists, where "not written" means the same. */
function withoutEmpty(record: object): KubeDocument {
  return Object.fromEntries(
    Object.entries(record).filter(
      ([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
    ),
  )
}
