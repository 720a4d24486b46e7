import type { Authorization, Service, Workload } from '#shared/model'
import type { IpAddress } from '#shared/net'
import type { PolicySet } from '#shared/policy'
import type { WorkloadInfo } from '#shared/zds'

/** One endpoint of a service: a workload, and service port → its own port, as the workload maps them (0 is kept). */
export interface Endpoint {
  readonly workload: Workload
  readonly ports: ReadonlyMap<number, number>
}

/** Policies that apply to a workload: mesh-wide, of its namespace, and named by it; enforced and dry-run ones. */
export interface ApplicablePolicies {
  readonly sets: readonly PolicySet[]
  /** Keys that the workload names but that are not known (yet). */
  readonly missing: readonly string[]
}

/** What the mesh looks like from this node. Read-only; answers are consistent within one turn of the loop. */
export interface MeshView {
  workloadByUid(uid: string): Workload | undefined
  /** Never a host-network workload; see e.1 for ties. */
  workloadByIp(network: string, ip: IpAddress): Workload | undefined
  workloadByHostname(namespace: string, hostname: string): Workload | undefined
  /** Only workloads of this node (of all nodes when the node's name is not known), by name + namespace + account. */
  localWorkload(info: WorkloadInfo): Workload | undefined
  /** As `localWorkload`, waiting up to `timeoutMs` for it to arrive. */
  waitForLocalWorkload(info: WorkloadInfo, timeoutMs: number): Promise<Workload | undefined>
  /** The best service of that VIP for a client of `clientNamespace`: exact VIPs, then CIDR VIPs (e.1). */
  serviceByVip(network: string, ip: IpAddress, clientNamespace: string): Service | undefined
  serviceByKey(key: string): Service | undefined
  /** The best service of that host name for a client of `clientNamespace`. */
  serviceByHostname(hostname: string, clientNamespace: string): Service | undefined
  /** Every service of that host name, whoever may know it, in the order in which they were put. */
  servicesByHostname(hostname: string): readonly Service[]
  /** Those that the service's health policy lets through; none when the service is unknown. */
  endpoints(serviceKey: string): readonly Endpoint[]
  /** Endpoints that came before their service. */
  stagedEndpoints(): Iterable<readonly [serviceKey: string, endpoints: readonly Endpoint[]]>
  policiesOf(workload: Workload): ApplicablePolicies
  /** Differs from an earlier one whenever a policy that applies to the workload, or did, has changed since. */
  policyRevision(workload: Workload): string
  workloads(): Iterable<Workload>
  services(): Iterable<Service>
  policies(): Iterable<readonly [key: string, policy: Authorization]>
  /** Called after each applied update that changed a policy. Returns the unsubscribe. */
  onPoliciesChanged(listener: () => void): () => void
  /** Called after each applied update that changed a workload, with those that came, changed or went. */
  onWorkloadsChanged(listener: (uids: readonly string[]) => void): () => void
}
