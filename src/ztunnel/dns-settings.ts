import { ConfigError, type ConfigSpec, optionalText, parsed, setting, text } from '#shared/config'
import { type DomainName, lowerCase, parseName } from '#shared/dns'
import type { ProxyConfig } from './proxy-config.ts'

/** The part of the tunnel's settings that is about DNS; `undefined` = not given. */
export interface GivenDnsSettings {
  readonly isDnsCaptured: boolean | undefined
  readonly clusterDomain: DomainName
  readonly preferredServiceNamespace: string | undefined
  /** A path. */
  readonly resolvConf: string
}

const DNS_CAPTURE = 'ISTIO_META_DNS_CAPTURE'

/** Only the word `true` asks for it, in any case, as Istio has it. */
const isTrue = (given: string): boolean => given.toLowerCase() === 'true'

const domain = parsed<DomainName>('domain', (given) => {
  const name = parseName(lowerCase(given))
  if (name === undefined) throw new Error('must be a domain name')
  return name
})

export const dnsSettings: ConfigSpec<GivenDnsSettings>['settings'] = {
  isDnsCaptured: setting(
    parsed<boolean | undefined>('boolean', isTrue),
    DNS_CAPTURE,
    undefined,
    "Answer the pods' DNS queries on 15053; anything but `true` turns it off.",
    'as `proxyMetadata` says, else on unless `XDS_ON_DEMAND`',
  ),
  clusterDomain: setting(
    domain,
    'CLUSTER_DOMAIN',
    ['cluster', 'local'],
    'Domain below whose `svc` services have their names; DNS only.',
    'cluster.local',
  ),
  preferredServiceNamespace: setting(
    optionalText,
    'PREFERED_SERVICE_NAMESPACE',
    undefined,
    "Whose service is answered with when several share a name, none of the client's namespace and none canonical. Spelt as Istio does.",
  ),
  resolvConf: setting(
    text,
    'AMBIT_RESOLV_CONF',
    '/etc/resolv.conf',
    'File with the name servers that DNS queries are forwarded to; read once, at the start.',
  ),
}

/**
 * Whether the tunnel answers DNS: the environment's word, else `proxyMetadata`'s, else it does.
 *
 * @throws ConfigError when it is asked for together with a mesh of which only what is asked for is known
 */
export function isDnsCaptured(
  given: { readonly isDnsCaptured: boolean | undefined; readonly xdsOnDemand: boolean },
  { proxyMetadata }: ProxyConfig,
): boolean {
  const inMetadata = proxyMetadata[DNS_CAPTURE]
  const asked = given.isDnsCaptured ?? (inMetadata === undefined ? undefined : isTrue(inMetadata))
  if (!given.xdsOnDemand) return asked ?? true
  if (asked !== true) return false
  const reason = `excludes ${DNS_CAPTURE}: names of services that were not sent cannot be answered`
  throw new ConfigError([{ name: 'XDS_ON_DEMAND', value: 'true', reason }])
}
