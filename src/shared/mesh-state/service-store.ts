import { type Service, serviceKey, type Workload } from '#shared/model'
import type { IpAddress } from '#shared/net'
import { CidrVips } from './cidr-vips.ts'
import { Groups } from './groups.ts'
import { preferred, type StoredService } from './preferred.ts'
import type { Endpoint } from './types.ts'
import { addressKey } from './workload-store.ts'

/**
 * Every service, found by key, host name or virtual address, and the endpoints that workloads offer.
 *
 * Endpoints are filed under the service's key when their workload comes, whether the service is known yet or not, and
 * filtered by its health policy when a changed list is first read. So a service that comes late, changes its health
 * policy, or goes and comes back finds every endpoint there is.
 */
export class ServiceStore {
  readonly #byKey = new Map<string, StoredService>()
  /** Key `<network>/<ip>`. */
  readonly #byVip = new Groups<string, StoredService>()
  readonly #byHostname = new Groups<string, StoredService>()
  readonly #cidrVips = new CidrVips()
  /** Service key → workload uid → endpoint. */
  readonly #offered = new Map<string, Map<string, Endpoint>>()
  /** Service key → usable endpoints, until one of them changes. */
  readonly #usable = new Map<string, readonly Endpoint[]>()
  #sequence = 0

  /** Adds a service, or replaces the one of the same key. */
  put(service: Service): void {
    const key = serviceKey(service)
    this.remove(key)
    const stored: StoredService = { service, sequence: this.#sequence++ }
    this.#byKey.set(key, stored)
    this.#byHostname.add(service.hostname, stored)
    for (const vip of vipKeys(service)) this.#byVip.add(vip, stored)
    this.#cidrVips.add(stored)
  }

  /** Whether there was one. */
  remove(key: string): boolean {
    const stored = this.#byKey.get(key)
    if (stored === undefined) return false
    this.#byKey.delete(key)
    this.#usable.delete(key)
    this.#byHostname.remove(stored.service.hostname, stored)
    for (const vip of vipKeys(stored.service)) this.#byVip.remove(vip, stored)
    this.#cidrVips.remove(stored)
    return true
  }

  byKey(key: string): Service | undefined {
    return this.#byKey.get(key)?.service
  }

  /** Exact addresses first; networks only when no exact one is visible to the client. */
  byVip(network: string, ip: IpAddress, clientNamespace: string): Service | undefined {
    const exact = preferred(this.#byVip.of(addressKey(network, ip)), clientNamespace)
    return exact ?? this.#cidrVips.find(network, ip, clientNamespace)
  }

  byHostname(hostname: string, clientNamespace: string): Service | undefined {
    return preferred(this.#byHostname.of(hostname), clientNamespace)
  }

  allByHostname(hostname: string): readonly Service[] {
    return this.#byHostname.of(hostname).map(({ service }) => service)
  }

  *all(): Iterable<Service> {
    for (const { service } of this.#byKey.values()) yield service
  }

  /** Files the endpoints that a workload offers. */
  offer(workload: Workload): void {
    for (const [key, mappings] of workload.services) {
      const ports = new Map(mappings.map((mapping) => [mapping.servicePort, mapping.targetPort]))
      const endpoints = this.#offered.get(key) ?? new Map<string, Endpoint>()
      endpoints.set(workload.uid, { workload, ports })
      this.#offered.set(key, endpoints)
      this.#usable.delete(key)
    }
  }

  /** Takes a workload's endpoints back. */
  withdraw(workload: Workload): void {
    for (const key of workload.services.keys()) {
      const endpoints = this.#offered.get(key)
      endpoints?.delete(workload.uid)
      if (endpoints?.size === 0) this.#offered.delete(key)
      this.#usable.delete(key)
    }
  }

  /** Endpoints that the service's health policy lets through; none while the service is unknown. */
  endpoints(key: string): readonly Endpoint[] {
    const known = this.#usable.get(key)
    if (known !== undefined) return known
    const service = this.byKey(key)
    if (service === undefined) return []
    const isAnyTaken = service.loadBalancer?.healthPolicy === 'AllowAll'
    const offered = [...(this.#offered.get(key)?.values() ?? [])]
    const usable = offered.filter(({ workload }) => isAnyTaken || workload.status === 'Healthy')
    this.#usable.set(key, usable)
    return usable
  }

  /** Endpoints of services that are not known. */
  *staged(): Iterable<readonly [serviceKey: string, endpoints: readonly Endpoint[]]> {
    for (const [key, endpoints] of this.#offered) {
      if (!this.#byKey.has(key)) yield [key, [...endpoints.values()]]
    }
  }
}

function vipKeys(service: Service): ReadonlySet<string> {
  return new Set(service.vips.map((vip) => addressKey(vip.network, vip.ip)))
}
