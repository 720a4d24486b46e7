import type { Service as KubeService, ServiceEntry } from '#shared/k8s'
import { type Collection, derive, type Index, indexBy, singleton } from '../collections/index.ts'
import { type AddressWish, addressWish, allocateAddresses, type EntryAddresses } from './auto-addresses.ts'
import { type EntryHost, entryHosts, type HostClaim, hostKey, settleHost } from './entry-hosts.ts'
import { serviceHostname } from './settings.ts'
import { some, type WireParts } from './wire-parts.ts'

/** The hosts of ServiceEntries: who has them, and under which addresses. */
export interface WiredHosts {
  /** By the entry's `namespace/name`: its hosts, those that it has and those that it lost. */
  readonly claims: Index<HostClaim>
  /** Automatic addresses, by the entry's `namespace/name`; its status shall say the same. */
  readonly addresses: Collection<EntryAddresses>
}

export function wireHosts({ graph, objects, settings, meshConfig }: WireParts): WiredHosts {
  const hosts = derive<ServiceEntry, EntryHost>(graph, {
    name: 'hosts of entries',
    from: objects.serviceEntries,
    keyOf: hostKey,
    derive: (entry, fetch) => entryHosts(entry, meshConfig.visibilityIn(entry.metadata.namespace, fetch)),
  })
  const byHostname = indexBy(hosts, 'hosts of entries by name', ({ hostname }) => [hostname])
  const servicesByHostname = indexBy(objects.services, 'services by host', ({ metadata, spec }: KubeService) =>
    spec.type === 'ExternalName' ? [] : [serviceHostname(metadata.name, metadata.namespace, settings)],
  )
  const claims = derive<EntryHost, HostClaim>(graph, {
    name: 'claims to hosts',
    from: hosts,
    keyOf: hostKey,
    derive: (host, fetch) => {
      const services = fetch.by(servicesByHostname, host.hostname).map(({ metadata }) => metadata.namespace)
      return [{ ...host, outcome: settleHost(host, fetch.by(byHostname, host.hostname), services) }]
    },
  })

  const wishes = derive<ServiceEntry, AddressWish>(graph, {
    name: 'wishes for addresses',
    from: objects.serviceEntries,
    keyOf: ({ entry }) => entry,
    derive: (entry) => some(addressWish(entry)),
  })
  const allocation = singleton(graph, 'allocation of addresses', (fetch) => allocateAddresses(fetch.all(wishes)))
  const addresses = derive(graph, {
    name: 'addresses of entries',
    from: allocation.holder,
    keyOf: ({ entry }: EntryAddresses) => entry,
    derive: ({ value }) => value,
  })
  return { claims: indexBy(claims, 'claims by entry', ({ entry }) => [entry]), addresses }
}
