import type { Clock } from '#shared/clock'
import type { StatusProblem } from '#shared/control'
import { parseName } from '#shared/dns'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { type IpAddress, ipFamily } from '#shared/net'
import type { Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import type { ObjectAccess } from './apiserver/index.ts'
import { ClusterNames, clusterAnswerer, DnsServer, DnsService } from './dns/index.ts'
import { HostPorts, PortOpener } from './host-ports/index.ts'
import { CLUSTER_DOMAIN, DNS_SERVICE_IPS, ServiceProxy } from './network/index.ts'
import { type LiveServiceRecord, type ProxyNode, proxiedPorts, ServiceTable } from './services/index.ts'

export interface MeshServiceSettings {
  readonly clock: Clock
  readonly logger: Logger
  readonly access: ObjectAccess
  readonly nodes: readonly (ProxyNode & { readonly netns: Netns })[]
  /** This program's own addresses on the fabric, one of each family: where names are served. */
  readonly fabric: readonly IpAddress[]
  /** Socket of the process that opens ports of the machine; undefined: there is none. */
  readonly openerPath: string | undefined
  /** After every change that `problems` shows. */
  readonly changed: () => void
}

const DNS_PORT = 53

/** What makes services reachable: their names, their addresses on each node, and their ports on the machine. */
export class MeshServices implements Closer {
  readonly #settings: MeshServiceSettings
  readonly #table: ServiceTable
  readonly #proxy: ServiceProxy
  readonly #server: DnsServer
  readonly #dnsService: DnsService
  readonly #ending = new AbortController()
  readonly #opening: Promise<void>
  #hostPorts: HostPorts | undefined
  #openerProblem = ''

  private constructor(
    settings: MeshServiceSettings,
    parts: { readonly table: ServiceTable; readonly server: DnsServer; readonly dnsService: DnsService },
  ) {
    const { clock, logger, nodes } = settings
    const { table, server, dnsService } = parts
    this.#settings = settings
    this.#table = table
    this.#server = server
    this.#dnsService = dnsService
    const proxied = nodes.map(({ netns, ...node }) => ({ netns, ports: () => proxiedPorts(table.services, node) }))
    this.#proxy = new ServiceProxy(proxied, clock, logger.child('services'))
    table.onChange(() => this.#proxy.notice())
    this.#proxy.notice()
    this.#opening = this.#openHostPorts()
  }

  /** Names are served when this resolves. @throws MeshError `COMMAND_FAILED` when they cannot be */
  static async start(settings: MeshServiceSettings): Promise<MeshServices> {
    const { access, clock, logger, fabric } = settings
    const table = new ServiceTable(access)
    const domain = parseName(CLUSTER_DOMAIN) ?? []
    const names = new ClusterNames(
      domain,
      table,
      fabric.map((ip) => DNS_SERVICE_IPS[ipFamily(ip)]),
    )
    const answerer = clusterAnswerer(names, () => clock.random())
    const addresses = fabric.map((ip) => ({ ip, port: DNS_PORT }))
    const server = await DnsServer.listen(addresses, answerer, logger.child('dns'))
    const dnsService = await DnsService.keep({ access, clock, logger: logger.child('dns'), servers: fabric })
    return new MeshServices(settings, { table, server, dnsService })
  }

  get list(): readonly LiveServiceRecord[] {
    return this.#table.services.toSorted((a, b) => (a.service.key < b.service.key ? -1 : 1))
  }

  get problems(): readonly StatusProblem[] {
    const told = [
      { where: 'Service kube-system/kube-dns', problem: this.#dnsService.problem },
      { where: 'ports of this machine', problem: this.#openerProblem },
    ]
    const own = told.flatMap(({ where, problem }) =>
      problem === '' ? [] : [{ where, line: undefined, path: '', problem }],
    )
    return [...own, ...(this.#hostPorts?.problems ?? [])]
  }

  async close(): Promise<void> {
    this.#ending.abort(new Error('the mesh goes down'))
    await this.#opening
    await this.#hostPorts?.close()
    await this.#dnsService.close()
    await this.#proxy.close()
    await this.#table.close()
    await this.#server.close()
  }

  /** The rest of the mesh does not wait for the process outside. Never rejects. */
  async #openHostPorts(): Promise<void> {
    const { clock, logger, access, nodes, openerPath, changed } = this.#settings
    if (openerPath === undefined) return
    const { signal } = this.#ending
    try {
      const opener = await PortOpener.connect(openerPath, clock, signal)
      this.#hostPorts = new HostPorts({
        clock,
        logger: logger.child('host-ports'),
        access,
        table: this.#table,
        nodes: new Map(nodes.map(({ name, netns }) => [name, netns])),
        opener,
        changed,
      })
    } catch (error) {
      if (signal.aborted) return
      this.#openerProblem = reasonOf(error)
      logger.error('ports of the machine cannot be opened', { reason: this.#openerProblem })
      changed()
    }
  }
}
