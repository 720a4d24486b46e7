import type { Closer } from '#shared/lifecycle'
import { type IpFamily, ipFamily } from '#shared/net'
import { runTool, type Tools } from '../host/index.ts'
import {
  type NodePlan,
  type PlannedAddress,
  PROBE_SOURCES,
  planFabric,
  planNode,
  SERVICE_CIDRS,
} from './address-plan.ts'
import { holdNamespaces, type NamespaceHolder } from './namespace-holder.ts'

const BRIDGE = 'ambit0'

/** A node: a network namespace on the fabric. */
export interface Node extends NodePlan {
  readonly holder: NamespaceHolder
}

/** The fabric is the namespace this program runs in: a bridge with every node on it, and an address of its own. */
export interface Nodes extends Closer {
  readonly families: readonly IpFamily[]
  readonly fabricAddresses: readonly PlannedAddress[]
  readonly list: readonly Node[]
}

/**
 * Forwarding between pods and nodes, and no reverse-path filter: answers of a captured connection carry addresses that
 * are not of their interface. Duplicate address detection would hold IPv6 back for a second.
 */
const NODE_SETTINGS = `
cd /proc/sys/net
echo 1 > ipv4/ip_forward
echo 0 > ipv4/conf/all/rp_filter
echo 0 > ipv4/conf/default/rp_filter
if [ -d ipv6 ]; then
  echo 0 > ipv6/conf/all/disable_ipv6
  echo 0 > ipv6/conf/default/disable_ipv6
  echo 0 > ipv6/conf/default/accept_dad
  echo 1 > ipv6/conf/all/forwarding
fi
cd /`

/** Builds the bridge in this program's own namespace and `count` nodes on it. */
export async function makeNodes(tools: Tools, count: number, families: readonly IpFamily[]): Promise<Nodes> {
  const fabric = planFabric(families)
  const plans = Array.from({ length: count }, (_, i) => planNode(i + 1, families))
  const [holders] = await Promise.all([
    Promise.all(plans.map(() => holdNamespaces(tools, ['--net'], NODE_SETTINGS, []))),
    runTool(tools.sh, ['-ec', NODE_SETTINGS]),
    runTool(tools.ip, ['-batch', '-'], bridgeLines(fabric.addresses)),
  ])
  const list = plans.map((plan, i): Node => ({ ...plan, holder: holders[i] as NamespaceHolder }))
  await runTool(tools.ip, ['-batch', '-'], list.map(linkLines).join(''))
  await Promise.all(
    list.map((node) =>
      runTool(
        tools.nsenter,
        [`--net=${node.holder.netnsPath}`, tools.ip, '-batch', '-'],
        nodeLines(node, list, fabric.addresses),
      ),
    ),
  )
  return {
    families,
    fabricAddresses: fabric.addresses,
    list,
    close: async () => {
      await Promise.all(list.map((node) => node.holder.close()))
    },
  }
}

function bridgeLines(addresses: readonly PlannedAddress[]): string {
  return lines([
    'link set lo up',
    `link add ${BRIDGE} type bridge`,
    ...addresses.map((address) => addressLine(address, BRIDGE)),
    `link set ${BRIDGE} up`,
  ])
}

function linkLines(node: Node): string {
  return lines([
    `link add ${node.name} type veth peer name eth0 netns ${node.holder.netnsPath}`,
    `link set ${node.name} master ${BRIDGE} up`,
    ...node.podCidrs.map((cidr) => `route add ${cidr} via ${sameFamily(node.addresses, cidr)}`),
  ])
}

function nodeLines(node: Node, all: readonly Node[], fabric: readonly PlannedAddress[]): string {
  const others = all.filter((other) => other !== node)
  return lines([
    'link set lo up',
    ...node.addresses.map((address) => addressLine(address, 'eth0')),
    ...node.addresses.map(({ ip }) =>
      addressLine({ ip: PROBE_SOURCES[ipFamily(ip)], prefixBits: ip.includes(':') ? 128 : 32 }, 'lo'),
    ),
    'link set eth0 up',
    ...fabric.map(({ ip }) => `route add default via ${ip}`),
    // A service without endpoints is told at once; packets to the others are rewritten before they are routed.
    ...node.addresses.map(({ ip }) => `route add unreachable ${SERVICE_CIDRS[ipFamily(ip)]}`),
    ...others.flatMap((other) =>
      other.podCidrs.map((cidr) => `route add ${cidr} via ${sameFamily(other.addresses, cidr)}`),
    ),
  ])
}

function addressLine({ ip, prefixBits }: PlannedAddress, device: string): string {
  return `addr add ${ip}/${prefixBits} dev ${device}${ipFamily(ip) === 6 ? ' nodad' : ''}`
}

function sameFamily(addresses: readonly PlannedAddress[], cidr: string): string {
  return addresses.find(({ ip }) => ip.includes(':') === cidr.includes(':'))?.ip ?? ''
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join('')
}
