import type { Closer } from '#shared/lifecycle'
import type { IpAddress } from '#shared/net'
import type { ApiObject, ObjectAccess } from '../apiserver/index.ts'
import { readPodIps, readService, readSlice, serviceOfSlice } from './read-records.ts'
import type { EndpointRecord, LiveServiceRecord, ServiceRecord } from './types.ts'

/** Something of the API that has addresses, found by one of them. */
interface Addressed<T> {
  readonly value: T
  readonly ips: readonly IpAddress[]
}

/** Objects by uid, and by each of their addresses. */
class AddressIndex<T> {
  readonly #byUid = new Map<string, Addressed<T>>()
  readonly #byIp = new Map<IpAddress, Map<string, T>>()

  get values(): Iterable<T> {
    return [...this.#byUid.values()].map(({ value }) => value)
  }

  at(ip: IpAddress): readonly T[] {
    return [...(this.#byIp.get(ip)?.values() ?? [])]
  }

  /** @returns what was there before */
  put(uid: string, entry: Addressed<T> | undefined): T | undefined {
    const before = this.#byUid.get(uid)
    for (const ip of before?.ips ?? []) {
      const there = this.#byIp.get(ip)
      there?.delete(uid)
      if (there?.size === 0) this.#byIp.delete(ip)
    }
    if (entry === undefined) this.#byUid.delete(uid)
    else this.#byUid.set(uid, entry)
    for (const ip of entry?.ips ?? []) {
      const there = this.#byIp.get(ip) ?? new Map<string, T>()
      this.#byIp.set(ip, there.set(uid, entry?.value as T))
    }
    return before?.value
  }
}

interface Slice {
  readonly service: string
  readonly endpoints: readonly EndpointRecord[]
}

/** Services, endpoints and namespaces as the API has them now; each change is seen the moment that it is written. */
export class ServiceTable implements Closer {
  readonly #services = new Map<string, ServiceRecord>()
  readonly #byAddress = new AddressIndex<ServiceRecord>()
  readonly #slices = new AddressIndex<Slice>()
  /** Uids of slices, by service. */
  readonly #slicesOf = new Map<string, Map<string, Slice>>()
  readonly #pods = new AddressIndex<{ readonly namespace: string }>()
  readonly #namespaces = new Set<string>()
  readonly #watches: readonly { stop(): void }[]
  readonly #listeners = new Set<() => void>()

  /** What is there already is in the table when this returns. */
  constructor(access: ObjectAccess) {
    const follow = (group: string, resource: string, take: (object: ApiObject, isGone: boolean) => void) =>
      access.watch({ group, resource, namespace: '' }, ({ type, object }) => take(object, type === 'DELETED'))
    this.#watches = [
      follow('', 'namespaces', ({ metadata: { name } }, isGone) => {
        if (isGone) this.#namespaces.delete(name)
        else this.#namespaces.add(name)
      }),
      follow('', 'services', (object, isGone) => this.#takeService(object, isGone)),
      follow('discovery.k8s.io', 'endpointslices', (object, isGone) => this.#takeSlice(object, isGone)),
      follow('', 'pods', (object, isGone) => {
        const { uid = '', namespace = '' } = object.metadata
        this.#pods.put(uid, isGone ? undefined : { value: { namespace }, ips: readPodIps(object) })
      }),
    ]
  }

  /** Called after each change of a service or of endpoints. @returns the end of it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get services(): readonly LiveServiceRecord[] {
    return [...this.#services.values()].map((service) => ({ service, endpoints: this.endpointsOf(service.key) }))
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.has(name)
  }

  service(key: string): ServiceRecord | undefined {
    return this.#services.get(key)
  }

  endpointsOf(key: string): readonly EndpointRecord[] {
    return [...(this.#slicesOf.get(key)?.values() ?? [])].flatMap(({ endpoints }) => endpoints)
  }

  /** The service whose own address it is. */
  serviceAt(ip: IpAddress): ServiceRecord | undefined {
    return this.#byAddress.at(ip)[0]
  }

  /** Every service that has an endpoint there. */
  endpointsAt(ip: IpAddress): readonly { readonly service: ServiceRecord; readonly endpoint: EndpointRecord }[] {
    return this.#slices.at(ip).flatMap(({ service: key, endpoints }) => {
      const service = this.#services.get(key)
      const endpoint = endpoints.find(({ ips }) => ips.includes(ip))
      return service === undefined || endpoint === undefined ? [] : [{ service, endpoint }]
    })
  }

  /** The namespace of the pod that has the address. */
  podNamespaceAt(ip: IpAddress): string | undefined {
    return this.#pods.at(ip)[0]?.namespace
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.stop()
    this.#listeners.clear()
  }

  #takeService(object: ApiObject, isGone: boolean): void {
    const { uid = '' } = object.metadata
    const service = readService(object)
    const before = this.#byAddress.put(uid, isGone ? undefined : { value: service, ips: service.clusterIps })
    // One of the same name may have come before the old one's end is told.
    if (!isGone) this.#services.set(service.key, service)
    else if (this.#services.get(service.key) === before) this.#services.delete(service.key)
    this.#tell()
  }

  #takeSlice(object: ApiObject, isGone: boolean): void {
    const { uid = '' } = object.metadata
    const key = isGone ? undefined : serviceOfSlice(object)
    const slice = key === undefined ? undefined : { service: key, endpoints: readSlice(object) }
    const before = this.#slices.put(
      uid,
      slice === undefined ? undefined : { value: slice, ips: slice.endpoints.flatMap(({ ips }) => ips) },
    )
    if (before !== undefined) {
      const its = this.#slicesOf.get(before.service)
      its?.delete(uid)
      if (its?.size === 0) this.#slicesOf.delete(before.service)
    }
    if (slice !== undefined) {
      const its = this.#slicesOf.get(slice.service) ?? new Map<string, Slice>()
      this.#slicesOf.set(slice.service, its.set(uid, slice))
    }
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}
