import { MeshError } from '#shared/errors'
import type { ByteChannel } from '#shared/net'
import type { BodySink, RequestHead, ResponseHead, UpstreamExchange, UpstreamResponse } from '../types.ts'
import type { Framing } from './body-decoder.ts'
import { BodyReader } from './body-reader.ts'
import { BodyWriter, type BodyWriting } from './body-writer.ts'
import { OctetFields } from './fields.ts'
import { Malformed } from './malformed.ts'
import type { HeadScan } from './scan-head.ts'
import { type WrittenFraming, writeRequestHead } from './write-head.ts'

export interface ClientExchangeOptions {
  /** The connection has answered before. */
  readonly isReused: boolean
  /** Both bodies are done. */
  readonly onDone: (isReusable: boolean) => void
  /** The connection is of no use any more. */
  readonly onFailed: () => void
}

/** Interim answers of one request: nobody has a use for more, and each costs our client one. */
const MAX_INTERIM = 16
/** Methods whose requests without a body say so (RFC 9110 §8.6). */
const METHODS_WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/** One request and its answer on a client's connection of HTTP/1. */
export class ClientExchange implements UpstreamExchange {
  readonly response: Promise<UpstreamResponse>
  onInformational: ((head: ResponseHead) => void) | undefined
  readonly #channel: ByteChannel
  readonly #request: RequestHead
  readonly #lengthBytes: number | undefined
  readonly #scan: HeadScan
  readonly #options: ClientExchangeOptions
  readonly #answered: PromiseWithResolvers<UpstreamResponse> = Promise.withResolvers()
  readonly #writer: BodyWriter
  readonly #reader: BodyReader
  #interimCount = 0
  #hasAnswerBegun = false
  #hasHead = false
  #isReusable = true
  #isRead = false
  #isWritten = false
  #isOver = false

  constructor(
    channel: ByteChannel,
    request: RequestHead,
    lengthBytes: number | undefined,
    scan: HeadScan,
    options: ClientExchangeOptions,
  ) {
    this.#channel = channel
    this.#request = request
    this.#lengthBytes = lengthBytes
    this.#scan = scan
    this.#options = options
    this.response = this.#answered.promise
    // Who has given up does not look at it any more.
    this.response.catch(() => {})
    const [, writing] = this.#framing()
    this.#writer = new BodyWriter(channel, writing, {
      onWritten: () => {
        this.#isWritten = true
        if (request.upgrade !== undefined && this.#hasHead) this.#channel.end()
        this.#finish()
      },
      // A request that will never be whole: its endpoint must not take it for one.
      onBroken: (error) => this.fail(error),
    })
    this.#reader = new BodyReader(channel, scan, {
      onRead: () => {
        this.#isRead = true
        if (!this.#isWritten) {
          // Nobody reads the rest of the request.
          this.#isReusable = false
          this.#isWritten = true
          this.#writer.unwanted()
        }
        this.#finish()
      },
      onGivenUp: () => this.fail(new MeshError('UPSTREAM_RESET', 'the answer is not wanted any more')),
    })
  }

  begin(): void {
    const [written] = this.#framing()
    const { bytes, length } = writeRequestHead(this.#request, written)
    this.#channel.write(bytes, 0, length)
  }

  get body(): BodySink {
    return this.#writer
  }

  cancel(): void {
    this.fail(new MeshError('CLIENT_GONE', 'nobody waits for the answer any more'))
  }

  // ---- for the connection

  get isInBody(): boolean {
    return this.#hasHead
  }

  /** All of the answer has come, even if nobody has taken it yet. */
  get isAnswerComplete(): boolean {
    return this.#hasHead && this.#reader.isComplete
  }

  answerBegun(): void {
    this.#hasAnswerBegun = true
  }

  /** @throws Malformed */
  headRead(bytes: Buffer): void {
    const scan = this.#scan
    const { status } = scan
    const { upgrade } = this.#request
    const head: ResponseHead = {
      version: scan.minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1',
      status,
      fields: new OctetFields(scan, bytes, 'head'),
    }
    if (status < 200 && status !== 101) {
      if (++this.#interimCount > MAX_INTERIM) throw new Malformed('too many interim answers', 502)
      this.onInformational?.(head)
      return
    }
    if (status === 101 && (upgrade === undefined || !this.#isUpgradeTo(bytes, upgrade))) {
      throw new Malformed('an upgrade that was not asked for', 502)
    }
    this.#hasHead = true
    const isUpgraded = status === 101
    const framing: Framing = isUpgraded ? { kind: 'rest' } : this.#framingOfAnswer()
    this.#isReusable &&=
      !isUpgraded && framing.kind !== 'rest' && !scan.saysClose && (scan.minor === 1 || scan.saysKeepAlive)
    if (upgrade !== undefined && !isUpgraded) {
      // The other protocol is not spoken: there is nothing that could follow the head.
      this.#isWritten = true
      this.#writer.unwanted()
    }
    this.#answered.resolve({ head, body: this.#reader })
    this.#reader.begin(framing)
    if (status === 304 || this.#request.method === 'HEAD') {
      this.#reader.lengthBytes = scan.contentLength < 0 ? undefined : scan.contentLength
    }
  }

  /** @throws Malformed */
  feed(bytes: Buffer, start: number, end: number): number {
    return this.#reader.feed(bytes, start, end)
  }

  inputEnded(): void {
    this.#isReusable = false
    if (this.#hasHead && this.#reader.finish()) return
    this.connectionLost('the endpoint ended the connection')
  }

  drained(): void {
    this.#writer.drained()
  }

  connectionLost(reason: string): void {
    // A request on a kept-alive connection that went at that moment has not been looked at (RFC 9112 §9.3.1).
    const isUntouched = this.#options.isReused && !this.#hasAnswerBegun && this.#writer.bytes === 0
    this.fail(new MeshError(isUntouched ? 'UPSTREAM_RESET_BEFORE_REQUEST' : 'UPSTREAM_RESET', reason))
  }

  fail(error: MeshError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#answered.reject(error)
    this.#writer.unwanted()
    this.#reader.fail(error)
    this.#options.onFailed()
  }

  #framing(): readonly [WrittenFraming, BodyWriting] {
    const { upgrade, method } = this.#request
    if (upgrade !== undefined) return [{ kind: 'upgrade', protocol: upgrade }, { kind: 'rest' }]
    const bytes = this.#lengthBytes
    if (bytes === undefined) return [{ kind: 'chunked' }, { kind: 'chunked' }]
    if (bytes === 0 && !METHODS_WITH_BODY.has(method)) return [{ kind: 'none' }, { kind: 'length', bytes: 0 }]
    return [
      { kind: 'length', bytes },
      { kind: 'length', bytes },
    ]
  }

  #framingOfAnswer(): Framing {
    const { status, transferEncoding, contentLength } = this.#scan
    if (this.#request.method === 'HEAD' || status === 204 || status === 304) return { kind: 'none' }
    if (transferEncoding === 'chunked') return { kind: 'chunked' }
    if (contentLength < 0) return { kind: 'rest' }
    return contentLength === 0 ? { kind: 'none' } : { kind: 'length', bytes: contentLength }
  }

  #isUpgradeTo(bytes: Buffer, protocol: string): boolean {
    const { upgradeLine, saysUpgrade } = this.#scan
    return saysUpgrade && upgradeLine >= 0 && this.#scan.valueOf(bytes, upgradeLine).toLowerCase() === protocol
  }

  #finish(): void {
    if (!this.#isRead || !this.#isWritten || this.#isOver) return
    this.#isOver = true
    this.#options.onDone(this.#isReusable)
  }
}
