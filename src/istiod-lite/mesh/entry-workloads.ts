import type { EntryEndpoint, ObjectMeta, ServiceEntry, WorkloadEntry } from '#shared/k8s'
import type { ApplicationTunnel, GatewayAddress, PortMapping, Workload } from '#shared/model'
import { parseIp } from '#shared/net'
import { localityOfText } from './locality.ts'
import { entryNames, namesOf, type WorkloadNames } from './names.ts'
import type { MeshSettings } from './settings.ts'
import { isRedirected, isTunnelNative } from './workloads.ts'

/** Everything beside an entry that its workload is made from. */
export interface EntryFacts {
  readonly settings: MeshSettings
  /** That of the entry; see `networkOf`. */
  readonly network: string
  readonly networkGateway: GatewayAddress | undefined
  /** Services of which it is an endpoint, with their ports. */
  readonly services: ReadonlyMap<string, readonly PortMapping[]>
  readonly policies: readonly string[]
  readonly waypoint: GatewayAddress | undefined
  readonly applicationTunnel: ApplicationTunnel | undefined
}

const API_GROUP = 'networking.istio.io'
const DEFAULT_ACCOUNT = 'default'

export function accountOfEndpoint({ serviceAccount }: EntryEndpoint): string {
  return serviceAccount || DEFAULT_ACCOUNT
}

/** An endpoint's own network, else the cluster's. */
export function networkOf({ network }: EntryEndpoint, clusterNetwork: string): string {
  return network === '' ? clusterNetwork : network
}

/** The uid of an entry's workload. */
export function entryUid({ metadata }: WorkloadEntry, settings: MeshSettings): string {
  return `${settings.clusterId}/${API_GROUP}/WorkloadEntry/${metadata.namespace}/${metadata.name}`
}

/** The uid of the workload of an endpoint that a ServiceEntry writes down. */
export function endpointUid({ metadata }: ServiceEntry, { address }: EntryEndpoint, settings: MeshSettings): string {
  return `${settings.clusterId}/${API_GROUP}/ServiceEntry/${metadata.namespace}/${metadata.name}/${address}`
}

/** By what services and policies select it: labels of both places, of which those of its metadata win. */
export function entryLabels({ metadata, spec }: WorkloadEntry): Readonly<Record<string, string>> {
  return { ...spec.labels, ...metadata.labels }
}

/** @see istio-control-plane b.2 */
export function entryWorkload(entry: WorkloadEntry, facts: EntryFacts): Workload {
  const { metadata, spec } = entry
  const labels = entryLabels(entry)
  return workload(entryUid(entry, facts.settings), { ...metadata, labels }, spec, entryNames(entry, labels), facts)
}

/** Where a ServiceEntry's traffic can go by its own words. */
export interface InlineEndpoint {
  readonly endpoint: EntryEndpoint
  /** Those of the entry's hosts that it serves. */
  readonly hostnames: readonly string[]
}

const LOOKED_UP: EntryEndpoint = {
  address: '',
  ports: new Map(),
  labels: {},
  network: '',
  locality: '',
  weight: 0,
  serviceAccount: '',
}

/**
 * The endpoints that a ServiceEntry writes down, each for every host; or, when its hosts are looked up, the hosts
 * themselves. None when it selects workloads.
 *
 * @param hostnames of the entry's hosts those that it has
 */
export function inlineEndpoints({ spec }: ServiceEntry, hostnames: readonly string[]): readonly InlineEndpoint[] {
  if (hostnames.length === 0 || spec.workloadSelector !== undefined) return []
  switch (spec.resolution) {
    case 'NONE':
    case 'DYNAMIC_DNS':
      return []
    case 'STATIC':
      return spec.endpoints.map((endpoint) => ({ endpoint, hostnames }))
    case 'DNS':
    case 'DNS_ROUND_ROBIN':
      if (spec.endpoints.length > 0) return spec.endpoints.map((endpoint) => ({ endpoint, hostnames }))
      return hostnames.map((address) => ({ endpoint: { ...LOOKED_UP, address }, hostnames: [address] }))
  }
}

/** What is the entry's own holds for each of its endpoints: names, labels for policies, the tunnel. */
export function inlineWorkload(entry: ServiceEntry, endpoint: EntryEndpoint, facts: EntryFacts): Workload {
  const { metadata } = entry
  return workload(
    endpointUid(entry, endpoint, facts.settings),
    metadata,
    endpoint,
    namesOf(metadata.labels, metadata.name),
    facts,
  )
}

function workload(
  uid: string,
  meta: ObjectMeta,
  endpoint: EntryEndpoint,
  names: WorkloadNames,
  facts: EntryFacts,
): Workload {
  const ip = parseIp(endpoint.address)
  const nativeTunnel = isTunnelNative(meta)
  return {
    uid,
    name: meta.name,
    namespace: meta.namespace,
    addresses: ip === undefined ? [] : [ip],
    hostname: ip === undefined ? endpoint.address : '',
    network: facts.network,
    protocol: nativeTunnel || isRedirected(meta) ? 'HBONE' : 'TCP',
    trustDomain: facts.settings.trustDomain,
    serviceAccount: accountOfEndpoint(endpoint),
    waypoint: facts.waypoint,
    networkGateway: facts.networkGateway,
    node: '',
    ...names,
    workloadType: 'pod',
    nativeTunnel,
    applicationTunnel: facts.applicationTunnel,
    services: facts.services,
    authorizationPolicies: facts.policies,
    // Nobody probes it.
    status: 'Healthy',
    clusterId: facts.settings.clusterId,
    locality: localityOfText(endpoint.locality),
    networkMode: 'Standard',
    capacity: endpoint.weight === 0 ? 1 : endpoint.weight,
  }
}
