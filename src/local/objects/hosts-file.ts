import { isRecord, list, oneOf, optional, record, type Shape, text } from '#shared/document'
import type { ApiObject } from '../apiserver/index.ts'
import { CLUSTER_DOMAIN } from '../network/index.ts'
import { hostNames } from '../pod-plan/index.ts'

const name = text('')
const aliases = list(record({ ip: text(''), hostnames: list(text()) }))
const resolver = record({
  nameservers: list(text()),
  searches: list(text()),
  options: list(record({ name: text(''), value: optional(text()) })),
})
const policy = oneOf(['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'], 'ClusterFirst')

/** Linux's own bounds (resolv.conf(5)); what is over them would be read by nobody. */
const MAX_NAME_SERVERS = 3
const MAX_SEARCHES = 32

/** Where names are asked for. */
export interface NameServers {
  /** The service of the cluster DNS. */
  readonly cluster: string
  /** What a node itself asks: the same, past the service. */
  readonly node: string
}

/** /etc/hosts of a pod, as a kubelet writes it; every other name is the DNS's. */
export function hostsFile(pod: ApiObject, addresses: readonly string[]): string {
  const { hostAliases, hostname, subdomain } = fieldsOf(pod)
  const { short, full } = hostNames(pod, { hostname, subdomain })
  const own = full === '' ? [short] : [full, short]
  const added = read(aliases, hostAliases).filter(({ hostnames }) => hostnames.length > 0)
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...addresses.map((address) => [address, ...own].join('\t')),
    ...(added.length === 0 ? [] : ['', '# Entries added by HostAliases.']),
    ...added.map(({ ip, hostnames }) => [ip, ...hostnames].join('\t')),
  ]
  return `${lines.join('\n')}\n`
}

/** /etc/resolv.conf of a pod: by its `dnsPolicy`, with what its `dnsConfig` adds. */
export function resolvFile(pod: ApiObject, servers: NameServers): string {
  const { dnsPolicy, dnsConfig } = fieldsOf(pod)
  const base = ofPolicy(read(policy, dnsPolicy), pod.metadata.namespace ?? '', servers)
  const added = read(resolver, dnsConfig)
  const nameservers = unique([...base.nameservers, ...added.nameservers]).slice(0, MAX_NAME_SERVERS)
  const searches = unique([...base.searches, ...added.searches]).slice(0, MAX_SEARCHES)
  // Options of the same name replace one another.
  const options = new Map([...base.options, ...added.options].map((option) => [option.name, option]))
  const words = [...options.values()].map(({ name, value = '' }) => (value === '' ? name : `${name}:${value}`))
  const lines = [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...nameservers.map((server) => `nameserver ${server}`),
    ...(words.length === 0 ? [] : [`options ${words.join(' ')}`]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

type Resolver = ReturnType<typeof resolver>

function ofPolicy(dnsPolicy: ReturnType<typeof policy>, namespace: string, servers: NameServers): Resolver {
  if (dnsPolicy === 'None') return { nameservers: [], searches: [], options: [] }
  if (dnsPolicy === 'Default') return { nameservers: [servers.node], searches: [], options: [] }
  return {
    nameservers: [servers.cluster],
    searches: [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN],
    options: [{ name: 'ndots', value: '5' }],
  }
}

function fieldsOf({ spec }: ApiObject): {
  readonly hostAliases: unknown
  readonly hostname: string
  readonly subdomain: string
  readonly dnsPolicy: unknown
  readonly dnsConfig: unknown
} {
  const { hostAliases, hostname, subdomain, dnsPolicy, dnsConfig } = isRecord(spec) ? spec : {}
  return { hostAliases, hostname: read(name, hostname), subdomain: read(name, subdomain), dnsPolicy, dnsConfig }
}

function unique(items: readonly string[]): readonly string[] {
  return [...new Set(items)]
}

/** The API has checked its objects; what is wrong all the same counts as not written. */
function read<T>(shape: Shape<T>, value: unknown): T {
  return shape(value ?? undefined, [], () => {})
}
