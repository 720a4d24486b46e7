import type { ConfigSpec } from '#shared/config'

/** Settings of Istio's ztunnel that are known and not there: a start with them is refused by name. */
export const refusedSettings: NonNullable<ConfigSpec<never>['refused']> = [
  {
    env: 'PROXY_MODE',
    harmless: ['shared'],
    reason: 'only the shared mode is there, one tunnel for all pods of a node',
  },
  { env: 'PROXY_WORKLOAD_INFO', harmless: [], reason: 'belongs to the dedicated mode, which is not there' },
  { env: 'ENABLE_PROXY', harmless: ['true'], reason: 'a tunnel without its listeners has nothing to do' },
  {
    env: 'ISTIO_META_DNS_PROXY_ADDR',
    harmless: ['localhost:15053'],
    reason: "DNS is answered where the pods' redirect leads, on port 15053 of their loopback",
  },
  { env: 'FAKE_CA', harmless: ['false'], reason: 'there is no built-in certificate authority' },
  { env: 'UNSTABLE_ENABLE_SOCKS5', harmless: ['false'], reason: 'there is no SOCKS5 listener' },
  { env: 'USER_TIMEOUT_ENABLED', harmless: ['false'], reason: 'TCP_USER_TIMEOUT cannot be set' },
]
