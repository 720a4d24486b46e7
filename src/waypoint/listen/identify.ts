import type { Clock, Timer } from '#shared/clock'
import type { AppProtocol } from '#shared/model'
import type { ByteChannel } from '#shared/net'
import { MAX_HELLO_BYTES, readClientHello } from './client-hello.ts'
import { httpOf, protocolOf } from './first-bytes.ts'
import { type Onlooker, PeekedChannel } from './peeked-channel.ts'
import type { InnerProtocol } from './types.ts'

export interface Identified {
  readonly protocol: InnerProtocol
  readonly sni: string | undefined
  /** Opened for a silent client, unstarted; only with opaque bytes. */
  readonly server: ByteChannel | undefined
}

/** Opens the way to the server of a client that says nothing; undefined = there is none. */
export type DialServer = () => Promise<ByteChannel | undefined>

export interface IdentifyTimes {
  /** A client of an undeclared port that says nothing for so long waits for its server to speak, ms. */
  readonly serverFirstMs: number
  /** From the first look to a whole TLS hello; what takes longer goes on without a name, ms. */
  readonly helloMs: number
  /** A connection to an HTTP port on which nothing comes for so long is closed; one of an undeclared port, ms. */
  readonly firstRequestMs: number
}

export const IDENTIFY_TIMES: IdentifyTimes = { serverFirstMs: 50, helloMs: 5_000, firstRequestMs: 300_000 }

/**
 * Finds out what is spoken on a connection (istio-control-plane c.2): as its port declares, and between the versions of HTTP
 * by the first bytes. On undeclared ports the first bytes decide, of whichever side: for a client that says nothing the
 * server is dialled after `serverFirstMs`, and who speaks first tells which protocol it is. A server that speaks first is
 * delayed by that once per connection, and a client of HTTP may take its time.
 *
 * @param dialServer undefined = a client that says nothing is opaque bytes
 * @param done called once, unless the connection is closed for saying nothing
 */
export function identify(
  channel: PeekedChannel,
  declared: AppProtocol | undefined,
  clock: Clock,
  times: IdentifyTimes,
  dialServer: DialServer | undefined,
  done: (what: Identified) => void,
): void {
  if (declared === 'TCP') done(OPAQUE)
  else channel.look(new Identification(channel, declared, clock, times, dialServer, done))
}

const OPAQUE: Identified = { protocol: 'tcp', sni: undefined, server: undefined }
const HTTP1: Identified = { protocol: 'http1', sni: undefined, server: undefined }
const HTTP2: Identified = { protocol: 'http2', sni: undefined, server: undefined }

class Identification implements Onlooker {
  readonly #channel: PeekedChannel
  readonly #clock: Clock
  readonly #times: IdentifyTimes
  readonly #done: (what: Identified) => void
  /** What the bytes are read as. */
  #as: 'http' | 'tls' | 'unknown'
  #timer: Timer
  #isDone = false
  #server: PeekedChannel | undefined

  constructor(
    channel: PeekedChannel,
    declared: AppProtocol | undefined,
    clock: Clock,
    times: IdentifyTimes,
    dialServer: DialServer | undefined,
    done: (what: Identified) => void,
  ) {
    this.#channel = channel
    this.#clock = clock
    this.#times = times
    this.#done = done
    this.#as = declared === undefined ? 'unknown' : declared === 'TLS' ? 'tls' : 'http'
    if (this.#as === 'http') this.#timer = this.#closeLater()
    else if (this.#as === 'tls' || dialServer === undefined) this.#timer = this.#goOnLater(this.#firstWaitMs())
    else this.#timer = clock.setTimer(times.serverFirstMs, () => this.#waitForEither(dialServer))
  }

  onFirstBytes(bytes: Uint8Array): boolean {
    if (this.#as === 'unknown') {
      const found = protocolOf(bytes)
      if (found === 'http1') return this.#finish(HTTP1)
      if (found === 'http2') return this.#finish(HTTP2)
      if (found === 'other') return this.#finish(OPAQUE)
      if (found === 'more') return false
      this.#as = 'tls'
      this.#timer.cancel()
      this.#timer = this.#goOnLater(this.#times.helloMs)
    }
    return this.#as === 'http' ? this.#readHttp(bytes) : this.#readHello(bytes)
  }

  onNothingMore(): void {
    this.#finish(this.#as === 'http' ? HTTP1 : OPAQUE)
  }

  #readHttp(bytes: Uint8Array): boolean {
    const found = httpOf(bytes)
    return found !== 'more' && this.#finish(found === 'http2' ? HTTP2 : HTTP1)
  }

  #readHello(bytes: Uint8Array): boolean {
    const hello = readClientHello(bytes)
    if (hello.kind === 'hello') return this.#finish({ ...OPAQUE, sni: hello.serverName })
    return (hello.kind === 'other' || bytes.length >= MAX_HELLO_BYTES) && this.#finish(OPAQUE)
  }

  #firstWaitMs(): number {
    return this.#as === 'tls' ? this.#times.helloMs : this.#times.serverFirstMs
  }

  /** Whoever speaks first from now on tells what it is. */
  #waitForEither(dialServer: DialServer): void {
    this.#timer = this.#goOnLater(this.#times.firstRequestMs)
    dialServer().then(
      (channel) => {
        if (channel === undefined) this.#goOn()
        else this.#listenTo(channel)
      },
      () => this.#goOn(),
    )
  }

  #listenTo(channel: ByteChannel): void {
    const server = new PeekedChannel(channel, () => {})
    if (this.#isDone) {
      server.destroy()
      return
    }
    this.#server = server
    server.look({
      onFirstBytes: () => {
        this.#goOn()
        return true
      },
      onNothingMore: () => this.#goOn(),
    })
  }

  #goOnLater(afterMs: number): Timer {
    return this.#clock.setTimer(afterMs, () => this.#goOn())
  }

  /** As opaque bytes, whatever the client will say. */
  #goOn(): void {
    this.#channel.lookAway()
    this.#finish(OPAQUE)
  }

  #closeLater(): Timer {
    return this.#clock.setTimer(this.#times.firstRequestMs, () => {
      this.#isDone = true
      this.#channel.lookAway()
      this.#channel.destroy()
    })
  }

  #finish(what: Identified): true {
    if (this.#isDone) return true
    this.#isDone = true
    this.#timer.cancel()
    const server = this.#server
    server?.lookAway()
    // A name may lead to another server than the one that was dialled without it.
    const isOfServer = what.protocol === 'tcp' && what.sni === undefined
    if (!isOfServer) server?.destroy()
    this.#done(isOfServer && server !== undefined ? { ...what, server } : what)
    return true
  }
}
