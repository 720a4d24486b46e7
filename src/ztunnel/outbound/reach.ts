import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import {
  type ConnectRequest,
  connectHeaders,
  endWhenHalfOpen,
  type PoolKey,
  type Revocation,
  type StreamPump,
  type TunnelPool,
  type TunnelStream,
} from '#shared/hbone'
import type { Cancellation } from '#shared/lifecycle'
import { type SpiffeId, workloadIdentity } from '#shared/model'
import { type ByteMeter, type CopyResult, SocketPipe, socketOfDescriptor } from '#shared/net'
import type { WorkloadCertificate } from '#shared/pki'
import type { AcceptedSocket, LocalPod } from '../capture/index.ts'
import type { PodDialer } from '../dial/index.ts'
import type { Leaving } from './opening.ts'
import type { ReachingPlan } from './types.ts'

export interface ReachOptions {
  readonly clock: Clock
  /** Tunnels of one pod; none is shared between pods. */
  readonly createPool: () => TunnelPool
  readonly dialer: PodDialer
  /** @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  readonly certificateOf: (id: SpiffeId) => Promise<WorkloadCertificate>
  /** The node's own network name, empty by default. */
  readonly network: string
  /** Undefined = nothing is known of revoked certificates. */
  readonly revocation: Revocation | undefined
  /** Of tunnelled connections (`AMBIT_HALF_OPEN_TIMEOUT`); 0 = none. */
  readonly halfOpenTimeoutMs: number
}

/** A next hop that is there, to which nothing of the application has been sent. */
export interface Reached {
  readonly meter: Readonly<ByteMeter>
  /** Copies until both ways are done; the accepted socket is this copy's from now on. */
  carry(accepted: AcceptedSocket): Promise<CopyResult>
  /** Ends it, before `carry` or during it. */
  abort(): void
  /** Tells when a certificate of a peer on the way is revoked; the returned function ends that. */
  onRevoked(tell: () => void): () => void
  /** Of two plain sockets: what another process can go on with. */
  readonly pipe?: SocketPipe
}

const NOTHING_TO_STOP = (): void => {}

type TunnelPlan = Exclude<ReachingPlan, { kind: 'passthrough' }>

/** Makes connections to next hops: by tunnel, by a tunnel in a tunnel, or plainly. */
export class Reach {
  readonly #options: ReachOptions
  readonly #pools = new WeakMap<LocalPod, TunnelPool>()

  constructor(options: ReachOptions) {
    this.#options = options
  }

  /**
   * @param cancellation gives it up
   * @throws MeshError as `TunnelPool.connect` and `PodDialer.connect`
   */
  to(planned: ReachingPlan, leaving: Leaving, cancellation: Cancellation): Promise<Reached> {
    return planned.kind === 'passthrough'
      ? this.#plainly(planned, leaving, cancellation)
      : this.#byTunnel(planned, leaving, cancellation)
  }

  async #byTunnel(planned: TunnelPlan, leaving: Leaving, cancellation: Cancellation): Promise<Reached> {
    const { dialer, certificateOf } = this.#options
    const { captured, workload } = leaving
    const source = workloadIdentity(workload)
    if (source === undefined) {
      throw new MeshError('CERTIFICATE_UNAVAILABLE', `workload ${workload.uid} has no identity`)
    }
    const key: PoolKey = {
      source,
      acceptedPeers: planned.acceptedPeers,
      destination: planned.peer,
      workloadUid: planned.destination.workload.uid,
      sourceIp: captured.source.ip,
    }
    const tunnelDialer = {
      dial: () => dialer.start(captured.pod, { target: planned.peer }),
      certificate: () => certificateOf(source),
    }
    const pool = this.#poolOf(captured.pod)
    const request = this.requestOf(planned, leaving)
    const { pump, chains } =
      planned.kind === 'tunnel'
        ? await pool.connect(key, tunnelDialer, request, cancellation)
        : await pool.connectThrough(key, tunnelDialer, request, this.#innerOf(planned, request), cancellation)
    return {
      meter: pump.meter,
      carry: (accepted) => this.#carry(pump, accepted),
      abort: () => pump.abort(),
      onRevoked: (tell) => this.#follow(chains, tell),
    }
  }

  #carry(pump: StreamPump, accepted: AcceptedSocket): Promise<CopyResult> {
    const { clock, halfOpenTimeoutMs } = this.#options
    const copied = pump.bind(accepted.adopt(pump.onread))
    return halfOpenTimeoutMs === 0 ? copied : copied.finally(endWhenHalfOpen(pump, clock, halfOpenTimeoutMs))
  }

  /** The CONNECT that tells a next hop of the connection. */
  requestOf(planned: TunnelPlan, { captured, workload, traceparent }: Leaving): ConnectRequest {
    return {
      authority: planned.kind === 'tunnel' ? planned.authority : planned.behind.authority,
      headers: connectHeaders({
        workload,
        source: captured.source,
        serviceHostname: planned.destination.service?.hostname,
        traceparent,
      }),
    }
  }

  /** The same request, and from which network it comes: the far end then looks for nobody at the gateway's address. */
  #innerOf(
    { behind }: Extract<TunnelPlan, { kind: 'double-tunnel' }>,
    { authority, headers }: ConnectRequest,
  ): Parameters<TunnelPool['connectThrough']>[3] {
    const { acceptedPeers } = behind
    return { acceptedPeers, request: { authority, headers: [...headers, [FORWARDED_NETWORK, this.#options.network]] } }
  }

  async #plainly(
    { target }: Extract<ReachingPlan, { kind: 'passthrough' }>,
    { captured }: Leaving,
    cancellation: Cancellation,
  ): Promise<Reached> {
    const pipe = new SocketPipe()
    const dial = { target, onread: pipe.targetOnread }
    return reachedPlainly(pipe, await this.#options.dialer.connect(captured.pod, dial, cancellation))
  }

  /** The next hop of a connection that another process has made. */
  inherited(fd: number): Reached {
    const pipe = new SocketPipe()
    return reachedPlainly(pipe, socketOfDescriptor(fd, pipe.targetOnread))
  }

  #follow(chains: TunnelStream['chains'], tell: () => void): () => void {
    const { revocation } = this.#options
    if (revocation === undefined || chains.length === 0) return NOTHING_TO_STOP
    const stops = chains.map((chain) => revocation.follow(chain, tell))
    return () => {
      for (const stop of stops) stop()
    }
  }

  #poolOf(pod: LocalPod): TunnelPool {
    const known = this.#pools.get(pod)
    if (known !== undefined) return known
    const pool = this.#options.createPool()
    this.#pools.set(pod, pool)
    pod.belongings.push(pool)
    return pool
  }
}

const FORWARDED_NETWORK = 'x-forwarded-network'

function reachedPlainly(pipe: SocketPipe, socket: Socket): Reached {
  return {
    meter: pipe.meter,
    carry: (accepted) => pipe.bind(accepted.adopt(pipe.openerOnread), socket),
    abort: () => {
      pipe.abort()
      socket.destroy()
    },
    onRevoked: () => NOTHING_TO_STOP,
    pipe,
  }
}
