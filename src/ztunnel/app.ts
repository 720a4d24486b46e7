import { readFileSync } from 'node:fs'
import {
  AdminServer,
  indexRoute,
  loggingRoute,
  metricsRoutes,
  quitRoute,
  readinessRoutes,
  textRoute,
} from '#shared/admin'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { createTunnelPool } from '#shared/hbone'
import type { H2Limits } from '#shared/http2'
import { type MainControl, Readiness, type RunningProgram } from '#shared/lifecycle'
import { verifyReadTakeover } from '#shared/net'
import { type KeepAlive, missingPrivileges, privilegeAdvice, raiseFileLimit } from '#shared/sys'
import { AccessLog, type Log, type Metrics, registerProcessMetrics } from '#shared/telemetry'
import {
  type AdsClient,
  addressType,
  authorizationType,
  CaClient,
  type Subscription,
  startAdsClient,
} from '#shared/xds'
import { connectZds } from '#shared/zds'
import { configDump } from './admin/index.ts'
import { Authorizer, watchPolicies } from './authz/index.ts'
import { type CaptureSettings, PodListeners, PodRegistry } from './capture/index.ts'
import { shownConfig, type ZtunnelConfig } from './config.ts'
import { ConnectionTable } from './connections/index.ts'
import { caEndpoint, nodeIdentity, xdsEndpoint } from './control-plane.ts'
import { PodDialer } from './dial/index.ts'
import { CertificateManager, fetchFrom } from './identity/index.ts'
import { Inbound, type InboundOptions, PlaintextInbound } from './inbound/index.ts'
import { keepHeapTrimmed } from './memory.ts'
import { registerBuild, xdsObserver } from './metrics.ts'
import { HostnameResolver, Outbound } from './outbound/index.ts'
import { prefetchCertificates } from './prefetch.ts'
import { ConnectionMetrics, ConnectionReporter } from './reporting/index.ts'
import { CrlFile, RevocationWatch } from './revocation/index.ts'
import {
  addressFeed,
  applyLocalConfig,
  authorizationFeed,
  MeshState,
  OnDemand,
  parseLocalConfig,
} from './state/index.ts'
import { versionFacts } from './version.ts'

/** The tunnel's ports in each pod: the node agent's redirect rules name them, so they are no settings. */
const OUTBOUND_PORT = 15_001
const PLAINTEXT_PORT = 15_006
const HBONE_PORT = 15_008
const OWN_PORTS: ReadonlySet<number> = new Set([OUTBOUND_PORT, PLAINTEXT_PORT, HBONE_PORT])

export interface ZtunnelParts {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly control: MainControl
}

/**
 * Makes each part once and hands it its inputs.
 *
 * @throws MeshError `PRIVILEGE_MISSING`, `CONFIG_INVALID`
 */
export async function startZtunnel(config: ZtunnelConfig, parts: ZtunnelParts): Promise<RunningProgram> {
  const { clock, log, metrics, control } = parts
  const logger = log.logger('app')
  const missing = missingPrivileges()
  if (missing.length > 0) throw new MeshError('PRIVILEGE_MISSING', privilegeAdvice(missing))
  raiseFileLimit()
  logger.debug('sockets are read by', { way: await verifyReadTakeover() })
  registerProcessMetrics(metrics)
  registerBuild(metrics, config.istioVersion)
  const readiness = new Readiness()
  readiness.add('proxy')
  readiness.add('state manager')

  const state = new MeshState({ clock, nodeName: config.nodeName })
  const local = readLocalConfig(config)
  if (local !== undefined) applyLocalConfig(state, local)

  const ca = new CaClient(caEndpoint(config), clock)
  const certificates = new CertificateManager({
    fetch: fetchFrom(ca, Math.ceil(config.secretTtlMs / 1000), clock, {
      isTls12Enabled: config.isTls12Enabled,
      isPqcOnly: config.compliancePolicy === 'pqc',
    }),
    clock,
    log: log.logger('identity'),
  })
  const certificateOf: InboundOptions['certificateOf'] = (id) => certificates.certificate(id)
  prefetchCertificates(state, certificates, config.nodeName)

  const table = new ConnectionTable()
  const authorizer = new Authorizer({
    view: state,
    unknownPolicy: config.unknownPolicy,
    logger: log.logger('authz'),
    policyLogLevel: config.isPolicyLoggedAtInfo ? 'info' : 'debug',
  })
  watchPolicies(state, table, authorizer)
  const reporter = new ConnectionReporter({
    clock,
    accessLog: new AccessLog(log),
    metrics: new ConnectionMetrics(metrics),
    table,
  })
  const keepAlive = keepAliveOf(config)
  const { network, packetMark, sourceKeeping } = config
  const dialer = new PodDialer({ clock, log: log.logger('dial'), packetMark, keepAlive, sourceKeeping })

  const limits: Partial<H2Limits> = {
    streamWindowBytes: config.http2StreamWindowBytes,
    connectionWindowBytes: config.http2ConnectionWindowBytes,
    maxFrameBytes: config.http2FrameBytes,
  }
  const revocations = config.crlPath === undefined ? undefined : new RevocationWatch(metrics)
  const crlFile =
    config.crlPath === undefined
      ? undefined
      : new CrlFile({
          path: config.crlPath,
          clock,
          log: log.logger('revocation'),
          onLists: (lists) => revocations?.update(lists),
        })
  const ads = startControlPlane(config, state, parts)
  const onDemand =
    config.xdsOnDemand && ads !== undefined
      ? new OnDemand({ client: ads, typeUrl: addressType.typeUrl, clock })
      : undefined
  const outbound = new Outbound({
    view: state,
    clock,
    dialer,
    reporter,
    certificateOf,
    network,
    createPool: () =>
      createTunnelPool({
        clock,
        limits,
        maxStreamsPerConnection: config.poolMaxStreamsPerConnection,
        unusedReleaseMs: config.poolUnusedReleaseTimeoutMs,
        isLostRequestRepeated: config.connectRetries > 0,
        revocation: revocations?.for('source'),
      }),
    revocation: revocations?.for('source'),
    halfOpenTimeoutMs: config.halfOpenTimeoutMs,
    resolver: new HostnameResolver(clock),
    logger: log.logger('outbound'),
    connectRetries: config.connectRetries,
    loadBalancing: config.loadBalancing,
    ownPorts: OWN_PORTS,
    hbonePort: HBONE_PORT,
    ...(onDemand === undefined ? {} : { askFor: (names) => onDemand.ask(names) }),
  })
  const inboundOptions: InboundOptions = {
    view: state,
    clock,
    authorizer,
    dialer,
    reporter,
    certificateOf,
    limits,
    network,
    ownPorts: OWN_PORTS,
    revocation: revocations?.for('destination'),
    halfOpenTimeoutMs: config.halfOpenTimeoutMs,
    isAppTunnelOnLoopback: config.isAppTunnelOnLoopback,
    isBaggageUsed: config.isResponseBaggageEnabled,
  }
  const inbound = new Inbound(inboundOptions)
  const plaintext = new PlaintextInbound(inboundOptions)

  const captureSettings: CaptureSettings = {
    outboundPort: OUTBOUND_PORT,
    plaintextPort: PLAINTEXT_PORT,
    hbonePort: HBONE_PORT,
    isIpv6Enabled: config.isIpv6Enabled,
    packetMark,
    isPortShared: config.isPortShared,
    isSourceKept: sourceKeeping !== 'never',
    keepAlive,
  }
  const captureLog = log.logger('capture')
  const overflows = metrics.counter(
    'ambit_pod_connection_overflows',
    'Connections reset because their pod had too many',
  )
  const handlers = { outbound: outbound.handle, plaintext: plaintext.handle, tunnel: inbound.handle }
  const registry = new PodRegistry({
    clock,
    readiness,
    metrics,
    log: captureLog,
    start: (pod) => new PodListeners(pod, { settings: captureSettings, handlers, log: captureLog, overflows }),
  })

  const quit = (): void => control.stop({ reason: '/quitquitquit', exitCode: 0 })
  const { isIpv6Enabled } = config
  const adminLog = log.logger('admin')
  const listen = (
    name: string,
    port: number,
    bind: 'localhost' | 'all',
    routes: Parameters<typeof AdminServer.listen>[0]['routes'],
  ): Promise<AdminServer> => AdminServer.listen({ name, port, bind, routes, isIpv6Enabled, log: adminLog })
  const servers = await Promise.all([
    listen('admin', config.adminPort, 'localhost', {
      '/': indexRoute('ztunnel', {
        '/config_dump': 'everything that this tunnel knows',
        '/logging': 'log levels (POST)',
      }),
      '/config_dump': textRoute('application/json', () =>
        configDump({
          view: state,
          staticConfig: local ?? { workloads: [], services: [], policies: [] },
          certificates: () => certificates.list(),
          pods: () => registry.pods(),
          connections: table,
          version: versionFacts(config.istioVersion),
          config: shownConfig(config),
        }),
      ),
      '/logging': loggingRoute(log.filter),
      '/quitquitquit': quitRoute(quit),
    }),
    listen('metrics', config.statsPort, 'all', metricsRoutes(metrics)),
    listen('readiness', config.readinessPort, 'all', readinessRoutes(readiness)),
  ])

  const synced = ads?.synced ?? Promise.resolve()
  let zds: ReturnType<typeof connectZds> | undefined
  let isStopping = false
  synced.then(
    () => {
      readiness.done('state manager')
      // No pod is taken before the mesh is known: its connections would fail.
      if (isStopping) return
      zds = connectZds({
        path: config.inpodUds,
        handler: registry,
        clock,
        logger: log.logger('zds'),
        onProtocolError: (error) => control.stop({ reason: error.message, exitCode: 1 }),
      })
    },
    () => {}, // closed before it was in sync
  )
  readiness.done('proxy')
  const trims = keepHeapTrimmed(clock)
  logger.info('started', { node: config.nodeName, control_plane: config.xdsAddress ?? 'none' })

  return {
    async drain(order) {
      isStopping = true
      await Promise.all(servers.map((server) => server.close()))
      await zds?.close()
      await registry.drain(order)
    },
    async close() {
      crlFile?.close()
      await Promise.all([ads?.close(), certificates.close(), ca.close(), trims.close()])
    },
  }
}

function keepAliveOf(config: ZtunnelConfig): KeepAlive | undefined {
  if (!config.isKeepAliveEnabled) return undefined
  return { idleMs: config.keepAliveTimeMs, intervalMs: config.keepAliveIntervalMs, probes: config.keepAliveRetries }
}

function startControlPlane(config: ZtunnelConfig, state: MeshState, parts: ZtunnelParts): AdsClient | undefined {
  const { clock, log, metrics } = parts
  if (config.xdsAddress === undefined) return undefined
  return startAdsClient({
    endpoint: xdsEndpoint(config, config.xdsAddress),
    node: nodeIdentity(config),
    // Each applies what its own type decodes; the client pairs the two and needs to know neither.
    subscriptions: [
      addressFeed(state, addressType, config.xdsOnDemand ? 'on-demand' : 'wildcard'),
      authorizationFeed(state, authorizationType),
    ] as readonly Subscription<unknown>[] as readonly Subscription<never>[],
    clock,
    log: log.logger('xds'),
    observer: xdsObserver(metrics),
  })
}

function readLocalConfig(config: ZtunnelConfig): ReturnType<typeof parseLocalConfig> | undefined {
  const { localXdsPath, localXds } = config
  if (localXdsPath !== undefined && localXds !== undefined) {
    throw new MeshError('CONFIG_INVALID', 'LOCAL_XDS_PATH and LOCAL_XDS exclude each other')
  }
  if (localXds !== undefined) return parseLocalConfig(localXds, 'LOCAL_XDS')
  if (localXdsPath === undefined) return undefined
  try {
    return parseLocalConfig(readFileSync(localXdsPath, 'utf8'), localXdsPath)
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw new MeshError('CONFIG_INVALID', `LOCAL_XDS_PATH cannot be read: ${(cause as Error).message}`, { cause })
  }
}
