import { AdminServer, metricsRoutes, only, textRoute } from '#shared/admin'
import type { Clock } from '#shared/clock'
import { AMBIT_VERSION } from '#shared/control'
import { MeshError, reasonOf } from '#shared/errors'
import type { ObjectSource } from '#shared/k8s'
import type { KubeClient } from '#shared/kube-client'
import { type Closer, type DrainOrder, type MainControl, Readiness, type RunningProgram } from '#shared/lifecycle'
import { type IpAddress, parseIp } from '#shared/net'
import { type Log, type Logger, type Metrics, registerProcessMetrics } from '#shared/telemetry'
import { type CallFacts, certificateHandler, type RpcServer, startRpcServer } from '#shared/xds'
import { debugRoutes } from './admin/index.ts'
import {
  AuthorityKeeper,
  FolderStore,
  keepTrustFiles,
  pluggedInFolder,
  pluggedInSecret,
  registerAuthorityMetrics,
  SecretStore,
  warnOfExpiry,
} from './authority/index.ts'
import {
  certificateIssuer,
  JwksAuthenticator,
  keepServing,
  registerCaMetrics,
  type ServingNames,
  servingCertificate,
  type TokenAuthenticator,
  TokenReviewer,
} from './ca/index.ts'
import { Graph } from './collections/index.ts'
import { type IstiodConfig, originOf } from './config.ts'
import { isMet, type Mesh, wireMesh } from './mesh/index.ts'
import { registerMeshMetrics } from './metrics.ts'
import { PushServer } from './push/index.ts'
import { collectObjects, openObjects, RootConfigMaps } from './sources/index.ts'

export interface IstiodParts {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly control: MainControl
}

/** The running control plane. */
export interface Istiod extends RunningProgram {
  /** Clients are being served; rejects when that could not begin. */
  readonly serving: Promise<void>
  /** Ports in use; `grpc` is 0 until clients are served. */
  readonly ports: { readonly grpc: number; readonly http: number; readonly monitoring: number }
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
  readonly #logger: (scope: string) => Logger
  readonly #readiness = new Readiness()
  readonly #graph: Graph
  readonly #served = Promise.withResolvers<void>()
  /** In the order in which they are closed. */
  readonly #closers: Closer[] = []
  #push: PushServer | undefined
  #rpc: RpcServer | undefined
  #http: AdminServer | undefined
  #monitoring: AdminServer | undefined
  #isClosed = false

  constructor(config: IstiodConfig, { clock, log, metrics, control }: IstiodParts) {
    this.#config = config
    this.#clock = clock
    this.#metrics = metrics
    this.#control = control
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
    }
  }

  async start(): Promise<void> {
    const config = this.#config
    registerProcessMetrics(this.#metrics)
    this.#readiness.add('objects')
    this.#readiness.add('ca')
    this.#readiness.add('grpc')

    const logger = this.#logger('objects')
    const { objects, client } = await openObjects(originOf(config), { clock: this.#clock, logger })
    if (client !== undefined) this.#closers.push(client)
    this.#closers.unshift(objects)
    const authenticator = await this.#authenticator(client)
    const authority = this.#keepAuthority(client)
    const sources = collectObjects(this.#graph, objects)
    const captureSign = client === undefined ? 'labels' : 'annotation'
    const mesh = wireMesh(this.#graph, sources.collections, { ...config, captureSign })
    this.#closers.unshift(sources)
    registerMeshMetrics(this.#metrics, mesh, objects)
    reportConditions(mesh, this.#logger('conditions'))
    await this.#startHttp(objects, mesh, authority)
    await this.#startAuthority(authority)
    if (client !== undefined) this.#writeRoots(objects, client, authority)
    void this.#serveWhenSynced(objects, mesh, authority, authenticator)
  }

  async drain({ deadlineMs }: DrainOrder): Promise<void> {
    this.#readiness.add('draining')
    await this.#push?.close()
    await this.#rpc?.drain(deadlineMs)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#push?.close()
    await Promise.all([this.#rpc?.close(), this.#http?.close(), this.#monitoring?.close()])
    for (const closer of this.#closers.splice(0)) await closer.close()
  }

  /** A key set that is given counts; without one the cluster is asked. */
  async #authenticator(client: KubeClient | undefined): Promise<TokenAuthenticator> {
    const { tokenJwks: file, tokenAudience: audience, tokenIssuer: issuer } = this.#config
    const clock = this.#clock
    if (file !== undefined) {
      const authenticator = new JwksAuthenticator({ file, audience, issuer, clock })
      await authenticator.check()
      return authenticator
    }
    if (client === undefined) throw new MeshError('CONFIG_INVALID', 'nobody says whose a token is')
    return new TokenReviewer({ client, audience, clock })
  }

  /** In the cluster's Secret, or in the folder of a control plane that has no cluster. */
  #keepAuthority(client: KubeClient | undefined): AuthorityKeeper {
    const { stateDir, rootNamespace, cacertsDir, defaultCertLifeMs, caRefreshMs, caPropagationMs, ...config } =
      this.#config
    const clock = this.#clock
    const logger = this.#logger('ca')
    const folder = pluggedInFolder(cacertsDir)
    if (client === undefined && stateDir === undefined) throw new MeshError('CONFIG_INVALID', 'the CA has no place')
    const keeper = new AuthorityKeeper(
      {
        trustDomain: config.trustDomain,
        rootLifeMs: config.rootLifeMs,
        usualLifeMs: defaultCertLifeMs,
        refreshMs: caRefreshMs,
        propagationMs: caPropagationMs,
      },
      {
        store: client === undefined ? new FolderStore(stateDir ?? '') : new SecretStore(client, rootNamespace),
        pluggedIn: client === undefined ? [folder] : [folder, pluggedInSecret(client, rootNamespace)],
        // Every replica may: of two that take the same step, the API refuses the second.
        isLeader: () => true,
        clock,
        logger,
      },
    )
    registerAuthorityMetrics(this.#metrics, keeper, clock)
    const endFiles = stateDir === undefined ? () => {} : keepTrustFiles(stateDir, keeper, logger)
    const warnings = warnOfExpiry(keeper, clock, logger)
    this.#closers.unshift(keeper, warnings, { close: async () => endFiles() })
    return keeper
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
      texts: () => authority.notice,
      clock: this.#clock,
      logger: this.#logger('roots'),
    })
    const unsubscribe = authority.onChange(() => roots.refresh())
    this.#closers.unshift({ close: async () => unsubscribe() }, roots)
    void objects.synced.then(() => {
      if (!this.#isClosed) roots.start()
    })
  }

  /** Nobody is answered from a state that is not whole: what is missing in it would be taken for deleted. */
  async #serveWhenSynced(
    objects: ObjectSource,
    mesh: Mesh,
    authority: AuthorityKeeper,
    authenticator: TokenAuthenticator,
  ): Promise<void> {
    try {
      await Promise.all([objects.synced, authority.ready.then(() => this.#readiness.done('ca'))])
      if (this.#isClosed) return
      this.#graph.settle()
      this.#readiness.done('objects')
      await this.#startGrpc(mesh, authority, authenticator)
      this.#readiness.done('grpc')
      this.#served.resolve()
      const { grpc, http, monitoring } = this.ports
      this.#logger('app').info('serving', { grpc, http, monitoring, workloads: mesh.workloads.size })
    } catch (error) {
      this.#served.reject(error)
      this.#control.stop({ reason: reasonOf(error), exitCode: 1 })
    }
  }

  async #startGrpc(mesh: Mesh, authority: AuthorityKeeper, authenticator: TokenAuthenticator): Promise<void> {
    const config = this.#config
    const push = new PushServer(this.#graph, mesh, {
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
      handlers: [push.handler, certificateHandler(issue, this.#logger('ca'))],
      clock: this.#clock,
    })
    this.#push = push
    this.#rpc = rpc
    this.#closers.push(keepServing(authority, names, this.#clock, (pair) => rpc.renew(pair)))
    // Whoever closed meanwhile did not see what has just been opened.
    if (this.#isClosed) await this.close()
  }

  async #principalOf(call: CallFacts, authenticator: TokenAuthenticator): Promise<string | undefined> {
    if (!this.#config.isXdsAuthRequired && call.token === undefined) return undefined
    const { namespace, serviceAccount } = await authenticator.authenticate(call.token)
    return `${namespace}/${serviceAccount}`
  }

  async #startHttp(objects: ObjectSource, mesh: Mesh, authority: AuthorityKeeper): Promise<void> {
    const { httpPort, monitoringPort, monitoringBind, isIpv6Enabled } = this.#config
    const log = this.#logger('admin')
    this.#http = await listening('AMBIT_HTTP_PORT', () =>
      AdminServer.listen({
        name: 'readiness',
        port: httpPort,
        bind: 'all',
        isIpv6Enabled,
        routes: readyRoutes(this.#readiness),
        log,
      }),
    )
    const dumps = debugRoutes({
      graph: this.#graph,
      mesh,
      clients: () => this.#push?.clients() ?? [],
      objectProblems: () => objects.problems,
      authority: () => authority.view,
      clock: this.#clock,
      config: this.#config,
    })
    this.#monitoring = await listening('AMBIT_MONITORING_PORT', () =>
      AdminServer.listen({
        name: 'monitoring',
        port: monitoringPort,
        bind: monitoringBind,
        isIpv6Enabled,
        routes: { ...metricsRoutes(this.#metrics), ...versionRoute(), ...dumps },
        log,
      }),
    )
  }
}

/** istiod's own path; 503 while something is missing, so that nobody is sent here. */
function readyRoutes(readiness: Readiness): Parameters<typeof AdminServer.listen>[0]['routes'] {
  return {
    '/ready': only('GET', 'method not allowed\n', () =>
      readiness.isReady
        ? { status: 200, body: 'ready\n' }
        : { status: 503, body: `not ready, pending: ${readiness.pending.join(', ')}\n` },
    ),
  }
}

/** For istioctl: version, revision of the source, state of the build. */
function versionRoute(): Parameters<typeof AdminServer.listen>[0]['routes'] {
  const route = textRoute('text/plain; charset=utf-8', () => `${AMBIT_VERSION}-ambit-release`)
  // istioctl asks with two slashes.
  return { '/version': route, '//version': route }
}

async function listening(name: string, listen: () => Promise<AdminServer>): Promise<AdminServer> {
  try {
    return await listen()
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', `${name}: ${reasonOf(cause)}; choose another port, 0 = any`, { cause })
  }
}

/** Names under which clients reach the control plane. */
function servingNames({ rootNamespace, clusterDomain, addresses }: IstiodConfig): ServingNames {
  const service = `istiod.${rootNamespace}.svc`
  const loopback = ['127.0.0.1', '::1'].map(parseIp).filter((ip): ip is IpAddress => ip !== undefined)
  return {
    dnsNames: [service, `${service}.${clusterDomain}`, `istiod.${rootNamespace}`, 'istiod', 'localhost'],
    addresses: [...new Set([...loopback, ...addresses])],
  }
}

/** An object that does not work as it is written is told once, until there is a place for it on the object itself. */
function reportConditions(mesh: Mesh, logger: Logger): void {
  mesh.conditions.subscribe((changes) => {
    for (const change of changes) {
      if (change.type === 'deleted' || isMet(change.value)) continue
      logger.warn(`${change.key}: ${change.value.condition.message}`)
    }
  })
}
