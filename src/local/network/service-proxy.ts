import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { type IpAddress, ipFamily, type SocketAddress } from '#shared/net'
import { type Netns, Nftables, type NftChain, type NftTable, nft } from '#shared/sys'
import type { Logger } from '#shared/telemetry'

/** One port of a service on one of its addresses, and where it leads. */
export interface ProxiedPort {
  /** `namespace/name`, for people. */
  readonly service: string
  readonly protocol: 'tcp' | 'udp'
  readonly address: SocketAddress
  /** Ready ones, of the same family. */
  readonly endpoints: readonly SocketAddress[]
}

/** Replacing a table makes the kernel wait for its readers, about 20 ms a node; changes within this time go together. */
const GATHER_MS = 50

/**
 * What kube-proxy would write on a node: connections to a service's address go to one of its endpoints at random.
 * Pods of the mesh do not come here, as their own tunnel has already chosen. A port without endpoints has no rule, and
 * the node has no route to it, which the client is told at once.
 */
export function planServices(ports: readonly ProxiedPort[]): NftTable {
  const served = ports.filter(({ endpoints }) => endpoints.length > 0)
  const chains = served.map(endpointChain)
  const dispatch = served.map(({ service, protocol, address }, i) =>
    nft.rule(
      `${service} port ${address.port}`.slice(0, MAX_COMMENT),
      nft.familyIs(ipFamily(address.ip)),
      nft.addressIs('destination', address.ip),
      nft.protocolIs(protocol),
      nft.portIs('destination', address.port),
      nft.jump(chains[i]?.name ?? ''),
    ),
  )
  const own = new Set(served.flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)))
  return {
    family: 'inet',
    name: 'ambit-services',
    chains: [
      ...chains,
      { name: 'services', base: undefined, rules: dispatch },
      hookChain('prerouting', 'prerouting', -100, [nft.rule('services', nft.jump('services'))]),
      hookChain('output', 'output', -100, [nft.rule('services', nft.jump('services'))]),
      hookChain('postrouting', 'postrouting', 100, [...own].map(hairpinRule)),
    ],
  }
}

/** Keeps the tables of all nodes as the services are. */
export class ServiceProxy implements Closer {
  readonly #nodes: readonly Nftables[]
  readonly #clock: Clock
  readonly #logger: Logger
  #wanted: readonly ProxiedPort[] = []
  #applied: readonly ProxiedPort[] = []
  #timer: Timer | undefined

  constructor(nodes: readonly Netns[], clock: Clock, logger: Logger) {
    this.#nodes = nodes.map((netns) => new Nftables(netns))
    this.#clock = clock
    this.#logger = logger
  }

  update(ports: readonly ProxiedPort[]): void {
    this.#wanted = ports
    if (this.#timer !== undefined || isDeepStrictEqual(ports, this.#applied)) return
    this.#timer = this.#clock.setTimer(GATHER_MS, () => this.#apply())
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
  }

  #apply(): void {
    this.#timer = undefined
    const wanted = this.#wanted
    if (isDeepStrictEqual(wanted, this.#applied)) return
    try {
      const table = planServices(wanted)
      for (const node of this.#nodes) node.replace(table)
      this.#applied = wanted
    } catch (error) {
      // The old rules hold; the next change tries again.
      this.#logger.error('service addresses cannot be written', { reason: reasonOf(error) })
    }
  }
}

const MAX_COMMENT = 120

/** Each endpoint takes its share of what those before it left: 1/n, 1/(n-1), … and the last one takes the rest. */
function endpointChain({ service, endpoints }: ProxiedPort, number: number): NftChain {
  return {
    name: `port-${number}`,
    base: undefined,
    rules: endpoints.map(({ ip, port }, i) => {
      const left = endpoints.length - i
      const share = left > 1 ? [nft.oneIn(left)] : []
      return nft.rule(service.slice(0, MAX_COMMENT), ...share, nft.destinationNat(ip, port))
    }),
  }
}

/** A pod that reaches itself by its service would see its own address as the caller's and answer past the node. */
function hairpinRule(ip: IpAddress): NftChain['rules'][number] {
  return nft.rule(
    'a pod and its own service',
    nft.familyIs(ipFamily(ip)),
    nft.addressIs('source', ip),
    nft.addressIs('destination', ip),
    nft.masquerade(),
  )
}

function hookChain(
  name: string,
  hook: 'prerouting' | 'output' | 'postrouting',
  priority: number,
  rules: NftChain['rules'],
): NftChain {
  return { name, base: { type: 'nat', hook, priority, policy: 'accept' }, rules }
}
