import { readFileSync } from 'node:fs'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { MeshView } from '#shared/mesh-state'
import type { Log, Metrics } from '#shared/telemetry'
import type { LocalPod } from './capture/index.ts'
import type { ZtunnelConfig } from './config.ts'
import { DnsProxy, PodDns, type ResolverConfig, readResolvConf, Upstream } from './dns/index.ts'
import { DnsMetrics } from './reporting/index.ts'

/** Of the tunnel's DNS listeners in each pod; the node agent's redirect rules name it, so it is no setting. */
const DNS_PORT = 15_053
const UPSTREAM_PORT = 53

/** What answers the names of pods: opened for each pod with its listeners. Undefined when it is turned off. */
export function makeDns(
  config: ZtunnelConfig,
  {
    clock,
    log,
    metrics,
    view,
  }: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics; readonly view: MeshView },
): ((pod: LocalPod) => PodDns) | undefined {
  if (!config.isDnsCaptured) return undefined
  const { packetMark, isIpv6Enabled, isPortShared } = config
  const logger = log.logger('dns')
  const { servers, timeoutMs, attempts, isRotating } = resolverConfig(config.resolvConf, log)
  const upstream = new Upstream({
    clock,
    servers: servers.map((ip) => ({ ip, port: UPSTREAM_PORT })),
    timeoutMs,
    attempts,
    isRotating,
    packetMark,
  })
  const proxy = new DnsProxy({
    view,
    clock,
    upstream,
    metrics: new DnsMetrics(metrics),
    log: logger,
    domain: config.clusterDomain,
    isIpv6Enabled,
    preferredNamespace: config.preferredServiceNamespace,
  })
  const connections = { open: 0 }
  return (pod) =>
    new PodDns(pod, {
      proxy,
      clock,
      log: logger,
      port: DNS_PORT,
      isIpv6Enabled,
      packetMark,
      isPortShared,
      connections,
    })
}

/** Names of the mesh are answered without any server too, so that their lack is told and no more. */
function resolverConfig(path: string, log: Log): ResolverConfig {
  const logger = log.logger('dns')
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    logger.warn('the list of name servers cannot be read', { path, reason: reasonOf(error) })
  }
  const { config, problems } = readResolvConf(text)
  for (const problem of problems) logger.warn('a line is not followed', { path, problem })
  if (config.servers.length === 0)
    logger.warn('there is nobody to forward names to that the mesh does not know', { path })
  return config
}
