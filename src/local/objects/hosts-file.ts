/** A service by the names that pods call it. */
export interface NamedService {
  readonly namespace: string
  readonly name: string
  /** Its own addresses, or those of its endpoints when it has none. */
  readonly addresses: readonly string[]
}

const CLUSTER_DOMAIN = 'cluster.local'
const LOOPBACK = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback']

/**
 * /etc/hosts of a pod: until there is a cluster DNS, this is where service names come from. All that DNS search paths
 * would find: `name` in the pod's own namespace, `name.ns`, `name.ns.svc`, and the full name.
 */
export function hostsFile(
  pod: { readonly namespace: string; readonly name: string; readonly addresses: readonly string[] },
  services: readonly NamedService[],
): string {
  const lines = [...LOOPBACK, ...pod.addresses.map((address) => `${address}\t${pod.name}`)]
  for (const { namespace, name, addresses } of services) {
    const short = namespace === pod.namespace ? [name] : []
    const full = `${name}.${namespace}.svc.${CLUSTER_DOMAIN}`
    const names = [...short, `${name}.${namespace}`, `${name}.${namespace}.svc`, full].join(' ')
    for (const address of addresses) lines.push(`${address}\t${names}`)
  }
  return `${lines.join('\n')}\n`
}

/** /etc/resolv.conf of a pod: search paths as in a cluster, and no name server, so that an unknown name fails at once. */
export function resolvFile(namespace: string): string {
  const search = [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN].join(' ')
  return `search ${search}\nnameserver 127.0.0.1\noptions ndots:5 timeout:1 attempts:1\n`
}
