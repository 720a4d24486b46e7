import { MeshError } from '#shared/errors'
import { PQC_GROUPS, type TlsProfile } from '#shared/pki'
import {
  type ControlPlaneEndpoint,
  type JsonObject,
  type JsonValue,
  parseControlPlaneUrl,
  rootSource,
  tokenSource,
} from '#shared/xds'
import type { ZtunnelConfig } from './config.ts'

/** @throws MeshError `CONFIG_INVALID` when the address is none */
export function xdsEndpoint(config: ZtunnelConfig, address: string): ControlPlaneEndpoint {
  return {
    ...endpointOf(config, 'XDS_ADDRESS', address),
    roots: rootSource(config.xdsRootCa, DEFAULT_ROOT_PATH),
    alternativeHost: config.altXdsHostname,
    headers: headersOf(config.xdsHeaders),
  }
}

/** @throws MeshError `CONFIG_INVALID` when the address is none */
export function caEndpoint(config: ZtunnelConfig): ControlPlaneEndpoint {
  return {
    ...endpointOf(config, 'CA_ADDRESS', config.caAddress),
    roots: rootSource(config.caRootCa, DEFAULT_ROOT_PATH),
    alternativeHost: config.altCaHostname,
    headers: headersOf(config.caHeaders),
  }
}

/** What of TLS the tunnels of this node speak. */
export function tlsProfile({ isTls12Enabled, compliancePolicy }: ZtunnelConfig): TlsProfile {
  return { isTls12Enabled, isPqcOnly: compliancePolicy === 'pqc' }
}

/** What the control plane sees of this node (hbone-and-ztunnel a.2); the domain is `cluster.local`, as Istio has it. */
export function nodeIdentity(config: ZtunnelConfig): { readonly id: string; readonly metadata: JsonObject } {
  const { instanceIp, podName, podNamespace, nodeName, nodeMetadata, nodeMetadataJson, proxyConfig, clusterId } = config
  const fromProxy = Object.entries(proxyConfig.proxyMetadata).map(([key, value]) => [
    key.replace(/^ISTIO_META_/, ''),
    value,
  ])
  const metadata: Record<string, JsonValue> = {
    NAME: podName,
    NAMESPACE: podNamespace,
    INSTANCE_IPS: instanceIp,
    CLUSTER_ID: clusterId,
    ...(nodeName === undefined ? {} : { NODE_NAME: nodeName }),
    ...Object.fromEntries(fromProxy),
    ...nodeMetadata,
    ...Object.fromEntries(Object.entries(nodeMetadataJson).map(([key, text]) => [key, jsonOf(key, text)])),
  }
  return {
    id: `ztunnel~${instanceIp}~${podName}.${podNamespace}~${podNamespace}.svc.cluster.local`,
    metadata,
  }
}

const DEFAULT_ROOT_PATH = './var/run/secrets/istio/root-cert.pem'
const DEFAULT_TOKEN_PATH = './var/run/secrets/tokens/istio-token'

function endpointOf(
  config: ZtunnelConfig,
  name: string,
  address: string,
): Pick<ControlPlaneEndpoint, 'host' | 'port' | 'token' | 'clusterId' | 'allowTls12' | 'keyExchangeGroups'> {
  const url = parseControlPlaneUrl(address)
  if (url === undefined) throw new MeshError('CONFIG_INVALID', `${name}=${JSON.stringify(address)} is no https URL`)
  return {
    ...url,
    token: tokenSource(config.authToken, DEFAULT_TOKEN_PATH),
    clusterId: config.clusterId,
    allowTls12: config.isTls12Enabled,
    keyExchangeGroups: config.compliancePolicy === 'pqc' ? PQC_GROUPS : undefined,
  }
}

function headersOf(headers: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
}

function jsonOf(key: string, text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', `ISTIO_METAJSON_${key} is no JSON`, { cause })
  }
}
