import type { Clock } from '#shared/clock'
import { createTunnelPool } from '#shared/hbone'
import type { H2Limits } from '#shared/http2'
import type { DrainOrder, Readiness } from '#shared/lifecycle'
import type { MeshState } from '#shared/mesh-state'
import type { SpiffeId } from '#shared/model'
import type { RevocationList, WorkloadCertificate } from '#shared/pki'
import { CrlFile, RevocationWatch } from '#shared/revocation'
import type { KeepAlive } from '#shared/sys'
import { AccessLog, type Log, type Metrics } from '#shared/telemetry'
import { Authorizer, Verdicts, watchPolicies } from './authz/index.ts'
import { type CaptureSettings, type LocalPod, PodListeners, PodRegistry } from './capture/index.ts'
import type { ZtunnelConfig } from './config.ts'
import { ConnectionTable, tellOpen } from './connections/index.ts'
import { PodDialer } from './dial/index.ts'
import { makeDns } from './dns-plane.ts'
import { Inbound, type InboundOptions, PlaintextInbound } from './inbound/index.ts'
import { HostnameResolver, Outbound } from './outbound/index.ts'
import { ConnectionMetrics, ConnectionReporter } from './reporting/index.ts'
import { SameNode } from './same-node/index.ts'
import type { Successor, TakeEstate } from './succession/index.ts'

/** The tunnel's ports in each pod: the node agent's redirect rules name them, so they are no settings. */
const OUTBOUND_PORT = 15_001
const PLAINTEXT_PORT = 15_006
const HBONE_PORT = 15_008
const OWN_PORTS: ReadonlySet<number> = new Set([OUTBOUND_PORT, PLAINTEXT_PORT, HBONE_PORT])

/** What carries connections needs, whoever keeps it: this process itself, or the supervisor of several. */
export interface DataPlaneParts {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly state: MeshState
  /** @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  readonly certificateOf: (id: SpiffeId) => Promise<WorkloadCertificate>
  /** On demand only: asks the control plane for resources by name; resolves when it has answered. */
  readonly askFor: ((names: readonly string[]) => Promise<void>) | undefined
}

/** The part that carries bytes: pods, their listeners, both ways. */
export interface DataPlane {
  /** Takes pods from a node agent. */
  readonly pods: PodRegistry
  readonly connections: ConnectionTable
  readonly verdicts: Verdicts
  /** Goes on with a connection of the tunnel that was here before; false = it cannot. */
  readonly inherit: TakeEstate
  /** Drains all pods. @param next goes on with what can be left to it */
  drain(order: DrainOrder, next: Successor | undefined): Promise<void>
  /** Stops looking at files. */
  close(): void
}

/** Makes each part once and hands it its inputs. */
export function makeDataPlane(config: ZtunnelConfig, parts: DataPlaneParts): DataPlane {
  const { clock, log, metrics, readiness, state, certificateOf, askFor } = parts
  const connections = new ConnectionTable()
  const verdicts = new Verdicts(metrics, clock)
  const authorizer = new Authorizer({
    view: state,
    verdicts,
    unknownPolicy: config.unknownPolicy,
    logger: log.logger('authz'),
    policyLogLevel: config.isPolicyLoggedAtInfo ? 'info' : 'debug',
  })
  watchPolicies(state, connections, authorizer)
  let successor: Successor | undefined
  const reporter = new ConnectionReporter({
    clock,
    accessLog: new AccessLog(log),
    metrics: new ConnectionMetrics(metrics, config.metricsProfile),
    table: connections,
    successor: () => successor,
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
  const crlFile = revocations && watchCrlFile(config.crlPath ?? '', revocations, parts)
  const { halfOpenTimeoutMs } = config
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
    halfOpenTimeoutMs,
    isAppTunnelOnLoopback: config.isAppTunnelOnLoopback,
    isBaggageUsed: config.isResponseBaggageEnabled,
  }
  const inbound = new Inbound(inboundOptions)
  const plaintext = new PlaintextInbound(inboundOptions)
  const podsOf = (namespace: string, name: string): Iterable<LocalPod> => pods.named(namespace, name)
  const sameNode = { pods: new SameNode({ view: state, podsOf }), deliver: inbound.handleDirect }
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
    halfOpenTimeoutMs,
    logger: log.logger('outbound'),
    connectRetries: config.connectRetries,
    loadBalancing: config.loadBalancing,
    resolver: new HostnameResolver(clock),
    ownPorts: OWN_PORTS,
    hbonePort: HBONE_PORT,
    ...(askFor === undefined ? {} : { askFor }),
    ...(config.sameNode === 'tunnel' ? {} : { sameNode }),
  })
  const settings: CaptureSettings = {
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
  const openDns = makeDns(config, { clock, log, metrics, view: state })
  const handlers = { outbound: outbound.handle, plaintext: plaintext.handle, tunnel: inbound.handle }
  const pods: PodRegistry = new PodRegistry({
    clock,
    readiness,
    metrics,
    log: captureLog,
    start: (pod) => new PodListeners(pod, { settings, handlers, log: captureLog, overflows, openDns }),
  })
  return {
    pods,
    connections,
    verdicts,
    inherit: (estate, opener, target) => {
      const pod = pods.served(estate.podUid)
      const way = estate.way === 'outbound' ? outbound : plaintext
      return pod?.work.isDraining === false && way.resume(pod, estate, { opener, target })
    },
    async drain(order, next) {
      successor = next
      tellOpen(connections, log.logger('drain'))
      await pods.drain(order)
    },
    close: () => crlFile?.close(),
  }
}

function watchCrlFile(path: string, revocations: RevocationWatch, { clock, log }: DataPlaneParts): CrlFile {
  const onLists = (lists: readonly RevocationList[]): void => revocations.update(lists)
  return new CrlFile({ path, clock, log: log.logger('revocation'), onLists })
}

function keepAliveOf(config: ZtunnelConfig): KeepAlive | undefined {
  if (!config.isKeepAliveEnabled) return undefined
  return { idleMs: config.keepAliveTimeMs, intervalMs: config.keepAliveIntervalMs, probes: config.keepAliveRetries }
}
