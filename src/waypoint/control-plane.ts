import { MeshError } from '#shared/errors'
import { type ControlPlaneEndpoint, type JsonObject, parseControlPlaneUrl, rootSource, tokenSource } from '#shared/xds'
import type { WaypointConfig } from './config.ts'

const DEFAULT_ROOT_PATH = './var/run/secrets/istio/root-cert.pem'
const DEFAULT_TOKEN_PATH = './var/run/secrets/tokens/istio-token'

/** By this label of its pod the control plane knows which Gateway a waypoint is of, as with Istio's. */
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name'

/** @throws MeshError `CONFIG_INVALID` when the address is none */
export function xdsEndpoint(config: WaypointConfig): ControlPlaneEndpoint {
  return endpointOf(config, 'XDS_ADDRESS', config.xdsAddress, config.xdsRootCa)
}

/** @throws MeshError `CONFIG_INVALID` when the address is none */
export function caEndpoint(config: WaypointConfig): ControlPlaneEndpoint {
  return endpointOf(config, 'CA_ADDRESS', config.caAddress, config.caRootCa)
}

/** What the control plane sees of this waypoint. */
export function nodeIdentity(config: WaypointConfig): { readonly id: string; readonly metadata: JsonObject } {
  const { instanceIp, podName, podNamespace, clusterDomain } = config
  return {
    id: `waypoint~${instanceIp}~${podName}.${podNamespace}~${podNamespace}.svc.${clusterDomain}`,
    metadata: {
      NAME: podName,
      NAMESPACE: podNamespace,
      INSTANCE_IPS: instanceIp,
      NODE_NAME: config.nodeName,
      SERVICE_ACCOUNT: config.serviceAccount,
      CLUSTER_ID: config.clusterId,
      WORKLOAD_NAME: config.workloadName,
      LABELS: { [GATEWAY_NAME]: config.gateway },
    },
  }
}

function endpointOf(
  config: WaypointConfig,
  name: string,
  address: string,
  roots: string | undefined,
): ControlPlaneEndpoint {
  const url = parseControlPlaneUrl(address)
  if (url === undefined) throw new MeshError('CONFIG_INVALID', `${name}=${JSON.stringify(address)} is no https URL`)
  return {
    ...url,
    roots: rootSource(roots, DEFAULT_ROOT_PATH),
    token: tokenSource(config.authToken, DEFAULT_TOKEN_PATH),
    clusterId: config.clusterId,
    alternativeHost: undefined,
    headers: [],
    allowTls12: false,
    keyExchangeGroups: undefined,
  }
}
