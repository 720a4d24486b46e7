import type {
  Backend,
  Cluster,
  RateLimit,
  RequestPolicy,
  Routes,
  ServiceTelemetry,
  TokenPolicy,
  TrafficPolicy,
} from '#shared/l7'
import type { MeshView } from '#shared/mesh-state'
import type { AppProtocol, Service, Workload } from '#shared/model'
import type { IpAddress } from '#shared/net'

/** What was dialled. `port` is the service's own, or the workload's. */
export type Destination =
  | {
      readonly kind: 'service'
      readonly service: Service
      readonly port: number
      readonly appProtocol: AppProtocol | undefined
    }
  | { readonly kind: 'workload'; readonly workload: Workload; readonly port: number }

/** What the control plane told this waypoint. Read-only; answers are consistent within one turn of the loop. */
export interface WaypointView {
  readonly mesh: MeshView
  /** The network of this waypoint. */
  readonly network: string
  /** What that address or name means to us; undefined = nothing that we serve. */
  destination(target: { readonly ip: IpAddress } | { readonly hostname: string }, port: number): Destination | undefined
  /** Undefined = the port is forwarded by the defaults. The record is a new one whenever it has changed. */
  routes(service: Service, port: number): Routes | undefined
  /** Of that cluster, or undefined = `DEFAULT_TRAFFIC_POLICY` and no labels (a subset without a record has no endpoint). */
  cluster(backend: Extract<Backend, { kind: 'cluster' }>): Cluster | undefined
  trafficPolicy(backend: Extract<Backend, { kind: 'cluster' }>): TrafficPolicy
  /** Labels of a workload, as far as something here depends on them. */
  labelsOf(uid: string): Readonly<Record<string, string>>
  /**
   * Policies for that destination: those for the whole waypoint, and those of its service. The same list object until
   * one of them changes, so that whoever compiles them keeps what was compiled in a WeakMap.
   */
  requestPolicies(destination: Destination): readonly RequestPolicy[]
  tokenPolicies(destination: Destination): readonly TokenPolicy[]
  rateLimits(destination: Destination): readonly RateLimit[]
  telemetry(service: Service): ServiceTelemetry | undefined
  /** Called after each applied update of clusters, labels or workloads, whose endpoints may have changed. */
  onEndpointsChanged(listener: () => void): () => void
}
