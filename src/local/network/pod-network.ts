import { type IpAddress, type IpFamily, ipFamily } from '#shared/net'
import { runTool, type Tools } from '../host/index.ts'
import { POD_GATEWAYS, podAddress } from './address-plan.ts'
import { HostNumbers } from './host-numbers.ts'
import type { Node } from './nodes.ts'

/** What a pod got on its node. */
export interface PodAddresses {
  /** IPv4 first. */
  readonly ips: readonly IpAddress[]
  /** To be given back when the pod is gone. */
  readonly host: number
}

/** Addresses and links of the pods of one node. */
export class PodNetwork {
  readonly #tools: Tools
  readonly #node: Node
  readonly #families: readonly IpFamily[]
  // Host 1 is left to whoever expects a gateway there.
  readonly #hosts: HostNumbers

  constructor(tools: Tools, node: Node, families: readonly IpFamily[]) {
    this.#tools = tools
    this.#node = node
    this.#families = families
    this.#hosts = new HostNumbers(2, 254, `pods on ${node.name}`)
  }

  /** @throws MeshError `COMMAND_FAILED` when the node is full */
  allocate(): PodAddresses {
    const host = this.#hosts.take()
    return { host, ips: this.#families.map((family) => podAddress(this.#node, family, host)) }
  }

  release({ host }: PodAddresses): void {
    this.#hosts.release(host)
  }

  /**
   * Links the namespace to the node: a host route to each address on this side, a default route on the pod's. The link
   * goes away with the pod's namespace.
   */
  async connect(netnsPath: string, { host, ips }: PodAddresses): Promise<void> {
    // Interface names have at most 15 characters; the host number is unique on its node.
    const device = `pod${host}`
    const source = (ip: IpAddress): string => {
      const own = this.#node.addresses.find((address) => ipFamily(address.ip) === ipFamily(ip))
      return own === undefined ? '' : ` src ${own.ip}`
    }
    await this.#ip(this.#node.holder.netnsPath, [
      `link add ${device} type veth peer name eth0 netns ${netnsPath}`,
      `link set ${device} up`,
      ...ips.map((ip) => gatewayLine(ipFamily(ip), device)),
      ...ips.map((ip) => `route add ${ip} dev ${device}${source(ip)}`),
    ])
    await this.#ip(netnsPath, [
      'link set lo up',
      ...ips.map((ip) => (ipFamily(ip) === 4 ? `addr add ${ip}/32 dev eth0` : `addr add ${ip}/128 dev eth0 nodad`)),
      'link set eth0 up',
      ...ips.map((ip) => `route add default via ${POD_GATEWAYS[ipFamily(ip)]} dev eth0 onlink`),
    ])
  }

  async #ip(netnsPath: string, commands: readonly string[]): Promise<void> {
    const input = commands.map((command) => `${command}\n`).join('')
    await runTool(this.#tools.nsenter, [`--net=${netnsPath}`, this.#tools.ip, '-batch', '-'], input)
  }
}

function gatewayLine(family: IpFamily, device: string): string {
  const gateway = POD_GATEWAYS[family]
  return family === 4 ? `addr add ${gateway}/32 dev ${device}` : `addr add ${gateway}/64 dev ${device} nodad`
}
