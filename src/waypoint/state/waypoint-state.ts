import type { Clock } from '#shared/clock'
import {
  type Backend,
  type Cluster,
  DEFAULT_TRAFFIC_POLICY,
  type RateLimit,
  type RequestPolicy,
  type Routes,
  type ServiceTelemetry,
  type TokenPolicy,
  type TrafficPolicy,
  type WorkloadLabels,
} from '#shared/l7'
import { addressFeed, MeshState, type MeshView } from '#shared/mesh-state'
import { type MeshAddress, type Service, serviceKey } from '#shared/model'
import type { IpAddress } from '#shared/net'
import {
  addressType,
  clusterType,
  type Rejection,
  type ResourceType,
  type ResourceUpdate,
  rateLimitType,
  requestPolicyType,
  routesType,
  type Subscription,
  telemetryType,
  tokenPolicyType,
  workloadLabelsType,
} from '#shared/xds'
import { isBoundTo, type WaypointName } from './binding.ts'
import { Records } from './records.ts'
import { TargetedRecords } from './targeted.ts'
import type { Destination, WaypointView } from './types.ts'

export interface WaypointOptions {
  readonly clock: Clock
  /** Its Gateway. */
  readonly waypoint: WaypointName
  readonly network: string
}

type ClusterBackend = Extract<Backend, { kind: 'cluster' }>

const NO_LABELS: Readonly<Record<string, string>> = {}

/** The mesh and the configuration of one waypoint as the control plane described them last, each update applied whole. */
export class WaypointState implements WaypointView {
  readonly network: string
  readonly #waypoint: WaypointName
  readonly #mesh: MeshState
  readonly #routes = new Records<Routes>(portKey)
  readonly #clusters = new Records<Cluster>(clusterKey)
  readonly #labels = new Records<WorkloadLabels>(({ uid }) => uid)
  readonly #telemetry = new Records<ServiceTelemetry>(serviceKey)
  readonly #requestPolicies = new TargetedRecords<RequestPolicy>()
  readonly #tokenPolicies = new TargetedRecords<TokenPolicy>()
  readonly #rateLimits = new TargetedRecords<RateLimit>()
  readonly #endpointListeners = new Set<() => void>()

  constructor({ clock, waypoint, network }: WaypointOptions) {
    this.network = network
    this.#waypoint = waypoint
    this.#mesh = new MeshState({ clock, nodeName: undefined })
  }

  /** What the client of the control plane asks for, in this order: endpoints and their marks before who routes to them. */
  subscriptions(): readonly Subscription<never>[] {
    const feeds = [
      addressFeed({ applyAddresses: (update) => this.#applyAddresses(update) }, addressType, 'wildcard'),
      this.#feed(workloadLabelsType, this.#labels, true),
      this.#feed(clusterType, this.#clusters, true),
      this.#feed(requestPolicyType, this.#requestPolicies, false),
      this.#feed(tokenPolicyType, this.#tokenPolicies, false),
      this.#feed(rateLimitType, this.#rateLimits, false),
      this.#feed(telemetryType, this.#telemetry, false),
      this.#feed(routesType, this.#routes, false),
    ]
    // Each applies what its own type decodes; the client pairs the two and needs to know neither.
    return feeds as readonly Subscription<unknown>[] as readonly Subscription<never>[]
  }

  get mesh(): MeshView {
    return this.#mesh
  }

  destination(
    target: { readonly ip: IpAddress } | { readonly hostname: string },
    port: number,
  ): Destination | undefined {
    if ('hostname' in target) {
      const named = this.#mesh.servicesByHostname(target.hostname).filter((service) => this.#serves(service))
      const service = named.find(({ namespace }) => namespace === this.#waypoint.namespace) ?? named[0]
      return service && ofService(service, port)
    }
    const service = this.#mesh.serviceByVip(this.network, target.ip, this.#waypoint.namespace)
    if (service !== undefined) return this.#serves(service) ? ofService(service, port) : undefined
    const workload = this.#mesh.workloadByIp(this.network, target.ip)
    if (workload === undefined || !this.#serves(workload)) return undefined
    return { kind: 'workload', workload, port }
  }

  routes(service: Service, port: number): Routes | undefined {
    return this.#routes.get(portKey({ namespace: service.namespace, hostname: service.hostname, port }))
  }

  cluster(backend: ClusterBackend): Cluster | undefined {
    return this.#clusters.get(clusterKey(backend))
  }

  /** Of a subset without a record of its own too, as it has no endpoint anyway. */
  trafficPolicy(backend: ClusterBackend): TrafficPolicy {
    return this.cluster(backend)?.policy ?? DEFAULT_TRAFFIC_POLICY
  }

  labelsOf(uid: string): Readonly<Record<string, string>> {
    return this.#labels.get(uid)?.labels ?? NO_LABELS
  }

  requestPolicies(destination: Destination): readonly RequestPolicy[] {
    return this.#requestPolicies.of(keyOf(destination))
  }

  tokenPolicies(destination: Destination): readonly TokenPolicy[] {
    return this.#tokenPolicies.of(keyOf(destination))
  }

  rateLimits(destination: Destination): readonly RateLimit[] {
    return this.#rateLimits.of(keyOf(destination))
  }

  telemetry(service: Service): ServiceTelemetry | undefined {
    return this.#telemetry.get(serviceKey(service))
  }

  onEndpointsChanged(listener: () => void): () => void {
    this.#endpointListeners.add(listener)
    return () => void this.#endpointListeners.delete(listener)
  }

  #applyAddresses(update: ResourceUpdate<MeshAddress>): readonly Rejection[] {
    const rejections = this.#mesh.applyAddresses(update)
    for (const name of update.removed) {
      for (const policies of [this.#requestPolicies, this.#tokenPolicies, this.#rateLimits]) policies.forget(name)
    }
    this.#tellEndpoints()
    return rejections
  }

  #feed<T>(type: ResourceType<T>, records: Records<T>, changesEndpoints: boolean): Subscription<T> {
    return {
      type,
      mode: 'wildcard',
      apply: (update) => {
        const before = records.revision
        records.apply(update)
        if (changesEndpoints && records.revision !== before) this.#tellEndpoints()
        return []
      },
    }
  }

  #tellEndpoints(): void {
    for (const tell of [...this.#endpointListeners]) tell()
  }

  #serves(bound: Parameters<typeof isBoundTo>[1]): boolean {
    return isBoundTo(this.#mesh, bound, this.#waypoint)
  }
}

function ofService(service: Service, port: number): Destination | undefined {
  const declared = service.ports.find(({ servicePort }) => servicePort === port)
  return declared && { kind: 'service', service, port, appProtocol: declared.appProtocol }
}

function keyOf(destination: Destination): string | undefined {
  return destination.kind === 'service' ? serviceKey(destination.service) : undefined
}

function portKey({ namespace, hostname, port }: Pick<Routes, 'namespace' | 'hostname' | 'port'>): string {
  return `${namespace}/${hostname}:${port}`
}

function clusterKey({ namespace, hostname, port, subset }: Omit<ClusterBackend, 'kind'>): string {
  return `${namespace}/${hostname}:${port}/${subset}`
}
