import { MeshError } from '#shared/errors'
import type { InnerConnection } from '../../listen/index.ts'
import type { BodySink, BodySource, Exchange, RequestHead, ResponseHead } from '../types.ts'
import type { Framing } from './body-decoder.ts'
import { BodyReader } from './body-reader.ts'
import { BodyWriter, type BodyWriting } from './body-writer.ts'
import { Malformed } from './malformed.ts'
import type { ReadRequest } from './request-head.ts'
import type { HeadScan } from './scan-head.ts'
import type { Http1Server } from './server-connection.ts'
import { type WrittenFraming, writeResponseHead } from './write-head.ts'

/** One request and its answer on a connection of HTTP/1. */
export class ServerExchange implements Exchange {
  readonly request: RequestHead
  readonly receivedAtMs: number
  onClientGone: (() => void) | undefined
  readonly #server: Http1Server
  readonly #read: ReadRequest
  readonly #body: BodyReader
  #writer: BodyWriter | undefined
  /** A final answer has begun. */
  #hasResponded = false
  #isUpgraded = false
  /** The connection cannot be used behind this answer. */
  #isLast: boolean
  #isRead = false
  #isWritten = false
  #isGone = false

  constructor(server: Http1Server, read: ReadRequest, scan: HeadScan, receivedAtMs: number) {
    this.request = read.head
    this.receivedAtMs = receivedAtMs
    this.#server = server
    this.#read = read
    this.#isLast = read.isLast
    this.#body = new BodyReader(server.connection.channel, scan, {
      onRead: () => {
        this.#isRead = true
        this.#finish()
      },
      onGivenUp: () => {
        this.#isLast = true
        this.#isRead = true
        this.#finish()
      },
    })
  }

  begin(): void {
    // What comes behind an upgrade waits for its answer: it is the other protocol's, or the next request.
    if (this.request.upgrade !== undefined) return
    this.#body.begin(framingOf(this.#read))
  }

  get connection(): InnerConnection {
    return this.#server.connection
  }

  get body(): BodySource {
    return this.#body
  }

  get requestBytes(): number {
    return this.#body.bytes
  }

  get responseBytes(): number {
    return this.#writer?.bytes ?? 0
  }

  inform(head: ResponseHead): void {
    if (this.#hasResponded || this.#isGone || this.request.version === 'HTTP/1.0') return
    const { bytes, length } = writeResponseHead(head, { kind: 'silent' }, undefined)
    this.connection.channel.write(bytes, 0, length)
  }

  respond(head: ResponseHead, lengthBytes: number | undefined): BodySink {
    if (this.#hasResponded) throw new Error('an exchange is answered once')
    this.#hasResponded = true
    const { upgrade } = this.request
    const isUpgrade = head.status === 101 && upgrade !== undefined
    if (isUpgrade) {
      this.#isUpgraded = true
      this.#isLast = true
      this.#body.begin({ kind: 'rest' })
    } else if (upgrade !== undefined) this.#body.begin({ kind: 'none' })
    const [written, writing] = isUpgrade
      ? ([{ kind: 'upgrade', protocol: upgrade }, { kind: 'rest' }] as const)
      : this.#framingOf(head.status, lengthBytes)
    if (writing.kind === 'rest') this.#isLast = true
    // A client that is not done with its request cannot send another one behind it.
    if (!isUpgrade && !this.#body.isComplete) this.#isLast = true
    const shouldClose = !isUpgrade && (this.#isLast || this.#server.isLast)
    this.#writer = new BodyWriter(this.connection.channel, writing, {
      onWritten: () => {
        this.#isWritten = true
        if (this.#isUpgraded) this.connection.channel.end()
        else if (!this.#body.isComplete) {
          // The answer is the last one: its client need not send all of its request to see that.
          this.connection.channel.end()
          this.#body.discard()
        } else if (!this.#body.isTaken) this.#body.discard()
        this.#finish()
      },
      onBroken: (error) => this.abort(error),
    })
    if (this.#isGone) {
      const writer = this.#writer
      queueMicrotask(() => writer.unwanted())
      return writer
    }
    const staysOld = this.request.version === 'HTTP/1.0' && !shouldClose
    const { bytes, length } = writeResponseHead(
      head,
      written,
      shouldClose ? 'close' : staysOld ? 'keep-alive' : undefined,
    )
    this.connection.channel.write(bytes, 0, length)
    const writer = this.#writer
    if (isUpgrade) this.#server.upgraded()
    return writer
  }

  abort(error: MeshError): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#body.fail(error)
    this.#server.destroy()
  }

  // ---- for the connection

  get isAnswered(): boolean {
    return this.#hasResponded
  }

  /** Bytes belong to this request, not to one behind it. */
  get wantsInput(): boolean {
    return this.request.upgrade === undefined ? !this.#body.isComplete : this.#isUpgraded
  }

  feed(bytes: Buffer, start: number, end: number): number {
    this.#server.bodyDeadline()
    return this.#body.feed(bytes, start, end)
  }

  inputEnded(): void {
    if (this.#body.finish()) return
    if (this.request.upgrade !== undefined && !this.#isUpgraded) return
    this.clientGone(new MeshError('CLIENT_GONE', 'the client ended in the middle of a request'))
    this.#server.destroy()
  }

  drained(): void {
    this.#writer?.drained()
  }

  /** The request's body has been silent for too long; an answer may take as long as its route lets it. */
  bodyTimedOut(): void {
    if (this.#body.isComplete || this.#isUpgraded) return
    this.#server.refuse(new Malformed('the body did not go on in time', 408))
  }

  clientGone(error: MeshError): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#body.fail(error)
    if (this.#isWritten) return
    this.#writer?.unwanted()
    this.onClientGone?.()
  }

  #framingOf(status: number, lengthBytes: number | undefined): readonly [WrittenFraming, BodyWriting] {
    if (status === 204 || status === 304) {
      // 304 may say how long the body would be; 204 must not (RFC 9110 §8.6).
      const isSaid = status === 304 && lengthBytes !== undefined && lengthBytes > 0
      return [isSaid ? { kind: 'length', bytes: lengthBytes } : { kind: 'none' }, { kind: 'dropped' }]
    }
    if (this.request.method === 'HEAD') {
      return [
        lengthBytes === undefined ? { kind: 'silent' } : { kind: 'length', bytes: lengthBytes },
        { kind: 'dropped' },
      ]
    }
    if (lengthBytes !== undefined)
      return [
        { kind: 'length', bytes: lengthBytes },
        { kind: 'length', bytes: lengthBytes },
      ]
    if (this.request.version === 'HTTP/1.0') return [{ kind: 'silent' }, { kind: 'rest' }]
    return [{ kind: 'chunked' }, { kind: 'chunked' }]
  }

  #finish(): void {
    if (!this.#isRead || !this.#isWritten || this.#isGone) return
    this.#server.finished(this, !this.#isLast)
  }
}

export function framingOf({ framing }: ReadRequest): Framing {
  if (framing === 'none') return { kind: 'none' }
  return framing === 'chunked' ? { kind: 'chunked' } : { kind: 'length', bytes: framing }
}
