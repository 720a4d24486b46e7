import { type Clock, sleep } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { listenSeqPacket, type SeqPacketConnection, type SeqPacketListener } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import { MAX_PACKET_BYTES } from './messages.ts'
import { TunnelLink } from './tunnel-link.ts'
import type { ZdsPod, ZdsServer } from './types.ts'

export interface ZdsServerOptions {
  /** Of the socket; its folder must exist. */
  readonly path: string
  /** Known already: a tunnel ends what its first snapshot does not name. */
  readonly pods: readonly ZdsPod[]
  readonly clock: Clock
  readonly logger: Logger
  /** A tunnel has got its snapshot and is the newest, or a tunnel is gone. */
  readonly onTunnels?: () => void
}

/** Only root, or the owner of the user namespace, may connect. */
const SOCKET_MODE = 0o600
/** At most 5 connections a second are accepted (hbone-and-ztunnel g.1). */
const ACCEPT_PAUSE_MS = 200
/** Two during an upgrade; more come only from something that goes wrong. */
const MAX_TUNNELS = 8

/** Listens for tunnels. @throws MeshError `SYSCALL_FAILED` */
export function serveZds(options: ZdsServerOptions): ZdsServer {
  return new Server(listenSeqPacket(options.path, SOCKET_MODE, MAX_PACKET_BYTES), options)
}

class Server implements ZdsServer {
  readonly #listener: SeqPacketListener
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #onTunnels: () => void
  readonly #pods: Map<string, ZdsPod>
  /** That have said hello; the newest is the last. */
  readonly #links = new Set<TunnelLink>()
  /** Also those whose hello is awaited. */
  #connections = 0
  readonly #closing = new AbortController()

  constructor(listener: SeqPacketListener, { clock, logger, pods, onTunnels }: ZdsServerOptions) {
    this.#listener = listener
    this.#clock = clock
    this.#logger = logger
    this.#onTunnels = onTunnels ?? (() => {})
    this.#pods = new Map(pods.map((pod) => [pod.uid, pod]))
    void this.#acceptAll()
  }

  get tunnelCount(): number {
    return this.#links.size
  }

  async add(pod: ZdsPod): Promise<void> {
    this.#pods.set(pod.uid, pod)
    const newest = [...this.#links].at(-1)
    if (newest === undefined) throw new MeshError('ZDS_UNAVAILABLE', 'no tunnel is connected')
    await tell(newest, pod)
  }

  async delete(uid: string): Promise<void> {
    this.#pods.delete(uid)
    const told = [...this.#links].map((link) => link.request({ kind: 'delete', uid }))
    for (const result of await Promise.allSettled(told)) {
      if (result.status === 'rejected') {
        this.#logger.warn('a tunnel did not take the end of a pod', { uid, reason: reasonOf(result.reason) })
      }
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('closed'))
    await this.#listener.close()
    for (const link of [...this.#links]) link.end('the node agent is closing')
  }

  async #acceptAll(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        const connection = await this.#listener.accept()
        if (connection === undefined) return
        if (this.#connections >= MAX_TUNNELS) {
          this.#logger.error('a tunnel is turned away: too many are connected', { connected: this.#connections })
          await connection.close()
        } else {
          void this.#serve(connection)
        }
      } catch (error) {
        this.#logger.error('accepting a tunnel failed', { reason: reasonOf(error) })
      }
      await sleep(this.#clock, ACCEPT_PAUSE_MS, signal).catch(() => undefined)
    }
  }

  /** A tunnel from hello to end; never rejects. */
  async #serve(connection: SeqPacketConnection): Promise<void> {
    this.#connections++
    try {
      const link = await TunnelLink.afterHello(connection, this.#clock)
      if (this.#closing.signal.aborted) return link.end('the node agent is closing')
      this.#links.add(link)
      this.#logger.info('tunnel connected', { tunnels: this.#links.size })
      await this.#sendSnapshot(link)
      const reason = await link.ended
      this.#links.delete(link)
      this.#logger.warn('tunnel is gone', { reason, tunnels: this.#links.size })
      this.#onTunnels()
    } catch (error) {
      this.#logger.warn('a tunnel did not say hello', { reason: reasonOf(error) })
    } finally {
      this.#connections--
    }
  }

  /** Live adds and deletes queue behind the requests that are already waiting, so each is said after the snapshot's. */
  async #sendSnapshot(link: TunnelLink): Promise<void> {
    const uids = [...this.#pods.keys()]
    const answers = uids.flatMap((uid) => {
      const pod = this.#pods.get(uid)
      return pod === undefined ? [] : [this.#tellInSnapshot(link, pod)]
    })
    const complete = link.request({ kind: 'snapshot sent' })
    await Promise.all(answers)
    try {
      await complete
      this.#logger.info('tunnel has its snapshot', { pods: answers.length })
      this.#onTunnels()
    } catch (error) {
      this.#logger.warn('tunnel did not take the snapshot', { reason: reasonOf(error) })
    }
  }

  /** A refusal is only told: the tunnel keeps the pod as pending and tries again itself. */
  async #tellInSnapshot(link: TunnelLink, pod: ZdsPod): Promise<void> {
    try {
      await (pod.netns === undefined ? link.request({ kind: 'keep', uid: pod.uid }) : tell(link, pod))
    } catch (error) {
      this.#logger.warn('tunnel did not take a pod of the snapshot', { uid: pod.uid, reason: reasonOf(error) })
    }
  }
}

function tell(link: TunnelLink, { uid, info, netns }: ZdsPod): Promise<void> {
  if (netns === undefined) {
    return Promise.reject(new MeshError('ZDS_UNAVAILABLE', 'the namespace of the pod is not known'))
  }
  return link.request({ kind: 'add', uid, info }, () => netns.fd)
}
