import { type IpAddress, type IpFamily, parseIp } from '#shared/net'

/** Most nodes of one machine: node N has host N + 1 in a /24 of which 255 is the broadcast. */
export const MAX_NODES = 253

/** Where the control plane listens, and the nodes' gateway. */
export interface FabricPlan {
  readonly addresses: readonly PlannedAddress[]
}

/** One address with the network that it stands in. */
export interface PlannedAddress {
  readonly ip: IpAddress
  readonly prefixBits: number
}

export interface NodePlan {
  /** `node-a`, `node-b`, … */
  readonly name: string
  /** 1 for the first. */
  readonly number: number
  readonly addresses: readonly PlannedAddress[]
  /** What its pods' addresses come from: a /24 and a /64. */
  readonly podCidrs: readonly string[]
}

/** Kubernetes' usual service ranges (kubeadm's defaults and their IPv6 twins). */
export const SERVICE_CIDRS: Readonly<Record<IpFamily, string>> = { 4: '10.96.0.0/16', 6: 'fd00:10:96::/112' }

/** The first address of each range is the Kubernetes API's, as in every cluster. */
export const API_ADDRESSES: Readonly<Record<IpFamily, IpAddress>> = { 4: ip('10.96.0.1'), 6: ip('fd00:10:96::1') }

/** What every name of the mesh ends with. */
export const CLUSTER_DOMAIN = 'cluster.local'

/** Service addresses of the cluster DNS: kubeadm's, and its IPv6 twin. */
export const DNS_SERVICE_IPS: Readonly<Record<IpFamily, IpAddress>> = { 4: ip('10.96.0.10'), 6: ip('fd00:10:96::a') }

/**
 * Source of kubelet probes: the redirect rules of an enrolled pod let these addresses in as they are, which is how
 * probes reach a pod that takes mTLS only (hbone-and-ztunnel g.5).
 */
export const PROBE_SOURCES: Readonly<Record<IpFamily, IpAddress>> = {
  4: ip('169.254.7.127'),
  6: ip('fd16:9254:7127:1337:ffff:ffff:ffff:ffff'),
}

/** A pod's next hop; the same on every link, as a pod sees only its own. */
export const POD_GATEWAYS: Readonly<Record<IpFamily, IpAddress>> = { 4: ip('169.254.1.1'), 6: ip('fe80::1') }

const NODE_NETWORK: Readonly<Record<IpFamily, { readonly prefix: string; readonly bits: number }>> = {
  4: { prefix: '10.243.0.', bits: 24 },
  6: { prefix: 'fd00:10:243::', bits: 64 },
}

export function planFabric(families: readonly IpFamily[]): FabricPlan {
  return { addresses: families.map((family) => nodeNetworkAddress(family, 1)) }
}

/** @param number 1 to `MAX_NODES` */
export function planNode(number: number, families: readonly IpFamily[]): NodePlan {
  return {
    name: `node-${letters(number)}`,
    number,
    // Host 1 is the fabric.
    addresses: families.map((family) => nodeNetworkAddress(family, number + 1)),
    podCidrs: families.map((family) => (family === 4 ? `10.244.${number}.0/24` : `fd00:10:244:${hex(number)}::/64`)),
  }
}

/** @param host 2 to 254 */
export function podAddress(node: NodePlan, family: IpFamily, host: number): IpAddress {
  return ip(family === 4 ? `10.244.${node.number}.${host}` : `fd00:10:244:${hex(node.number)}::${hex(host)}`)
}

function nodeNetworkAddress(family: IpFamily, host: number): PlannedAddress {
  const { prefix, bits } = NODE_NETWORK[family]
  return { ip: ip(`${prefix}${family === 4 ? host : hex(host)}`), prefixBits: bits }
}

/** 1 → a, 26 → z, 27 → aa. */
function letters(number: number): string {
  const rest = Math.floor((number - 1) / 26)
  return (rest > 0 ? letters(rest) : '') + String.fromCharCode(97 + ((number - 1) % 26))
}

function hex(value: number): string {
  return value.toString(16)
}

function ip(text: string): IpAddress {
  const parsed = parseIp(text)
  if (parsed === undefined) throw new TypeError(`the address plan made no address: ${text}`)
  return parsed
}
