import { type IpAddress, parseIp } from '#shared/net'
import type { ServingNames } from './ca/index.ts'
import type { IstiodConfig } from './config.ts'

/** Names under which clients reach the control plane. */
export function servingNames({ rootNamespace, clusterDomain, addresses }: IstiodConfig): ServingNames {
  const service = `istiod.${rootNamespace}.svc`
  const loopback = ['127.0.0.1', '::1'].map(parseIp).filter((ip): ip is IpAddress => ip !== undefined)
  return {
    dnsNames: [service, `${service}.${clusterDomain}`, `istiod.${rootNamespace}`, 'istiod', 'localhost'],
    addresses: [...new Set([...loopback, ...addresses])],
  }
}
