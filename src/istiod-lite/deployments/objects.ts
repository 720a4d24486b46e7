import { formatPath, isRecord } from '#shared/document'
import type { Gateway, GatewayListener } from '#shared/k8s'
import type { ApiDocument, ApiResource } from '#shared/kube-client'
import { OVERLAY_KEYS, type Overlay, type OverlayKey } from './parameters.ts'
import { podTemplate, READINESS_PORT } from './pod-template.ts'
import { CLASS_NAME_LABEL, GATEWAY_NAME_LABEL, MANAGED_LABEL, MANAGER, RESOURCES } from './resources.ts'
import { strategicMerge } from './strategic-merge.ts'

/** What holds for all waypoints of a mesh. */
export interface WaypointSettings {
  readonly clusterId: string
  readonly trustDomain: string
  readonly clusterDomain: string
  readonly rootNamespace: string
  /** Of the waypoint's container. */
  readonly waypointImage: string
}

/** One object as it is to be applied. */
export interface PlannedObject {
  readonly resource: ApiResource
  readonly namespace: string
  readonly name: string
  readonly document: ApiDocument
}

export type PlannedObjects =
  | { readonly kind: 'objects'; readonly objects: readonly PlannedObject[]; readonly service: string }
  | { readonly kind: 'invalid'; readonly problem: string }

const NAME_OVERRIDE = 'gateway.istio.io/name-override'
const SERVICE_ACCOUNT = 'gateway.istio.io/service-account'
export const CONTROLLER_VERSION = 'gateway.istio.io/controller-version'
const SERVICE_TYPE = 'networking.istio.io/service-type'
const SERVICE_TYPES: ReadonlySet<string> = new Set(['ClusterIP', 'NodePort', 'LoadBalancer'])
const NETWORK_LABEL = 'topology.istio.io/network'
/** Said about the Gateway itself, and copied to nothing. */
const NOT_COPIED: ReadonlySet<string> = new Set([NAME_OVERRIDE, SERVICE_ACCOUNT, CONTROLLER_VERSION])
/** Made only when there is something to be said about them. */
const OPTIONAL: ReadonlySet<OverlayKey> = new Set(['horizontalPodAutoscaler', 'podDisruptionBudget'])

/**
 * Everything that runs a waypoint: what its Gateway says, with the patches of its parameters upon it.
 *
 * @param listeners those that are accepted
 * @param network of the cluster; empty = none
 * @see istio-control-plane c.1
 */
export function waypointObjects(
  gateway: Gateway,
  listeners: readonly GatewayListener[],
  overlays: readonly Overlay[],
  network: string,
  settings: WaypointSettings,
): PlannedObjects {
  const type = gateway.metadata.annotations[SERVICE_TYPE]
  if (type !== undefined && !SERVICE_TYPES.has(type))
    return { kind: 'invalid', problem: `annotation ${SERVICE_TYPE}: is none of ${[...SERVICE_TYPES].join(', ')}` }
  const bases = baseDocuments(gateway, listeners, network, settings)
  const problems: string[] = []
  const keys = OVERLAY_KEYS.filter(
    (key) => !OPTIONAL.has(key) || overlays.some((overlay) => overlay[key] !== undefined),
  )
  const objects = keys.map((key): PlannedObject => {
    const resource = RESOURCES[key]
    const base = { apiVersion: resource.apiVersion, kind: resource.kind, ...bases[key] }
    const document = overlays.reduce((merged: ApiDocument, overlay) => {
      const report = (path: readonly (string | number)[], problem: string): void =>
        void problems.push(`${key}: ${formatPath(path)}: ${problem}`)
      return strategicMerge(merged, overlay[key] ?? {}, report)
    }, base)
    const changed = identityChange(base, document)
    if (changed !== undefined) problems.push(`${key}: ${changed}: cannot be changed`)
    return { resource, namespace: gateway.metadata.namespace, name: nameOf(gateway), document }
  })
  const [problem] = problems
  if (problem !== undefined) return { kind: 'invalid', problem: `parameters: ${problem}` }
  const account = objects.map((object) =>
    object.resource === RESOURCES.serviceAccount ? { ...object, name: accountOf(gateway) } : object,
  )
  return { kind: 'objects', objects: account, service: `${gateway.metadata.namespace}/${nameOf(gateway)}` }
}

/** By these an object is found again, and goes when its Gateway goes. */
function identityChange(base: ApiDocument, document: ApiDocument): string | undefined {
  const parts = [base, document].map(({ apiVersion, kind, metadata }) => {
    const { name, namespace, ownerReferences, labels } = isRecord(metadata) ? metadata : {}
    const { [MANAGED_LABEL]: managed, [GATEWAY_NAME_LABEL]: gateway } = isRecord(labels) ? labels : {}
    return {
      apiVersion,
      kind,
      name,
      namespace,
      ownerReferences,
      [MANAGED_LABEL]: managed,
      [GATEWAY_NAME_LABEL]: gateway,
    }
  })
  const [before = {}, after = {}] = parts.map((part) => part as ApiDocument)
  return Object.keys(before).find((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
}

function nameOf({ metadata }: Gateway): string {
  return metadata.annotations[NAME_OVERRIDE] ?? metadata.name
}

function accountOf(gateway: Gateway): string {
  return gateway.metadata.annotations[SERVICE_ACCOUNT] ?? nameOf(gateway)
}

function baseDocuments(
  gateway: Gateway,
  listeners: readonly GatewayListener[],
  network: string,
  settings: WaypointSettings,
): Readonly<Record<OverlayKey, ApiDocument>> {
  const { metadata, spec } = gateway
  const name = nameOf(gateway)
  // What is said about what is made counts alone; else everything that the Gateway carries is copied.
  const given = spec.infrastructure ?? metadata
  const labels = {
    ...given.labels,
    [GATEWAY_NAME_LABEL]: metadata.name,
    [CLASS_NAME_LABEL]: spec.gatewayClassName,
    [MANAGED_LABEL]: MANAGER,
  }
  const annotations = Object.fromEntries(Object.entries(given.annotations).filter(([key]) => !NOT_COPIED.has(key)))
  const owner = { apiVersion: gateway.apiVersion, kind: gateway.kind, name: metadata.name, uid: metadata.uid }
  const meta = { name, namespace: metadata.namespace, labels, annotations, ownerReferences: [owner] }
  const matchLabels = { [GATEWAY_NAME_LABEL]: metadata.name }
  return {
    serviceAccount: { metadata: { ...meta, name: accountOf(gateway) } },
    deployment: {
      metadata: meta,
      // No replicas: whoever scales it keeps them.
      spec: {
        selector: { matchLabels },
        template: podTemplate({
          gateway: metadata.name,
          deployment: name,
          serviceAccount: accountOf(gateway),
          revision: metadata.labels['istio.io/rev'] ?? 'default',
          image: settings.waypointImage,
          labels,
          annotations,
          clusterId: settings.clusterId,
          trustDomain: settings.trustDomain,
          clusterDomain: settings.clusterDomain,
          rootNamespace: settings.rootNamespace,
          network: given.labels[NETWORK_LABEL] ?? network,
        }),
      },
    },
    service: {
      metadata: {
        ...meta,
        annotations: { 'networking.istio.io/traffic-distribution': 'PreferClose', ...annotations },
      },
      spec: serviceSpec(gateway, listeners, matchLabels),
    },
    horizontalPodAutoscaler: {
      metadata: meta,
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, maxReplicas: 1 },
    },
    podDisruptionBudget: { metadata: meta, spec: { selector: { matchLabels } } },
  }
}

function serviceSpec(
  { metadata, spec }: Gateway,
  listeners: readonly GatewayListener[],
  selector: Readonly<Record<string, string>>,
): ApiDocument {
  const type = metadata.annotations[SERVICE_TYPE] ?? 'ClusterIP'
  const [address] = spec.addresses
  return {
    type,
    ...(type === 'LoadBalancer' && address !== undefined ? { loadBalancerIP: address.value } : {}),
    ipFamilyPolicy: 'PreferDualStack',
    ports: [
      { name: 'status-port', port: READINESS_PORT, protocol: 'TCP', appProtocol: 'tcp' },
      ...uniquePorts(listeners).map(({ name, port, protocol }) => ({
        name,
        port,
        protocol: 'TCP',
        appProtocol: protocol.toLowerCase(),
      })),
    ],
    selector,
  }
}

/** Several listeners may share a port; a service has it once. */
function uniquePorts(listeners: readonly GatewayListener[]): readonly GatewayListener[] {
  return listeners.filter(({ port }, i) => listeners.findIndex((other) => other.port === port) === i)
}
