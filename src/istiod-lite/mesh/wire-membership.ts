import {
  type EntryEndpoint,
  type Service as KubeService,
  objectKey,
  type Pod,
  type ServiceEntry,
  type WorkloadEntry,
} from '#shared/k8s'
import { type PortMapping, serviceKey } from '#shared/model'
import { type Fetch, indexBy } from '../collections/index.ts'
import {
  entryMappings,
  entryPorts,
  hostMappings,
  keyOfService,
  type NamedPort,
  podMappings,
  podPorts,
  slicePods,
  sliceService,
} from './endpoints.ts'
import { entryLabels } from './entry-workloads.ts'
import { labelKeys, selectorKey, selects } from './labels.ts'
import type { WiredHosts } from './wire-hosts.ts'
import { type Labelled, some, type WireParts } from './wire-parts.ts'

type Services = ReadonlyMap<string, readonly PortMapping[]>

/** The services of which a workload is an endpoint, with its ports, sorted by their keys. */
export interface WiredMembership {
  ofPod(pod: Pod, fetch: Fetch): Services
  ofEntry(entry: WorkloadEntry, fetch: Fetch): Services
  /** Of an endpoint that stands in a ServiceEntry itself. */
  ofInline(entry: ServiceEntry, endpoint: EntryEndpoint, hostnames: readonly string[]): Services
}

export function wireMembership({ objects, settings }: WireParts, { claims }: WiredHosts): WiredMembership {
  const servicesBySelector = indexBy(objects.services, 'services by selector', ({ metadata, spec }) =>
    spec.type === 'ExternalName' ? [] : some(selectorKey(metadata.namespace, spec.selector)),
  )
  const entriesBySelector = indexBy(objects.serviceEntries, 'entries by selector', ({ metadata, spec }) =>
    some(selectorKey(metadata.namespace, spec.workloadSelector?.labels ?? {})),
  )
  const slicesByPod = indexBy(objects.endpointSlices, 'slices by pod', slicePods)

  const selecting = ({ namespace, labels }: Labelled, fetch: Fetch): readonly KubeService[] =>
    labelKeys(namespace, labels)
      .flatMap((key) => fetch.by(servicesBySelector, key))
      .filter((service) => selects(service.spec.selector, labels))

  /** Services without a selector belong to the pods that their slices name. */
  const naming = (pod: Pod, fetch: Fetch): readonly KubeService[] =>
    fetch.by(slicesByPod, objectKey(pod)).flatMap((slice) => {
      const service = fetch.one(objects.services, sliceService(slice) ?? '')
      const isNamed = service !== undefined && service.spec.type !== 'ExternalName'
      return isNamed && Object.keys(service.spec.selector).length === 0 ? [service] : []
    })

  const ofEntries = ({ namespace, labels }: Labelled, named: NamedPort, fetch: Fetch): readonly Membership[] =>
    labelKeys(namespace, labels)
      .flatMap((key) => fetch.by(entriesBySelector, key))
      .filter(({ spec }) => selects(spec.workloadSelector?.labels ?? {}, labels))
      .flatMap((entry) =>
        fetch
          .by(claims, objectKey(entry))
          .filter(({ outcome }) => outcome.kind === 'held')
          .map((claim): Membership => [serviceKey(claim), hostMappings(entry, named)]),
      )

  return {
    ofPod: (pod, fetch) => {
      const named = podPorts(pod)
      const services = [...selecting(pod.metadata, fetch), ...naming(pod, fetch)]
      const own = services.map((service): Membership => [keyOfService(service, settings), podMappings(service, named)])
      return sorted([...own, ...ofEntries(pod.metadata, named, fetch)])
    },
    ofEntry: (entry, fetch) => {
      const labelled = { namespace: entry.metadata.namespace, labels: entryLabels(entry) }
      const named = entryPorts(entry.spec)
      const own = selecting(labelled, fetch).map(
        (service): Membership => [keyOfService(service, settings), entryMappings(service, named)],
      )
      return sorted([...own, ...ofEntries(labelled, named, fetch)])
    },
    ofInline: (entry, endpoint, hostnames) => {
      const { namespace } = entry.metadata
      const ports = hostMappings(entry, entryPorts(endpoint))
      return sorted(hostnames.map((hostname): Membership => [serviceKey({ namespace, hostname }), ports]))
    },
  }
}

type Membership = readonly [service: string, ports: readonly PortMapping[]]

function sorted(memberships: readonly Membership[]): Services {
  return new Map([...memberships].sort(([a], [b]) => (a < b ? -1 : 1)))
}
