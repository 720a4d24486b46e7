import { parse } from 'yaml'

/** Istio's ProxyConfig as far as a tunnel reads it. */
export interface ProxyConfig {
  readonly discoveryAddress: string | undefined
  readonly proxyAdminPort: number | undefined
  readonly statsPort: number | undefined
  readonly proxyMetadata: Readonly<Record<string, string>>
}

export const NO_PROXY_CONFIG: ProxyConfig = {
  discoveryAddress: undefined,
  proxyAdminPort: undefined,
  statsPort: undefined,
  proxyMetadata: {},
}

/**
 * Reads the YAML of `PROXY_CONFIG`; keys that a tunnel has no use for are passed over.
 *
 * @throws Error that says what is wrong
 */
export function readProxyConfig(given: string): ProxyConfig {
  const document: unknown = parse(given) ?? {}
  if (typeof document !== 'object' || Array.isArray(document)) throw new Error('must be a YAML object')
  const { discoveryAddress, proxyAdminPort, statsPort, proxyMetadata = {} } = document as Record<string, unknown>
  if (typeof proxyMetadata !== 'object' || proxyMetadata === null) throw new Error('proxyMetadata must be an object')
  return {
    discoveryAddress: discoveryAddress === undefined ? undefined : String(discoveryAddress),
    proxyAdminPort: portOf('proxyAdminPort', proxyAdminPort),
    statsPort: portOf('statsPort', statsPort),
    proxyMetadata: Object.fromEntries(Object.entries(proxyMetadata).map(([key, value]) => [key, String(value)])),
  }
}

function portOf(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  const port = Number(value)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`${name} must be a port`)
  return port
}
