import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Clock, sleep, type Timer } from '#shared/clock'
import { type ExecRequest, identify, type MeshStatus, newRunRecord, PORT_SOCKET, writeRunRecord } from '#shared/control'
import { reasonOf } from '#shared/errors'
import { watchFolder } from '#shared/k8s'
import type { MainControl, RunningProgram } from '#shared/lifecycle'
import { type IpFamily, ipFamily } from '#shared/net'
import { currentNetns, type Netns, openNetns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import type { PodBackend } from './apiserver/index.ts'
import { type ClusterApi, openClusterApi } from './cluster-api/index.ts'
import type { LocalConfig } from './config.ts'
import { type ControlledMesh, ControlServer, Progress } from './control/index.ts'
import { ancestorsOf, BoundedLog, findTools, MachinePids, type SessionProcess, type Tools } from './host/index.ts'
import { knownImages } from './known-images.ts'
import { type ContainerLog, openContainerLog } from './logs/index.ts'
import { MESH_CRD_FOLDER } from './mesh-crds.ts'
import { MeshServices } from './mesh-services.ts'
import { meshStatus } from './mesh-status.ts'
import { Narrator } from './narrator.ts'
import { DNS_SERVICE_IPS, makeNodes, type Node, type Nodes, PodNetwork } from './network/index.ts'
import { DesiredObjects, FolderApply, localKinds } from './objects/index.ts'
import { ContainerConsoles, createPodStreams } from './pod-streams/index.ts'
import { MeshPrograms } from './programs/index.ts'
import { askIstiod, askTunnel, Captures, Cluster, PodMaker } from './runtime/index.ts'
import { layoutOf, type StateLayout } from './state-layout.ts'
import { StreamTargets } from './stream-targets.ts'

/** What the supervisor is given by `main.ts`. */
export interface LocalSettings {
  readonly config: LocalConfig
  readonly clock: Clock
  readonly logger: Logger
  /** `dist/`. */
  readonly distDir: string
}

/** A node with handles of this program on it. */
interface LocalNode {
  readonly node: Node
  readonly netns: Netns
  readonly captures: Captures
}

/** What there is once the mesh has been brought up. */
interface Parts {
  readonly tools: Tools
  readonly nodes: Nodes
  readonly api: ClusterApi
  readonly targets: StreamTargets
  readonly locals: readonly LocalNode[]
  readonly services: MeshServices
  readonly programs: MeshPrograms
  readonly maker: PodMaker
  readonly cluster: Cluster
  readonly desired: DesiredObjects
  readonly apply: FolderApply
}

/** How long programs may take to end by themselves on the way down. */
const DOWN_GRACE_MS = 500
const TRIM_LOGS_MS = 2_000
const CA_AUDIENCE = 'istio-ca'

/** The whole mesh on one machine: makes each part once, joins them, and takes them down in the other order. */
export class LocalMesh implements RunningProgram, ControlledMesh {
  readonly progress: Progress
  readonly #settings: LocalSettings
  readonly #control: MainControl
  readonly #layout: StateLayout
  readonly #pids = new MachinePids()
  readonly #startedAt: string
  readonly #narrator: Narrator
  #server: ControlServer | undefined
  #parts: Parts | undefined
  #isSynced = false
  #isEnding = false
  #trimming: Timer | undefined

  constructor(settings: LocalSettings, control: MainControl) {
    this.#settings = settings
    this.#control = control
    this.#layout = layoutOf(settings.config.stateDir)
    this.progress = new Progress(settings.clock)
    this.#narrator = new Narrator(this.progress, settings.logger, settings.clock)
    this.#startedAt = new Date(settings.clock.nowMs()).toISOString()
  }

  /** @throws MeshError when something on the way up fails; who follows the progress is told as well */
  async start(): Promise<this> {
    // What an earlier life has left there leads nowhere, or to whoever has that pid now.
    rmSync(this.#layout.folders.netns, { recursive: true, force: true })
    for (const dir of Object.values(this.#layout.folders)) mkdirSync(dir, { recursive: true, mode: 0o700 })
    this.#writeRecord()
    this.#server = await ControlServer.listen(this.#layout.socket, this)
    try {
      this.#parts = await this.#bringUp()
    } catch (error) {
      this.progress.say('failed', reasonOf(error))
      // Whoever follows shall read the reason before the socket goes.
      await sleep(this.#settings.clock, 50)
      throw error
    }
    this.#trimLogs()
    this.#noticed()
    return this
  }

  async status(): Promise<MeshStatus> {
    const parts = this.#parts
    const served = await Promise.all((parts?.locals ?? []).map(({ captures }) => captures.ask()))
    return meshStatus({
      state: this.#state,
      startedAt: this.#startedAt,
      stateDir: this.#layout.dir,
      pids: this.#pids,
      nodes: parts?.nodes.list ?? [],
      programs: parts?.programs.list ?? [],
      cluster: parts?.cluster,
      services: parts?.services.list ?? [],
      problems: this.#problemsOf(parts),
      captured: new Set(served.flatMap((uids) => [...uids])),
    })
  }

  stop(): void {
    this.#control.stop({ reason: 'asked to', exitCode: 0 })
  }

  askTunnel(node: string, path: string): Promise<string> | undefined {
    const local = this.#parts?.locals.find((each) => each.node.name === node)
    return local === undefined ? undefined : askTunnel(local.netns, path)
  }

  async askIstiod(path: string): Promise<string> {
    const netns = currentNetns()
    try {
      return await askIstiod(netns, path)
    } finally {
      netns.close()
    }
  }

  execTarget = (request: ExecRequest): SessionProcess | string =>
    this.#parts?.targets.exec(request) ?? 'the mesh is not up yet'

  /** Pods and programs are ended by `close`; nothing of a local mesh outlives it. */
  async drain(): Promise<void> {}

  async close(): Promise<void> {
    this.#isEnding = true
    this.#trimming?.cancel()
    this.#narrator.stop()
    const parts = this.#parts
    if (parts !== undefined) {
      await parts.desired.close()
      await parts.apply.close()
      await parts.cluster.close()
      await parts.services.close()
      await parts.maker.close()
      await parts.programs.stop(DOWN_GRACE_MS)
      await parts.api.close()
      for (const { netns } of parts.locals) netns.close()
      await parts.nodes.close()
    }
    await this.#server?.close()
  }

  /** The way up, each line needing only those before it. */
  async #bringUp(): Promise<Parts> {
    const { config, clock } = this.#settings
    const tools = findTools(config.path)
    const nodes = await makeNodes(tools, config.nodes, kernelFamilies())
    this.progress.say('step', `nodes are joined: ${nodes.list.map(({ name }) => name).join(', ')}`)
    const locals = nodes.list.map((node) => this.#local(node))
    const consoles = new ContainerConsoles(tools.setsid)
    const targets = this.#streamTargets(tools, consoles)
    const api = await this.#openApi(nodes, createPodStreams({ targets, tools, clock }))
    for (const text of api.damage) this.progress.say('warning', text)
    this.progress.say('step', 'the Kubernetes API is served')
    // Before any pod starts: the first name that it asks for is answered.
    const services = await this.#startServices(nodes, locals, api)
    const programs = await this.#startPrograms(tools, nodes, locals, api)
    this.progress.say('step', `${programs.list.length} programs started`)
    const maker = this.#makePodMaker(tools, api)
    const cluster = this.#makeCluster(tools, nodes, locals, api, { maker, consoles })
    const { desired, apply } = this.#followFolders(api, maker)
    void desired.synced.then(() => {
      this.#isSynced = true
      apply.begin()
    })
    return { tools, nodes, api, targets, locals, services, programs, maker, cluster, desired, apply }
  }

  #local(node: Node): LocalNode {
    const netns = openNetns(node.holder.netnsPath)
    return { node, netns, captures: new Captures(netns, this.#settings.clock) }
  }

  #streamTargets(tools: Tools, consoles: ContainerConsoles): StreamTargets {
    const { clock, logger } = this.#settings
    const { podLogs: podLogsDir } = this.#layout.folders
    // The cluster needs the API first: until it is there, streams find no pod.
    const cluster = (): Cluster | undefined => this.#parts?.cluster
    const programs = (): MeshPrograms['list'] => this.#parts?.programs.list ?? []
    return new StreamTargets({ cluster, programs, tools, consoles, podLogsDir, clock, logger })
  }

  #openApi(nodes: Nodes, pods: PodBackend): Promise<ClusterApi> {
    const { clock, logger, config } = this.#settings
    const { folders, kubeconfig } = this.#layout
    return openClusterApi({
      clock,
      logger,
      nodes,
      machineFd: config.apiFd === 0 ? undefined : config.apiFd,
      storeDir: folders.store,
      pkiDir: folders.pki,
      accountsDir: folders.accounts,
      kubeconfig,
      definitions: MESH_CRD_FOLDER,
      pods,
    })
  }

  #startServices(nodes: Nodes, locals: readonly LocalNode[], { access }: ClusterApi): Promise<MeshServices> {
    const { clock, logger, config } = this.#settings
    return MeshServices.start({
      clock,
      logger,
      access,
      nodes: locals.map(({ node, netns }) => ({ name: node.name, ips: node.addresses.map(({ ip }) => ip), netns })),
      fabric: nodes.fabricAddresses.map(({ ip }) => ip),
      openerPath: config.portOpenerPid === 0 ? undefined : join(this.#layout.dir, PORT_SOCKET),
      changed: () => this.#noticed(),
    })
  }

  /** What users keep in folders is applied to the API each time it changes. */
  #followFolders(
    { access, objectsIn }: ClusterApi,
    { rules }: PodMaker,
  ): { readonly desired: DesiredObjects; readonly apply: FolderApply } {
    const { config, clock, logger } = this.#settings
    const sources = config.folders.map((folder) => ({
      folder,
      source: watchFolder(folder, { clock, logger: logger.child('objects'), kinds: localKinds(rules) }),
    }))
    const desired: DesiredObjects = new DesiredObjects(sources, () => apply.notice())
    const changed = (): void => this.#noticed()
    const apply: FolderApply = new FolderApply({
      access,
      objectsIn,
      desired,
      clock,
      logger: logger.child('objects'),
      changed,
    })
    return { desired, apply }
  }

  #makePodMaker(tools: Tools, { access, tokens }: ClusterApi): PodMaker {
    const { clock, logger, config } = this.#settings
    return new PodMaker({
      access,
      tools,
      clock,
      logger: logger.child('pods'),
      images: knownImages(config.imageFile, this.#settings.distDir),
      // The pinned Node comes first, so that samples run on the same as the mesh.
      containerEnv: { PATH: `${dirname(process.execPath)}:${config.path}`, HOME: '/', LANG: 'C.UTF-8' },
      podsDir: this.#layout.folders.pods,
      mintToken: (order) => tokens.mint(order),
    })
  }

  #makeCluster(
    tools: Tools,
    nodes: Nodes,
    locals: readonly LocalNode[],
    { access }: ClusterApi,
    { maker, consoles }: { readonly maker: PodMaker; readonly consoles: ContainerConsoles },
  ): Cluster {
    const { clock, logger } = this.#settings
    const { folders, dir } = this.#layout
    const podLogger = logger.child('pods')
    const machines = locals.map(({ node, netns }) => {
      const network = new PodNetwork(tools, node, nodes.families)
      const places = { netnsDir: folders.netns, podsDir: folders.pods, podLogsDir: folders.podLogs, hidden: [dir] }
      const openLog = (logDir: string): ContainerLog => openContainerLog({ dir: logDir, clock, logger: podLogger })
      const startProcess: ContainerConsoles['start'] = (command, plan) => consoles.start(command, plan)
      const parts = { tools, clock, logger: podLogger, pids: this.#pids, network, nodeNetns: netns }
      const machine = { ...parts, openLog, startProcess, ...places }
      return [node.name, { machine, ips: node.addresses.map(({ ip }) => ip) }] as const
    })
    const [fabric] = nodes.fabricAddresses
    if (fabric === undefined) throw new TypeError('the fabric has no address')
    const family = ipFamily(fabric.ip)
    const capturesOf = new Map(locals.map(({ node, captures }) => [node.name, captures]))
    return new Cluster({
      clock,
      logger: logger.child('cluster'),
      access,
      nameServers: { cluster: DNS_SERVICE_IPS[family], node: fabric.ip },
      nodes: new Map(machines),
      podLogsDir: folders.podLogs,
      capturing: async (node, uid, signal) => capturesOf.get(node)?.serving(uid, signal),
      maker,
      changed: () => this.#noticed(),
    })
  }

  async #startPrograms(
    tools: Tools,
    nodes: Nodes,
    locals: readonly LocalNode[],
    api: ClusterApi,
  ): Promise<MeshPrograms> {
    const { config, clock, distDir } = this.#settings
    const { folders, dir } = this.#layout
    const [istiod, nodeAgent] = await Promise.all([api.kubeconfigOf('istiod-lite'), api.kubeconfigOf('node-agent')])
    const tunnels = await Promise.all(
      api.tunnelPods.map(async (pod) => {
        const { namespace, serviceAccount } = pod
        const request = { namespace, serviceAccount, pod, audience: CA_AUDIENCE }
        const local = locals.find(({ node }) => node.name === pod.node)
        return { local, pod, tokenFile: await api.tokens.keep(request, `${pod.name}.token`) }
      }),
    )
    return new MeshPrograms({
      place: { tools, distDir, stateDir: dir, extraEnv: config.programEnv, isIpv6Enabled: nodes.families.includes(6) },
      machine: { clock, pids: this.#pids, logsDir: folders.logs, changed: () => this.#noticed() },
      fabric: {
        netns: currentNetns(),
        netnsPath: `/proc/${this.#pids.self}/ns/net`,
        addresses: nodes.fabricAddresses.map(({ ip }) => ip),
      },
      nodes: tunnels.flatMap(({ local, pod, tokenFile }) => {
        if (local === undefined) return []
        const { node, netns } = local
        const ip = node.addresses[0]?.ip ?? ''
        return [{ name: node.name, netns, netnsPath: node.holder.netnsPath, ip, pod, tokenFile }]
      }),
      nameServers: nodes.fabricAddresses.map(({ ip }) => DNS_SERVICE_IPS[ipFamily(ip)]),
      kubeconfigs: { istiod, nodeAgent },
      folders,
    })
  }

  /** To be called after every change. */
  #noticed(): void {
    const parts = this.#parts
    if (parts === undefined || this.#isEnding) return
    const { programs, cluster } = parts
    const isReady = this.#isAllReady(parts)
    const problems = this.#problemsOf(parts)
    this.#narrator.look({ programs: programs.list, cluster, problems, isReady, status: () => this.status() })
  }

  get #state(): MeshStatus['state'] {
    if (this.#isEnding) return 'stopping'
    if (this.#parts !== undefined && this.#isAllReady(this.#parts)) return 'ready'
    return this.#narrator.hasBeenReady ? 'degraded' : 'starting'
  }

  #isAllReady({ programs, cluster, apply }: Parts): boolean {
    return this.#isSynced && apply.isSettled && programs.isReady && cluster.isReady
  }

  #problemsOf(parts: Parts | undefined): MeshStatus['problems'] {
    return parts === undefined ? [] : [...parts.desired.problems, ...parts.apply.problems, ...parts.services.problems]
  }

  #trimLogs(ownLog: BoundedLog = new BoundedLog(join(this.#layout.folders.logs, 'supervisor.log'))): void {
    this.#trimming = this.#settings.clock.setTimer(TRIM_LOGS_MS, () => {
      this.#parts?.programs.trimLogs()
      ownLog.trim()
      this.#trimLogs(ownLog)
    })
  }

  #writeRecord(): void {
    const own = this.#pids.self
    // Parents within the machine that are this mesh's own: process 1 of its namespace, and `unshare` above it.
    const outsideIn = [own, ...ancestorsOf(own).slice(0, 2)].reverse()
    const opener = this.#settings.config.portOpenerPid
    const portOpener = opener === 0 ? undefined : identify(opener)
    writeRunRecord(this.#layout.dir, newRunRecord(this.#startedAt, outsideIn.map(identify), portOpener))
  }
}

/** A kernel may be without IPv6; then so is the mesh. */
function kernelFamilies(): readonly IpFamily[] {
  return existsSync('/proc/sys/net/ipv6') ? [4, 6] : [4]
}
