import type { Clock } from '#shared/clock'
import { rcodes, type Transport } from '#shared/dns'
import { reasonOf } from '#shared/errors'
import type { MeshView } from '#shared/mesh-state'
import { serviceKey, type Workload } from '#shared/model'
import type { IpAddress } from '#shared/net'
import type { Logger } from '#shared/telemetry'
import type { LocalPod } from '../capture/index.ts'
import type { DnsMetrics, DnsQuery } from '../reporting/index.ts'
import { type AnswerSettings, answerFromMesh } from './answer.ts'
import { type Named, type PodQuery, readPodQuery } from './query.ts'
import type { ReplyStream, Transferred, Upstream } from './upstream.ts'
import { errorReply, meshReply } from './wire.ts'

export interface DnsProxyOptions extends Omit<AnswerSettings, 'view' | 'random'> {
  readonly view: MeshView
  readonly clock: Clock
  readonly upstream: Pick<Upstream, 'forward' | 'transfer'>
  readonly metrics: DnsMetrics
  /** Of scope `dns`: one line for each question, at debug. */
  readonly log: Logger
  /** Questions that wait for something, of all pods; more are answered with SERVFAIL at once. */
  readonly maxWaiting?: number
  /** The same of one pod. */
  readonly maxPodWaiting?: number
}

/** A pod that asks, as long as its listeners are open. */
export interface Asker {
  readonly pod: LocalPod
  /** Its questions that wait for something. */
  waiting: number
  /** The listeners are being closed: nobody will take an answer. */
  readonly signal: AbortSignal
}

/** How long a pod's own workload may take to arrive from the control plane, as for connections. */
const WORKLOAD_TIMEOUT_MS = 5000
/** Each may hold a socket. */
const MAX_WAITING = 4096
const MAX_POD_WAITING = 512

/** What becomes of a question: the mesh's own answer, or the upstream's (hbone-and-ztunnel j). */
export class DnsProxy {
  readonly #options: DnsProxyOptions
  readonly #answers: AnswerSettings
  #waiting = 0
  #hasWarnedOfLoop = false

  constructor(options: DnsProxyOptions) {
    this.#options = options
    this.#answers = { ...options, random: () => options.clock.random() }
  }

  /**
   * Undefined: it is not answered, or was by messages that went to `stream`, which TCP has. Never rejects.
   */
  async ask(
    asker: Asker,
    packet: Uint8Array,
    transport: Transport,
    stream?: ReplyStream,
  ): Promise<Uint8Array | undefined> {
    const asked = readPodQuery(packet, transport)
    switch (asked.kind) {
      case 'ignored':
        return undefined
      case 'refused':
        return asked.reply
      default:
        try {
          return await this.#resolve(asker, asked, packet, transport, stream)
        } catch (error) {
          this.#options.log.error('a question could not be answered', { reason: reasonOf(error) })
          return errorReply(packet, rcodes.SERVFAIL)
        }
    }
  }

  async #resolve(
    asker: Asker,
    asked: Extract<PodQuery, { kind: 'address' | 'other' | 'transfer' }>,
    packet: Uint8Array,
    transport: Transport,
    stream: ReplyStream | undefined,
  ): Promise<Uint8Array | undefined> {
    const { view, metrics } = this.#options
    const { info } = asker.pod
    const client =
      view.localWorkload(info) ??
      (await this.#bounded(asker, () => view.waitForLocalWorkload(info, WORKLOAD_TIMEOUT_MS)))
    const counted: DnsQuery = { type: asked.type.toLowerCase(), protocol: transport, source: client }
    metrics.asked(counted)
    if (client === undefined) {
      this.#tell(asked, client, 'unknown source', 0)
      return errorReply(packet, rcodes.SERVFAIL)
    }
    if (asked.kind === 'address') {
      const answer = answerFromMesh({ client, question: asked.question }, this.#answers)
      if (answer.kind === 'known') {
        const aliases = answer.records.filter(({ type }) => type === 'CNAME').length
        this.#tell(asked, client, answer.result, aliases)
        return meshReply(asked.query, answer.records, transport)
      }
    }
    // Only of TCP are there transfers, and that has a stream.
    return this.#forward({ asker, asked, client, packet, transport, counted }, stream)
  }

  async #forward(
    question: {
      readonly asker: Asker
      readonly asked: Named & { readonly kind: string }
      readonly client: Workload
      readonly packet: Uint8Array
      readonly transport: Transport
      readonly counted: DnsQuery
    },
    stream: ReplyStream | undefined,
  ): Promise<Uint8Array | undefined> {
    const { upstream, metrics, clock } = this.#options
    const { asker, asked, client, packet, transport, counted } = question
    const isBarred = ({ ip }: { readonly ip: IpAddress }): boolean => this.#isOwn(client, ip)
    const { netns } = asker.pod
    const startedMs = clock.monotonicMs()
    metrics.forwarded(counted)
    const forwarding = { netns, packet, transport, isBarred, signal: asker.signal }
    const forwarded = (await this.#bounded(
      asker,
      (): Promise<Transferred> =>
        asked.kind === 'transfer' && stream !== undefined
          ? upstream.transfer(forwarding, stream)
          : upstream.forward(forwarding),
    )) ?? { kind: 'failed', reason: 'too many questions are waiting' }
    if (forwarded.kind === 'failed') {
      metrics.forwardingFailed(counted)
      this.#tell(asked, client, `forwarding failed (${forwarded.reason})`, 0)
      return errorReply(packet, rcodes.SERVFAIL)
    }
    metrics.upstreamAnswered(counted, (clock.monotonicMs() - startedMs) / 1000)
    if (forwarded.kind === 'sent' || forwarded.kind === 'broken') {
      if (forwarded.kind === 'broken') metrics.forwardingFailed(counted)
      const result = forwarded.kind === 'sent' ? 'forwarded' : `forwarding failed (${forwarded.reason})`
      this.#tell(asked, client, result, 0)
      return undefined
    }
    const isSuccess = forwarded.rcode === rcodes.NOERROR
    if (!isSuccess) metrics.forwardingFailed(counted)
    this.#tell(asked, client, isSuccess ? 'forwarded' : `forwarding failed (code ${forwarded.rcode})`, 0)
    return forwarded.reply
  }

  /**
   * Whether that server is the client itself: its questions come from answering ours, and would go round for ever.
   */
  #isOwn(client: Workload, server: IpAddress): boolean {
    const service = this.#options.view.serviceByVip(client.network, server, client.namespace)
    const isOwn =
      client.addresses.includes(server) || (service !== undefined && client.services.has(serviceKey(service)))
    if (isOwn && !this.#hasWarnedOfLoop) {
      this.#hasWarnedOfLoop = true
      this.#options.log.warn('a resolver of the tunnel has its own questions captured', {
        pod: `${client.namespace}/${client.name}`,
        advice: 'annotate it with ambient.istio.io/dns-capture: "false"',
      })
    }
    return isOwn
  }

  /** Undefined: too many wait already. */
  async #bounded<T>(asker: Asker, work: () => Promise<T>): Promise<T | undefined> {
    const { maxWaiting = MAX_WAITING, maxPodWaiting = MAX_POD_WAITING } = this.#options
    if (this.#waiting >= maxWaiting || asker.waiting >= maxPodWaiting) return undefined
    this.#waiting++
    asker.waiting++
    try {
      return await work()
    } finally {
      this.#waiting--
      asker.waiting--
    }
  }

  #tell({ type, domain }: Named, client: Workload | undefined, result: string, endpoints: number): void {
    const { log } = this.#options
    if (!log.isEnabled('debug')) return
    const workload = client?.name
    const namespace = client?.namespace
    log.debug('', { 'src.workload': workload, 'src.namespace': namespace, query: type, domain, result, endpoints })
  }
}
