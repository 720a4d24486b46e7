import { MeshError } from '#shared/errors'
import type {
  BodySink,
  HttpClientConnection,
  RequestHead,
  UpstreamExchange,
  UpstreamResponse,
} from '../../src/waypoint/codec/index.ts'

/** A connection to an endpoint without any bytes: a test says when its requests end. */
export class FakeHttpClient implements HttpClientConnection {
  readonly protocol: 'http1' | 'http2'
  onChanged: (() => void) | undefined
  isClosed = false
  /** What the peer takes at once. */
  maxActive: number
  /** Targets of requests, in order. */
  readonly sent: string[] = []
  #activeCount = 0
  #isRetired = false

  constructor(protocol: 'http1' | 'http2' = 'http1', maxActive: number = protocol === 'http1' ? 1 : 100) {
    this.protocol = protocol
    this.maxActive = maxActive
  }

  get capacity(): number {
    return this.#isRetired || this.isClosed ? 0 : this.maxActive - this.#activeCount
  }

  get activeCount(): number {
    return this.#activeCount
  }

  get isRetired(): boolean {
    return this.#isRetired
  }

  send(request: RequestHead): UpstreamExchange {
    if (this.capacity === 0) throw new MeshError('UPSTREAM_REFUSED_STREAM', 'no room')
    this.#activeCount++
    this.sent.push(request.target)
    return {
      body: nowhere(),
      response: new Promise<UpstreamResponse>(() => {}),
      onInformational: undefined,
      cancel: () => this.finish(),
    }
  }

  /** One of the requests is over. */
  finish(): void {
    this.#activeCount--
    if (this.#isRetired && this.#activeCount === 0) this.lose()
    else this.onChanged?.()
  }

  /** The peer closes it. */
  lose(): void {
    this.isClosed = true
    this.#activeCount = 0
    this.onChanged?.()
  }

  /** The peer says that it takes no more. */
  goAway(): void {
    this.maxActive = 0
    this.onChanged?.()
  }

  retire(): void {
    this.#isRetired = true
    if (this.#activeCount === 0 && !this.isClosed) this.lose()
  }

  destroy(): void {
    this.lose()
  }
}

function nowhere(): BodySink {
  return { write: () => true, end: () => {}, abort: () => {}, onDrain: undefined, onUnwanted: undefined }
}
