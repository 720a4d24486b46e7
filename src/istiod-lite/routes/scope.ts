import type { ParentRef } from '#shared/k8s'
import type { Service } from '#shared/model'
import { resolveHost } from './hosts.ts'

/** A service that a waypoint serves. */
export interface Served {
  /** `namespace/name` of the waypoint. */
  readonly waypoint: string
  /** Of the waypoint: the namespace that asks, in Istio's words. */
  readonly client: string
  readonly service: Service
  /** What the service was made of. */
  readonly origin: { readonly kind: 'Service' | 'ServiceEntry'; readonly key: string }
  /** Names of its ports, by number. */
  readonly portNames: ReadonlyMap<number, string>
}

/** What only one waypoint is told; `name` is the resource's name on the wire. */
export interface ForWaypoint<T> {
  readonly waypoint: string
  readonly name: string
  readonly resource: T
}

export function servedKey({ waypoint, service }: Pick<Served, 'waypoint' | 'service'>): string {
  return `${waypoint}/${service.namespace}/${service.hostname}`
}

const ISTIO_GROUP = 'networking.istio.io'

/** Under which keys routes are found from the services to which they attach; undefined for any other parent. */
export function parentKey(ref: ParentRef, namespace: string, clusterDomain: string): string | undefined {
  const own = ref.namespace || namespace
  if (ref.group === '' && ref.kind === 'Service') return `Service ${own}/${ref.name}`
  if (ref.group === ISTIO_GROUP && ref.kind === 'ServiceEntry') return `ServiceEntry ${own}/${ref.name}`
  if (ref.group === ISTIO_GROUP && ref.kind === 'Hostname')
    return `Hostname ${resolveHost(ref.name, own, clusterDomain)}`
  return undefined
}

export function parentKeysOf({ service, origin }: Pick<Served, 'service' | 'origin'>): readonly string[] {
  return [`${origin.kind} ${origin.key}`, `Hostname ${service.hostname}`]
}

/** Whether a route that names a service means that port of it. */
export function namesPort(ref: ParentRef, port: number, portNames: ReadonlyMap<number, string>): boolean {
  return (ref.port ?? port) === port && (ref.sectionName === '' || portNames.get(port) === ref.sectionName)
}
