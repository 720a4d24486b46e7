import { type AdminRoutes, type AdminServer, Profiles } from '#shared/admin'
import type { Clock } from '#shared/clock'
import { AMBIT_VERSION } from '#shared/control'
import { reasonOf } from '#shared/errors'
import { type KindReader, meshKinds, type ObjectProblem, type ObjectSource } from '#shared/k8s'
import type { KubeClient } from '#shared/kube-client'
import { type Closer, type DrainOrder, type MainControl, Readiness, type RunningProgram } from '#shared/lifecycle'
import type { ProgramParts } from '#shared/program'
import { type Log, type Logger, type Metrics, registerProcessMetrics } from '#shared/telemetry'
import {
  type CallFacts,
  certificateHandler,
  type RpcHandler,
  type RpcServer,
  startRpcServer,
  statusHandler,
} from '#shared/xds'
import { type DumpSources, debugPage, debugRoutes, proxyStates } from './admin/index.ts'
import { AdmissionServer } from './admission/index.ts'
import type { AuthorityKeeper } from './authority/index.ts'
import {
  certificateIssuer,
  keepServing,
  registerCaMetrics,
  servingCertificate,
  type TokenAuthenticator,
} from './ca/index.ts'
import { ClusterWriters } from './cluster-writers.ts'
import { Graph, join } from './collections/index.ts'
import { type IstiodConfig, originOf } from './config.ts'
import { listening, openHttpServers } from './http-servers.ts'
import { keepAuthority } from './keep-authority.ts'
import { isMet, type Mesh, wireMesh } from './mesh/index.ts'
import { countObjectEvents, registerMeshMetrics, registerProgramMetrics } from './metrics.ts'
import { openAuthenticator } from './open-authenticator.ts'
import { kindName, meshTypes, PushServer, RevisionJournal, waypointTypes } from './push/index.ts'
import { type WaypointConfiguration, wireWaypointConfiguration } from './routes/index.ts'
import { servingNames } from './serving-names.ts'
import { collectObjects, openObjects, RootConfigMaps } from './sources/index.ts'

export type IstiodParts = ProgramParts

/** What is derived from the objects: for tunnels, and for waypoints. */
interface Derived {
  readonly mesh: Mesh
  readonly told: WaypointConfiguration
}

/** The running control plane. */
export interface Istiod extends RunningProgram {
  /** Clients are being served; rejects when that could not begin. */
  readonly serving: Promise<void>
  /** Ports in use; `grpc` is 0 until clients are served. */
  readonly ports: {
    readonly grpc: number
    readonly http: number
    readonly monitoring: number
    /** 0 unless the API server asks us. */
    readonly webhook: number
  }
}

/** @throws MeshError `CONFIG_INVALID`: files of the CA, the key set of tokens, or a port that cannot be used */
export async function startIstiod(config: IstiodConfig, parts: IstiodParts): Promise<Istiod> {
  const istiod = new IstiodProgram(config, parts)
  await istiod.start()
  return istiod
}

class IstiodProgram implements Istiod {
  readonly serving: Promise<void>
  readonly #config: IstiodConfig
  readonly #clock: Clock
  readonly #metrics: Metrics
  readonly #control: MainControl
  readonly #log: Log
  readonly #logger: (scope: string) => Logger
  readonly #readiness = new Readiness()
  readonly #graph: Graph
  readonly #journal: RevisionJournal
  readonly #profiles: Profiles
  readonly #served = Promise.withResolvers<void>()
  /** In the order in which they are closed. */
  readonly #closers: Closer[] = []
  #dumps: AdminRoutes = {}
  #push: PushServer | undefined
  #rpc: RpcServer | undefined
  #http: AdminServer | undefined
  #monitoring: AdminServer | undefined
  #admission: AdmissionServer | undefined
  #writers: ClusterWriters | undefined
  #isClosed = false

  constructor(config: IstiodConfig, { clock, log, metrics, control }: IstiodParts) {
    this.#config = config
    this.#clock = clock
    this.#profiles = new Profiles(clock)
    this.#journal = new RevisionJournal(originOf(config).kind === 'folder' ? [] : meshKinds.map(kindNameOf))
    this.#metrics = metrics
    this.#control = control
    this.#log = log
    this.#logger = (scope) => log.logger(scope)
    this.serving = this.#served.promise
    this.serving.catch(() => {}) // told to `control`
    const failures = metrics.counters('ambit_derivation_failures', 'Derivations that threw: bugs', ['collection'])
    const logger = log.logger('mesh')
    this.#graph = new Graph({
      onFailure: (node, key, error) => {
        failures.with(node).value++
        logger.error(`${node} failed and keeps its last result`, {
          key,
          error: String((error as Error)?.stack ?? error),
        })
      },
    })
  }

  get ports(): Istiod['ports'] {
    return {
      grpc: this.#rpc?.port ?? 0,
      http: this.#http?.port ?? 0,
      monitoring: this.#monitoring?.port ?? 0,
      webhook: this.#admission?.port ?? 0,
    }
  }

  async start(): Promise<void> {
    const config = this.#config
    registerProcessMetrics(this.#metrics)
    registerProgramMetrics(this.#metrics, this.#clock)
    this.#readiness.add('objects')
    this.#readiness.add('ca')
    this.#readiness.add('grpc')

    const logger = this.#logger('objects')
    const { objects, client } = await openObjects(originOf(config), {
      clock: this.#clock,
      logger,
      onRevision: (reader, revision) => this.#seen(reader, revision),
    })
    if (client !== undefined) this.#closers.push(client)
    this.#closers.unshift(objects)
    const authenticator = await openAuthenticator(config, client, this.#clock)
    const authority = this.#keepAuthority(client)
    const sources = collectObjects(this.#graph, objects, config)
    const captureSign = client === undefined ? 'labels' : 'annotation'
    const settings = { ...config, captureSign } as const
    const wired = wireMesh(this.#graph, sources.collections, settings)
    this.#closers.unshift(sources)
    const told = wireWaypointConfiguration(this.#graph, sources.collections, wired, settings)
    const conditions = join(this.#graph, 'all conditions', [wired.conditions, told.verdicts.ofObjects])
    const mesh: Mesh = { ...wired, conditions }
    registerMeshMetrics(this.#metrics, mesh, objects)
    countObjectEvents(
      this.#metrics,
      objects,
      meshKinds.map(({ kind }) => kind),
    )
    reportConditions(mesh, this.#logger('conditions'))
    const origin = originOf(config)
    if (client !== undefined && origin.kind !== 'folder') {
      const parts = { clock: this.#clock, log: this.#log, metrics: this.#metrics }
      const rootsPem = (): string => authority.current.rootsPem
      this.#writers = await ClusterWriters.open(config, { ...parts, origin, rootsPem })
      const { collections } = sources
      this.#writers.deployWaypoints({ graph: this.#graph, objects, collections, network: mesh.network, client })
    }
    const problems = (): ObjectProblem[] => [...objects.problems, ...(this.#writers?.problems ?? [])]
    await this.#startHttp({
      graph: this.#graph,
      mesh,
      push: () => this.#push,
      objects: Object.entries(sources.collections),
      unsafe: config.isUnsafeAdminEnabled ? { profiles: this.#profiles } : undefined,
      objectProblems: problems,
      authority: () => authority.view,
      clock: this.#clock,
      config,
    })
    await this.#startAuthority(authority)
    if (client !== undefined) this.#writeRoots(objects, client, authority)
    void this.#serveWhenSynced(objects, { mesh, told }, authority, authenticator)
  }

  async drain({ deadlineMs }: DrainOrder): Promise<void> {
    this.#readiness.add('draining')
    // The next one writes while we still answer those who are connected.
    await this.#writers?.close()
    await this.#push?.close()
    await this.#rpc?.drain(deadlineMs)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#writers?.close()
    await this.#profiles.close()
    await this.#push?.close()
    await Promise.all([this.#rpc?.close(), this.#admission?.close(), this.#http?.close(), this.#monitoring?.close()])
    for (const closer of this.#closers.splice(0)) await closer.close()
  }

  /** After the change itself, which its subscribers have been told of; what it changes is settled first. */
  #seen(reader: KindReader, revision: string): void {
    if (this.#journal.isSettled) queueMicrotask(() => this.#push?.settle())
    this.#journal.seen(kindNameOf(reader), revision)
  }

  #keepAuthority(client: KubeClient | undefined): AuthorityKeeper {
    const { authority, closers } = keepAuthority(this.#config, {
      client,
      isLeader: () => client === undefined || this.#isLeader,
      clock: this.#clock,
      metrics: this.#metrics,
      logger: this.#logger('ca'),
    })
    this.#closers.unshift(...closers)
    return authority
  }

  get #isLeader(): boolean {
    return this.#writers?.leadership.isLeader === true
  }

  /** A CA that is damaged is no state to run in; one that cannot be reached yet is waited for. */
  async #startAuthority(authority: AuthorityKeeper): Promise<void> {
    try {
      await authority.start()
    } catch (error) {
      await this.close()
      throw error
    }
  }

  #writeRoots(objects: ObjectSource, client: KubeClient, authority: AuthorityKeeper): void {
    const roots = new RootConfigMaps({
      objects,
      client,
      texts: () => (this.#isLeader ? authority.notice : undefined),
      clock: this.#clock,
      logger: this.#logger('roots'),
    })
    const ends = [
      authority.onChange(() => {
        roots.refresh()
        this.#writers?.rootsChanged()
      }),
      this.#writers?.leadership.subscribe((isLeader) => {
        if (isLeader) roots.refresh()
      }),
    ]
    const close = async (): Promise<void> => {
      for (const end of ends) end?.()
    }
    this.#closers.unshift({ close }, roots)
    void objects.synced.then(() => {
      if (!this.#isClosed) roots.start()
    })
  }

  /** Nobody is answered from a state that is not whole: what is missing in it would be taken for deleted. */
  async #serveWhenSynced(
    objects: ObjectSource,
    { mesh, told }: Derived,
    authority: AuthorityKeeper,
    authenticator: TokenAuthenticator,
  ): Promise<void> {
    try {
      await Promise.all([objects.synced, authority.ready.then(() => this.#readiness.done('ca'))])
      if (this.#isClosed) return
      this.#graph.settle()
      this.#readiness.done('objects')
      await this.#startGrpc({ mesh, told }, authority, authenticator)
      this.#readiness.done('grpc')
      if (this.#writers !== undefined) {
        await this.#startAdmission(mesh, authority)
        this.#writers.start(mesh, told)
      }
      this.#served.resolve()
      const { grpc, http, monitoring, webhook } = this.ports
      const ports = { grpc, http, monitoring, ...(webhook === 0 ? {} : { webhook }) }
      this.#logger('app').info('serving', { ...ports, workloads: mesh.workloads.size })
    } catch (error) {
      this.#served.reject(error)
      this.#control.stop({ reason: reasonOf(error), exitCode: 1 })
    }
  }

  async #startGrpc(
    { mesh, told }: Derived,
    authority: AuthorityKeeper,
    authenticator: TokenAuthenticator,
  ): Promise<void> {
    const config = this.#config
    const push = new PushServer({
      types: [...meshTypes(this.#graph, mesh), ...waypointTypes(this.#graph, told)],
      graph: this.#graph,
      journal: this.#journal,
      workloads: mesh.workloads,
      streamsPerSecond: config.streamsPerSecond,
      debounce: { quietMs: config.debounceQuietMs, longestMs: config.debounceLongestMs },
      authenticate: (call) => this.#principalOf(call, authenticator),
      clock: this.#clock,
      logger: this.#logger('push'),
      metrics: this.#metrics,
    })
    const issue = certificateIssuer(
      {
        authority,
        authenticator,
        mesh,
        metrics: registerCaMetrics(this.#metrics),
        clock: this.#clock,
        logger: this.#logger('ca'),
      },
      {
        trustDomain: config.trustDomain,
        trustedNodeAccounts: config.trustedNodeAccounts,
        defaultLifeMs: config.defaultCertLifeMs,
        maxLifeMs: config.maxCertLifeMs,
        rate: { burst: config.certificateBurst, perSecond: config.certificatesPerSecond },
      },
    )
    const names = servingNames(config)
    const rpc = await startRpcServer({
      listen: { host: config.isIpv6Enabled ? '::' : '0.0.0.0', port: config.grpcPort },
      keyPair: servingCertificate(authority.current, names, this.#clock.nowMs()),
      handlers: [push.handler, certificateHandler(issue, this.#logger('ca')), this.#statusHandler(authenticator)],
      clock: this.#clock,
    })
    this.#push = push
    this.#rpc = rpc
    this.#closers.push(keepServing(authority, names, this.#clock, (pair) => rpc.renew(pair)))
    // Whoever closed meanwhile did not see what has just been opened.
    if (this.#isClosed) await this.close()
  }

  async #startAdmission(mesh: Mesh, authority: AuthorityKeeper): Promise<void> {
    const { admission: mode, webhookPort: port, isIpv6Enabled } = this.#config
    if (mode === 'off') return
    const names = servingNames(this.#config)
    const keyPair = servingCertificate(authority.current, names, this.#clock.nowMs())
    const host = isIpv6Enabled ? '::' : '0.0.0.0'
    const settings = { host, port, keyPair, mode, explain: mesh.explain }
    const logger = this.#logger('admission')
    const server = await listening('AMBIT_WEBHOOK_PORT', () =>
      AdmissionServer.listen({ ...settings, logger, metrics: this.#metrics }),
    )
    this.#admission = server
    this.#closers.push(keepServing(authority, names, this.#clock, (pair) => server.renew(pair)))
    // Whoever closed meanwhile did not see what has just been opened.
    if (this.#isClosed) await this.close()
  }

  async #startHttp(sources: DumpSources): Promise<void> {
    const parts = { readiness: this.#readiness, metrics: this.#metrics, log: this.#logger('admin') }
    this.#dumps = debugRoutes(sources)
    const { readiness, monitoring } = await openHttpServers(this.#config, this.#dumps, parts)
    this.#http = readiness
    this.#monitoring = monitoring
  }

  /** For istioctl: the pages of the monitoring port, to accounts of the root namespace. */
  #statusHandler(authenticator: TokenAuthenticator): RpcHandler {
    const { podName, rootNamespace } = this.#config
    return statusHandler({
      identifier: { id: podName, version: AMBIT_VERSION },
      authorize: async ({ token }) => (await authenticator.account(token)).namespace === rootNamespace,
      proxies: () => proxyStates(this.#push?.clients() ?? []),
      page: (name) => debugPage(this.#dumps, name),
      log: this.#logger('status'),
    })
  }

  async #principalOf(call: CallFacts, authenticator: TokenAuthenticator): Promise<string | undefined> {
    if (!this.#config.isXdsAuthRequired && call.token === undefined) return undefined
    const { namespace, serviceAccount } = await authenticator.authenticate(call.token)
    return `${namespace}/${serviceAccount}`
  }
}

function kindNameOf({ kind, apiVersions }: KindReader): string {
  return kindName(kind, apiVersions[0])
}

/** An object that does not work as it is written is told once, until there is a place for it on the object itself. */
function reportConditions(mesh: Mesh, logger: Logger): void {
  mesh.conditions.subscribe((changes) => {
    for (const change of changes) {
      if (change.type === 'deleted' || isMet(change.value)) continue
      const { kind, key, condition } = change.value
      logger.warn(`${kind} ${key}: ${condition.message}`)
    }
  })
}
