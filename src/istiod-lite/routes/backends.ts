import type { BackendTarget, IstioDestination } from '#shared/k8s'
import type { Backend } from '#shared/l7'
import type { Service } from '#shared/model'
import type { Find } from './findings.ts'
import { resolveHost } from './hosts.ts'

/** What references of routes are resolved with. */
export interface BackendFacts {
  readonly clusterDomain: string
  /** The service of a host name, as the waypoint's namespace sees it. */
  serviceOf(hostname: string): Service | undefined
  /** Whether a DestinationRule for the service has a subset of that name. */
  hasSubset(service: Service, subset: string): boolean
  /** Whether a ReferenceGrant lets a route of that kind and namespace refer to a Service. */
  isGranted(
    from: { readonly kind: string; readonly namespace: string },
    to: { readonly namespace: string; readonly name: string },
  ): boolean
}

/** The route that refers. */
export interface Referrer {
  readonly kind: string
  readonly namespace: string
}

const HOSTNAME_GROUP = 'networking.istio.io'

/** A backend of a Gateway API route; one that cannot be used answers 500 for its share (HTTPRouteRule.backendRefs). */
export function gatewayBackend(
  ref: BackendTarget,
  from: Referrer,
  path: string,
  facts: BackendFacts,
  find: Find,
): Backend {
  const failed = (
    reason: 'BackendNotFound' | 'RefNotPermitted' | 'InvalidKind' | 'UnsupportedValue',
    message: string,
  ): Backend => {
    find({ path, reason, message })
    return { kind: 'failed', statusCode: 500, reason: message }
  }
  const namespace = ref.namespace || from.namespace
  const isHostname = ref.group === HOSTNAME_GROUP && ref.kind === 'Hostname'
  if (!isHostname && (ref.group !== '' || ref.kind !== 'Service'))
    return failed('InvalidKind', `${ref.group === '' ? 'core' : ref.group}/${ref.kind} is no kind of backend`)
  if (!isHostname && namespace !== from.namespace && !facts.isGranted(from, { namespace, name: ref.name }))
    return failed(
      'RefNotPermitted',
      `no ReferenceGrant of ${namespace} lets it refer to Service ${namespace}/${ref.name}`,
    )
  if (ref.port === undefined) return failed('UnsupportedValue', 'port is missing')
  const hostname = isHostname ? ref.name : resolveHost(ref.name, namespace, facts.clusterDomain)
  const service = facts.serviceOf(hostname)
  if (service === undefined)
    return failed('BackendNotFound', `there is no service ${isHostname ? ref.name : `${namespace}/${ref.name}`}`)
  if (!service.ports.some(({ servicePort }) => servicePort === ref.port))
    return failed('BackendNotFound', `service ${service.namespace}/${service.name} has no port ${ref.port}`)
  return { kind: 'cluster', namespace: service.namespace, hostname: service.hostname, port: ref.port, subset: '' }
}

/**
 * A destination of a VirtualService; one that does not exist answers 503 for its share, as a cluster without endpoints.
 * Without a port it is the only one of the service, or the one that was asked for.
 */
export function istioBackend(
  destination: IstioDestination,
  from: { readonly namespace: string; readonly port: number },
  path: string,
  facts: BackendFacts,
  find: Find,
): Backend {
  const failed = (message: string): Backend => {
    find({ path, reason: 'BackendNotFound', message })
    return { kind: 'failed', statusCode: 503, reason: message }
  }
  const hostname = resolveHost(destination.host, from.namespace, facts.clusterDomain)
  const service = facts.serviceOf(hostname)
  if (service === undefined) return failed(`there is no service ${hostname}`)
  const [only, ...others] = service.ports
  const port = destination.port ?? (only !== undefined && others.length === 0 ? only.servicePort : from.port)
  if (!service.ports.some(({ servicePort }) => servicePort === port)) return failed(`${hostname} has no port ${port}`)
  const { subset } = destination
  if (subset !== '' && !facts.hasSubset(service, subset))
    return failed(`no DestinationRule for ${hostname} has subset ${subset}`)
  return { kind: 'cluster', namespace: service.namespace, hostname: service.hostname, port, subset }
}
