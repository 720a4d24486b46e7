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
  /** Where connections go, of the same family. */
  readonly endpoints: readonly SocketAddress[]
  /** What endpoints see: who calls, or the node, so that their answers come back by it. */
  readonly source: 'kept' | 'node'
}

/** A node whose table is kept. */
export interface ProxiedNode {
  readonly netns: Netns
  /** What leads to services there now. */
  readonly ports: () => readonly ProxiedPort[]
}

/** Connections whose endpoints shall see the node; kube-proxy's number. */
const NODE_SOURCE_MARK = 0x4000

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
  const nodes = new Set(served.flatMap(({ source, address }) => (source === 'node' ? [address.ip] : [])))
  const own = new Set(served.flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)))
  return {
    family: 'inet',
    name: 'ambit-services',
    chains: [
      ...chains,
      { name: 'services', base: undefined, rules: dispatch },
      hookChain('prerouting', 'prerouting', -100, [nft.rule('services', nft.jump('services'))]),
      hookChain('output', 'output', -100, [nft.rule('services', nft.jump('services'))]),
      hookChain('postrouting', 'postrouting', 100, [...[...nodes].map(nodeSourceRule), ...[...own].map(hairpinRule)]),
    ],
  }
}

/** Keeps the tables of all nodes as the services are. */
export class ServiceProxy implements Closer {
  readonly #tables: readonly NodeTable[]
  readonly #clock: Clock
  readonly #logger: Logger
  #timer: Timer | undefined
  #isClosed = false

  constructor(nodes: readonly ProxiedNode[], clock: Clock, logger: Logger) {
    this.#tables = nodes.map((node) => new NodeTable(node))
    this.#clock = clock
    this.#logger = logger
  }

  /** Something of the services changed: write it soon. */
  notice(): void {
    if (this.#isClosed) return
    this.#timer ??= this.#clock.setTimer(GATHER_MS, () => {
      this.#timer = undefined
      for (const table of this.#tables) this.#apply(table)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #apply(table: NodeTable): void {
    try {
      table.apply()
    } catch (error) {
      // The old rules hold; the next change tries again.
      this.#logger.error('service addresses cannot be written', { reason: reasonOf(error) })
    }
  }
}

class NodeTable {
  readonly #rules: Nftables
  readonly #ports: ProxiedNode['ports']
  #applied: readonly ProxiedPort[] = []

  constructor({ netns, ports }: ProxiedNode) {
    this.#rules = new Nftables(netns)
    this.#ports = ports
  }

  apply(): void {
    const wanted = this.#ports()
    if (isDeepStrictEqual(wanted, this.#applied)) return
    this.#rules.replace(planServices(wanted))
    this.#applied = wanted
  }
}

const MAX_COMMENT = 120

/** Each endpoint takes its share of what those before it left: 1/n, 1/(n-1), … and the last one takes the rest. */
function endpointChain({ service, endpoints, source }: ProxiedPort, number: number): NftChain {
  const comment = service.slice(0, MAX_COMMENT)
  const mark = nft.rule(comment, nft.setConnectionMark(NODE_SOURCE_MARK, NODE_SOURCE_MARK))
  return {
    name: `port-${number}`,
    base: undefined,
    rules: [
      ...(source === 'node' ? [mark] : []),
      ...endpoints.map(({ ip, port }, i) => {
        const left = endpoints.length - i
        const share = left > 1 ? [nft.oneIn(left)] : []
        return nft.rule(comment, ...share, nft.destinationNat(ip, port))
      }),
    ],
  }
}

/** Not what the interface to the pod has: that is a gateway's address, the same for all. */
function nodeSourceRule(ip: IpAddress): NftChain['rules'][number] {
  return nft.rule(
    'by a node port',
    nft.familyIs(ipFamily(ip)),
    nft.connectionMarkIs(NODE_SOURCE_MARK, NODE_SOURCE_MARK),
    nft.sourceNat(ip),
  )
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
