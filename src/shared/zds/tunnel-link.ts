import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { SeqPacketConnection, SeqPacketMessage } from '#shared/sys'
import { closeFds } from './close-fds.ts'
import { decodeAck, encodeRequest, readHello, type WorkloadRequest } from './messages.ts'

/** How long a tunnel may take for its hello and for each acknowledgement. */
const ANSWER_TIMEOUT_MS = 5000
/** Requests that may wait for one tunnel: more pods than a node can have. */
const MAX_QUEUED = 4096

/** The request whose acknowledgement is awaited. */
interface InFlight {
  readonly answered: (packet: SeqPacketMessage) => void
  readonly failed: (error: MeshError) => void
}

/**
 * One connected tunnel, as the agent sees it: one request at a time, each answered by one acknowledgement within 5 s.
 *
 * A late answer ends the connection, also outside the snapshot: it could not be told from the answer to the next request.
 * The tunnel then connects again and gets everything anew. Any packet that answers nothing ends it as well.
 */
export class TunnelLink {
  /** Resolves with the reason when the connection has ended, whoever ended it. */
  readonly ended: Promise<string>
  readonly #connection: SeqPacketConnection
  readonly #clock: Clock
  #inFlight: InFlight | undefined
  /** Settles when the request before has been answered. */
  #last: Promise<unknown> = Promise.resolve()
  #queued = 0
  #endReason: string | undefined
  #tellEnded: (reason: string) => void = () => {}

  private constructor(connection: SeqPacketConnection, clock: Clock) {
    this.#connection = connection
    this.#clock = clock
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve
    })
  }

  /** Waits for the tunnel's hello. @throws MeshError `ZDS_PROTOCOL_ERROR`; the connection is then closed */
  static async afterHello(connection: SeqPacketConnection, clock: Clock): Promise<TunnelLink> {
    const link = new TunnelLink(connection, clock)
    const hello = new Promise<SeqPacketMessage>((answered, failed) => link.#await({ answered, failed }, 'hello'))
    void link.#read()
    try {
      readHello((await hello).bytes)
      return link
    } catch (error) {
      link.end(reasonOf(error))
      throw error
    }
  }

  /**
   * Sends one request when those before it are answered.
   * @param fd goes with an `add`
   * @throws MeshError `ZDS_REFUSED` with the tunnel's text; `ZDS_UNAVAILABLE` when the link ends before the answer
   */
  request(request: WorkloadRequest, fd?: () => number): Promise<void> {
    if (this.#queued >= MAX_QUEUED) return Promise.reject(unavailable('too many requests wait for the tunnel'))
    this.#queued++
    const done = this.#last.then(() => this.#exchange(request, fd)).finally(() => this.#queued--)
    this.#last = done.catch(() => undefined)
    return done
  }

  end(reason: string): void {
    if (this.#endReason !== undefined) return
    this.#endReason = reason
    void this.#connection.close()
    this.#inFlight?.failed(unavailable(reason))
    this.#tellEnded(reason)
  }

  async #exchange(request: WorkloadRequest, fd: (() => number) | undefined): Promise<void> {
    if (this.#endReason !== undefined) throw unavailable(this.#endReason)
    // Asked for only now, so that a namespace closed in the meantime is noticed here.
    const fds = fd === undefined ? [] : [fd()]
    const answer = new Promise<SeqPacketMessage>((answered, failed) => {
      this.#await({ answered, failed }, `acknowledgement of ${request.kind}`)
    })
    answer.catch(() => undefined)
    try {
      await this.#connection.send(encodeRequest(request), fds)
    } catch (error) {
      this.end(`the tunnel cannot be told: ${reasonOf(error)}`)
    }
    const error = this.#errorOf(await answer)
    if (error !== '') throw new MeshError('ZDS_REFUSED', `the tunnel says: ${JSON.stringify(error)}`)
  }

  #errorOf(packet: SeqPacketMessage): string {
    try {
      return decodeAck(packet.bytes)
    } catch (error) {
      this.end(reasonOf(error))
      throw unavailable(reasonOf(error))
    }
  }

  #await(inFlight: InFlight, what: string): void {
    const timer = this.#clock.setTimer(ANSWER_TIMEOUT_MS, () => this.end(`no ${what} within ${ANSWER_TIMEOUT_MS} ms`))
    const settle = (): void => {
      timer.cancel()
      this.#inFlight = undefined
    }
    this.#inFlight = {
      answered: (packet) => {
        settle()
        inFlight.answered(packet)
      },
      failed: (error) => {
        settle()
        inFlight.failed(error)
      },
    }
  }

  /** Hands each packet to the request in flight, until the connection ends. */
  async #read(): Promise<void> {
    try {
      for (;;) {
        const packet = await this.#connection.receive()
        if (packet === undefined) return this.end('the tunnel has closed the connection')
        closeFds(packet.fds)
        if (packet.isTruncated || packet.fds.length > 0) return this.end('the tunnel has sent an unreadable packet')
        if (this.#inFlight === undefined) return this.end('the tunnel has spoken without being asked')
        this.#inFlight.answered(packet)
      }
    } catch (error) {
      this.end(`the tunnel cannot be heard: ${reasonOf(error)}`)
    }
  }
}

function unavailable(reason: string): MeshError {
  return new MeshError('ZDS_UNAVAILABLE', reason)
}
