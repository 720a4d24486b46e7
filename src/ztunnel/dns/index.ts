export { DnsProxy, type DnsProxyOptions } from './dns-proxy.ts'
export { type ConnectionCount, PodDns, type PodDnsOptions } from './pod-dns.ts'
export { type ResolverConfig, readResolvConf } from './resolv-conf.ts'
export { Upstream, type UpstreamOptions } from './upstream.ts'
