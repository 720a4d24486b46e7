import { connect } from 'node:net'
import { createTunnelPool } from '#shared/hbone'
import { CertificateManager, fetchFrom, followRoots } from '#shared/identity'
import { type DrainOrder, Readiness, type RunningProgram } from '#shared/lifecycle'
import { type IpAddress, parseIp, verifyReadTakeover } from '#shared/net'
import type { ProgramParts } from '#shared/program'
import { CrlFile, RevocationWatch } from '#shared/revocation'
import { LineWriter, registerProcessMetrics } from '#shared/telemetry'
import { adsClientMetrics, CaClient, startAdsClient } from '#shared/xds'
import { openAdminServers } from './admin-servers.ts'
import type { WaypointConfig } from './config.ts'
import { caEndpoint, nodeIdentity, xdsEndpoint } from './control-plane.ts'
import { configDump } from './dump.ts'
import { listenTunnels } from './listen/index.ts'
import { makeProxying } from './proxying.ts'
import { WaypointState } from './state/index.ts'

/** What takes connections, with its own readiness: the whole program, or one of several workers. */
export interface Proxy extends RunningProgram {
  readonly readiness: Readiness
  /** The body of `/config_dump`. */
  dump(): string
}

const STDOUT = 1
/** New connections are still taken for so long after the signal: those who send them hear of it a moment later. */
const NOTICE_MS = 3_000

/** The waypoint as one process. @throws MeshError `CONFIG_INVALID` */
export async function startWaypoint(config: WaypointConfig, parts: ProgramParts): Promise<RunningProgram> {
  const { clock, log, metrics, control } = parts
  const proxy = await makeProxy(config, parts)
  const servers = await openAdminServers(config, {
    clock,
    log,
    metrics,
    readiness: proxy.readiness,
    dump: () => proxy.dump(),
    quit: () => control.stop({ reason: '/quitquitquit', exitCode: 0 }),
  })
  log.logger('app').info('started', { gateway: config.gateway, control_plane: config.xdsAddress })
  return {
    drain: (order) => proxy.drain(order),
    async close() {
      await proxy.close()
      await Promise.all(servers.map((server) => server.close()))
    },
  }
}

/** Makes each part once and hands it its inputs. @throws MeshError `CONFIG_INVALID` */
export async function makeProxy(config: WaypointConfig, parts: ProgramParts): Promise<Proxy> {
  const { clock, log, metrics, control } = parts
  log.logger('app').debug('sockets are read by', { way: await verifyReadTakeover() })
  registerProcessMetrics(metrics)
  const readiness = new Readiness()
  readiness.add('control plane')
  readiness.add('certificate')

  const ca = new CaClient(caEndpoint(config), clock)
  const certificates = new CertificateManager({
    fetch: fetchFrom(ca, Math.ceil(config.secretTtlMs / 1000), clock, { isTls12Enabled: false, isPqcOnly: false }),
    clock,
    log: log.logger('identity'),
  })
  certificates.warmUp(config.identity)
  const roots = followRoots(caEndpoint(config), certificates, parts)
  const certificate = () => certificates.certificate(config.identity)

  const state = new WaypointState({
    clock,
    network: config.network,
    waypoint: { namespace: config.podNamespace, name: config.gateway },
  })
  const ads = startAdsClient({
    endpoint: xdsEndpoint(config),
    node: nodeIdentity(config),
    subscriptions: state.subscriptions(),
    clock,
    log: log.logger('xds'),
    observer: adsClientMetrics(metrics, clock),
  })

  const revocations = config.crlPath === undefined ? undefined : new RevocationWatch(metrics)
  const crlFile =
    revocations &&
    new CrlFile({
      path: config.crlPath ?? '',
      clock,
      log: log.logger('revocation'),
      onLists: (lists) => revocations.update(lists),
    })
  const tunnels = createTunnelPool({ clock, revocation: revocations?.for('source') })
  const { instanceIp } = config
  const proxying = makeProxying({
    clock,
    log,
    metrics,
    view: state,
    config,
    lines: new LineWriter(STDOUT, clock),
    self: () => state.mesh.workloadByIp(config.network, instanceIp),
    endpoints: {
      tunnels,
      certificate,
      identity: config.identity,
      sourceIp: instanceIp,
      tunnelPort: HBONE_PORT,
      network: config.network,
      dialTunnel: ({ ip, port }) => connect({ host: ip, port, noDelay: true, allowHalfOpen: true }),
    },
  })

  let listener: Awaited<ReturnType<typeof listenTunnels>> | undefined
  let isStopping = false
  const refusals = log.logger('listen')
  const open = async (): Promise<void> => {
    await Promise.all([ads.synced.then(() => readiness.done('control plane')), untilCertified(certificate, clock)])
    if (isStopping) return
    const ip = addressOf(config.isIpv6Enabled ? '::' : '0.0.0.0')
    listener = await listenTunnels(
      { ip, port: config.hbonePort },
      {
        clock,
        view: state,
        owner: proxying,
        certificate,
        revocation: revocations?.for('destination'),
        onRefused: ({ peer, source, target, reason }) =>
          refusals.info('refused', { peer, source: `${source.ip}:${source.port}`, target, reason }),
      },
    )
    readiness.done('certificate')
  }
  open().catch((error: unknown) => {
    if (!isStopping) control.stop({ reason: `port ${config.hbonePort}: ${String(error)}`, exitCode: 1 })
  })

  return {
    readiness,
    dump: () => configDump({ config, state, certificates: certificates.list(), proxying }),
    async drain(order: DrainOrder) {
      isStopping = true
      readiness.add('drain')
      const noticeMs = order.mode === 'immediate' ? 0 : Math.min(NOTICE_MS, order.deadlineMs / 3)
      await new Promise<void>((done) => void clock.setTimer(noticeMs, done, true))
      const rest: DrainOrder = { ...order, deadlineMs: order.deadlineMs - noticeMs }
      await listener?.drain(rest)
      await proxying.drain(rest)
      await tunnels.drain(rest)
    },
    async close() {
      isStopping = true
      await listener?.close()
      await proxying.close()
      await Promise.all([tunnels.close(), roots.close(), certificates.close(), ca.close(), ads.close()])
      await crlFile?.close()
    },
  }
}

/** Where workloads take tunnels. */
const HBONE_PORT = 15_008
const RETRY_MS = 500

/** Resolves with the first certificate, however long the authority is away. */
async function untilCertified(certificate: () => Promise<unknown>, clock: ProgramParts['clock']): Promise<void> {
  for (;;) {
    try {
      await certificate()
      return
    } catch {
      // The manager tells why, and tries again by itself.
      await new Promise<void>((done) => void clock.setTimer(RETRY_MS, done))
    }
  }
}

function addressOf(text: string): IpAddress {
  const ip = parseIp(text)
  if (ip === undefined) throw new TypeError(`${text} is no address`)
  return ip
}
