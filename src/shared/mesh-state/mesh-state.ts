import type { Clock } from '#shared/clock'
import { type Authorization, type MeshAddress, type Service, serviceKey, type Workload } from '#shared/model'
import type { IpAddress } from '#shared/net'
import type { Rejection, ResourceUpdate } from '#shared/xds'
import type { WorkloadInfo } from '#shared/zds'
import { LocalWaiters } from './local-waiters.ts'
import { PolicyStore } from './policy-store.ts'
import { ServiceStore } from './service-store.ts'
import type { ApplicablePolicies, Endpoint, MeshView } from './types.ts'
import { WorkloadStore } from './workload-store.ts'

export interface MeshStateOptions {
  readonly clock: Clock
  /** Which workloads are of this node; undefined = all. */
  readonly nodeName: string | undefined
}

/** The mesh as the control plane described it last. Updates are applied whole, between two turns of the loop. */
export class MeshState implements MeshView {
  readonly #workloads: WorkloadStore
  readonly #services = new ServiceStore()
  readonly #policies = new PolicyStore()
  readonly #waiters: LocalWaiters
  readonly #policyListeners = new Set<() => void>()
  readonly #workloadListeners = new Set<(uids: readonly string[]) => void>()

  constructor({ clock, nodeName }: MeshStateOptions) {
    this.#workloads = new WorkloadStore(nodeName)
    this.#waiters = new LocalWaiters(clock)
  }

  /**
   * Applies one response of the Address subscription: everything that changed, then what was removed.
   *
   * @returns the resources that were not taken, for the NACK; all others are
   */
  applyAddresses(update: ResourceUpdate<MeshAddress>): readonly Rejection[] {
    const rejections: Rejection[] = []
    const touched = new Set<string>()
    for (const { name, resource } of update.changed) {
      const reason = problemOf(resource)
      if (reason !== undefined) rejections.push({ name, reason })
      else if (resource.kind === 'service') this.#services.put(resource.service)
      else {
        this.#putWorkload(resource.workload)
        touched.add(resource.workload.uid)
      }
    }
    for (const name of update.removed) {
      if (this.#removeWorkload(name)) touched.add(name)
      else this.#services.remove(name)
    }
    if (touched.size > 0) this.#tellWorkloads([...touched])
    return rejections
  }

  /** Applies one response of the Authorization subscription; the resource name is the policy's key. */
  applyAuthorizations(update: ResourceUpdate<Authorization>): readonly Rejection[] {
    for (const { name, resource } of update.changed) this.#policies.put(name, resource)
    const removed = update.removed.filter((name) => this.#policies.remove(name))
    if (update.changed.length + removed.length > 0) for (const tell of [...this.#policyListeners]) tell()
    return []
  }

  workloadByUid(uid: string): Workload | undefined {
    return this.#workloads.byUid(uid)
  }

  workloadByIp(network: string, ip: IpAddress): Workload | undefined {
    return this.#workloads.byIp(network, ip)
  }

  workloadByHostname(namespace: string, hostname: string): Workload | undefined {
    return this.#workloads.byHostname(namespace, hostname)
  }

  localWorkload(info: WorkloadInfo): Workload | undefined {
    return this.#workloads.local(info)
  }

  waitForLocalWorkload(info: WorkloadInfo, timeoutMs: number): Promise<Workload | undefined> {
    const known = this.localWorkload(info)
    return known === undefined ? this.#waiters.wait(info, timeoutMs) : Promise.resolve(known)
  }

  serviceByVip(network: string, ip: IpAddress, clientNamespace: string): Service | undefined {
    return this.#services.byVip(network, ip, clientNamespace)
  }

  serviceByKey(key: string): Service | undefined {
    return this.#services.byKey(key)
  }

  serviceByHostname(hostname: string, clientNamespace: string): Service | undefined {
    return this.#services.byHostname(hostname, clientNamespace)
  }

  servicesByHostname(hostname: string): readonly Service[] {
    return this.#services.allByHostname(hostname)
  }

  endpoints(key: string): readonly Endpoint[] {
    return this.#services.endpoints(key)
  }

  stagedEndpoints(): Iterable<readonly [serviceKey: string, endpoints: readonly Endpoint[]]> {
    return this.#services.staged()
  }

  policiesOf(workload: Workload): ApplicablePolicies {
    return this.#policies.applicable(workload)
  }

  policyRevision(workload: Workload): string {
    return this.#policies.revision(workload)
  }

  workloads(): Iterable<Workload> {
    return this.#workloads.all()
  }

  services(): Iterable<Service> {
    return this.#services.all()
  }

  policies(): Iterable<readonly [key: string, policy: Authorization]> {
    return this.#policies.all()
  }

  onPoliciesChanged(listener: () => void): () => void {
    this.#policyListeners.add(listener)
    return () => void this.#policyListeners.delete(listener)
  }

  onWorkloadsChanged(listener: (uids: readonly string[]) => void): () => void {
    this.#workloadListeners.add(listener)
    return () => void this.#workloadListeners.delete(listener)
  }

  #putWorkload(workload: Workload): void {
    const old = this.#workloads.put(workload)
    if (old !== undefined) this.#services.withdraw(old)
    this.#services.offer(workload)
  }

  #removeWorkload(uid: string): boolean {
    const old = this.#workloads.remove(uid)
    if (old === undefined) return false
    this.#services.withdraw(old)
    this.#policies.forgetWorkload(uid)
    return true
  }

  #tellWorkloads(uids: readonly string[]): void {
    for (const uid of uids) {
      const workload = this.#workloads.byUid(uid)
      if (workload !== undefined && this.#workloads.isLocal(workload)) this.#waiters.arrived(workload)
    }
    for (const tell of [...this.#workloadListeners]) tell(uids)
  }
}

/** What makes a resource useless here although it could be decoded. */
function problemOf(address: MeshAddress): string | undefined {
  if (address.kind === 'workload') return address.workload.uid === '' ? 'workload without uid' : undefined
  const { namespace, hostname } = address.service
  return namespace === '' || hostname === ''
    ? `service without namespace or hostname: ${JSON.stringify(serviceKey(address.service))}`
    : undefined
}
