import { once } from 'node:events'
import * as http2 from 'node:http2'
import { systemClock } from '#shared/clock'
import type { Logger } from '#shared/telemetry'
import type { ControlPlaneEndpoint } from '#shared/xds'
import type { DeltaRequest, DeltaResponse } from '../../src/shared/xds/messages.ts'
import { DELTA_ADS_PATH } from '../../src/shared/xds/rpc.ts'
import { schema, type Written } from '../../src/shared/xds/schema.ts'
import type { MemoryCa } from './memory-ca.ts'

/** Scripted ends of delta ADS over Node's own HTTP/2, so that no code of the room under test speaks for both sides. */

/** What has come and not been looked at, and who waits for it. */
class Inbox<T> {
  readonly #items: T[] = []
  readonly #waiting: ((item: T) => void)[] = []

  put(item: T): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#items.push(item)
    else waiting(item)
  }

  /** Fails after 5 s. */
  take(what: string): Promise<T> {
    const [item] = this.#items.splice(0, 1)
    if (item !== undefined) return Promise.resolve(item)
    return new Promise((resolve, reject) => {
      const timer = systemClock.setTimer(5_000, () => reject(new Error(`no ${what} came`)))
      this.#waiting.push((one) => {
        timer.cancel()
        resolve(one)
      })
    })
  }

  get isEmpty(): boolean {
    return this.#items.length === 0
  }
}

/** Length-prefixed messages of gRPC: a flag byte, four bytes of length, the message. */
function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

function onMessages(stream: http2.Http2Stream, take: (message: Buffer) => void): void {
  let held = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
      const end = 5 + held.readUInt32BE(1)
      take(held.subarray(5, end))
      held = held.subarray(end)
    }
  })
}

export interface StreamStatus {
  readonly code: number
  readonly message: string
}

/** A stream that a client under test has opened to us. */
export class ScriptedServerStream {
  readonly headers: http2.IncomingHttpHeaders
  readonly #stream: http2.ServerHttp2Stream
  readonly #requests = new Inbox<DeltaRequest>()
  readonly #gone = Promise.withResolvers<void>()
  #hasAnswered = false

  constructor(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) {
    this.headers = headers
    this.#stream = stream
    onMessages(stream, (message) => this.#requests.put(schema().deltaRequest.decode(message)))
    stream.on('error', () => {})
    stream.on('close', () => this.#gone.resolve())
  }

  next(): Promise<DeltaRequest> {
    return this.#requests.take('request')
  }

  get isQuiet(): boolean {
    return this.#requests.isEmpty
  }

  get closed(): Promise<void> {
    return this.#gone.promise
  }

  send(response: Written<DeltaResponse>): void {
    this.sendBytes(schema().deltaResponse.encode(response))
  }

  sendBytes(bytes: Uint8Array): void {
    this.sendRaw(frame(bytes))
  }

  /** As they are, without the head of a message. */
  sendRaw(bytes: Uint8Array): void {
    this.#answer()
    this.#stream.write(bytes)
  }

  /** Ends the call; status 0 is a clean end. */
  end(code: number, message = ''): void {
    if (!this.#hasAnswered) {
      const headers = { ':status': 200, 'content-type': 'application/grpc' }
      this.#stream.respond({ ...headers, 'grpc-status': String(code), 'grpc-message': message }, { endStream: true })
      return
    }
    this.#stream.on('wantTrailers', () => {
      this.#stream.sendTrailers({ 'grpc-status': String(code), 'grpc-message': encodeURIComponent(message) })
    })
    this.#stream.end()
  }

  #answer(): void {
    if (this.#hasAnswered) return
    this.#hasAnswered = true
    this.#stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  }
}

/** A control plane that does what a test says. */
export class ScriptedAdsServer {
  readonly port: number
  readonly #server: http2.Http2SecureServer
  readonly #sessions = new Set<http2.ServerHttp2Session>()
  readonly #streams: Inbox<ScriptedServerStream>

  constructor(server: http2.Http2SecureServer, streams: Inbox<ScriptedServerStream>) {
    const address = server.address()
    this.port = typeof address === 'object' ? (address?.port ?? 0) : 0
    this.#server = server
    this.#streams = streams
    server.on('session', (session) => {
      this.#sessions.add(session)
      session.on('error', () => {})
      session.on('close', () => this.#sessions.delete(session))
    })
  }

  static async start(ca: MemoryCa, hosts?: readonly string[], port = 0): Promise<ScriptedAdsServer> {
    const { keyPem, certPem } = ca.server(hosts)
    const server = http2.createSecureServer({ key: keyPem, cert: certPem })
    const streams = new Inbox<ScriptedServerStream>()
    server.on('stream', (stream, headers) => streams.put(new ScriptedServerStream(stream, headers)))
    server.on('sessionError', () => {})
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return new ScriptedAdsServer(server, streams)
  }

  nextStream(): Promise<ScriptedServerStream> {
    return this.#streams.take('stream')
  }

  endpoint(ca: MemoryCa, over: Partial<ControlPlaneEndpoint> = {}): ControlPlaneEndpoint {
    return endpointTo(this.port, ca, over)
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const session of this.#sessions) session.destroy()
    await closed
  }
}

/** A client that does what a test says. */
export class ScriptedAdsClient {
  readonly #session: http2.ClientHttp2Session
  readonly #stream: http2.ClientHttp2Stream
  readonly #responses = new Inbox<DeltaResponse>()
  readonly #status = Promise.withResolvers<StreamStatus>()

  /** @param session a connection that is shared; its own by default */
  constructor(
    port: number,
    ca: Pick<MemoryCa, 'rootPem'>,
    headers: http2.OutgoingHttpHeaders = {},
    session: http2.ClientHttp2Session = connectTo(port, ca),
  ) {
    this.#session = session
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': DELTA_ADS_PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    onMessages(this.#stream, (message) => this.#responses.put(schema().deltaResponse.decode(message)))
    const ended = (found: http2.IncomingHttpHeaders): void => {
      if (found['grpc-status'] === undefined) return
      const message = decodeURIComponent(String(found['grpc-message'] ?? ''))
      this.#status.resolve({ code: Number(found['grpc-status']), message })
    }
    this.#stream.on('response', ended)
    this.#stream.on('trailers', ended)
    this.#stream.on('error', () => {})
    this.#stream.on('close', () => this.#status.resolve({ code: -1, message: 'cut' }))
  }

  /** How the server ended the call; code −1 when it was cut without a word. */
  get status(): Promise<StreamStatus> {
    return this.#status.promise
  }

  get isQuiet(): boolean {
    return this.#responses.isEmpty
  }

  next(): Promise<DeltaResponse> {
    return this.#responses.take('response')
  }

  send(request: Written<DeltaRequest>): void {
    this.sendBytes(schema().deltaRequest.encode(request))
  }

  sendBytes(bytes: Uint8Array): void {
    this.#stream.write(frame(bytes))
  }

  /** Stops reading: what the server sends stays in the sockets and then with the server. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** A round trip on the connection: what was sent before has been read by then. */
  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#session.ping((error) => (error === null ? resolve() : reject(error)))
    })
  }

  close(): void {
    this.#session.destroy()
  }
}

function connectTo(port: number, ca: Pick<MemoryCa, 'rootPem'>): http2.ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca: ca.rootPem })
  session.on('error', () => {})
  return session
}

/** Clients that all come at once, a hundred on each connection. */
export function connectMany(
  port: number,
  ca: Pick<MemoryCa, 'rootPem'>,
  count: number,
): { readonly clients: readonly ScriptedAdsClient[]; ping(): Promise<unknown>; close(): void } {
  const sessions = Array.from({ length: Math.ceil(count / 100) }, () => connectTo(port, ca))
  const clients = Array.from(
    { length: count },
    (_, i) => new ScriptedAdsClient(port, ca, {}, sessions[Math.floor(i / 100)]),
  )
  return {
    clients,
    ping: () => Promise.all(clients.filter((_, i) => i % 100 === 0).map((client) => client.ping())),
    close: () => {
      for (const session of sessions) session.destroy()
    },
  }
}

export function endpointTo(port: number, ca: MemoryCa, over: Partial<ControlPlaneEndpoint> = {}): ControlPlaneEndpoint {
  return {
    host: '127.0.0.1',
    port,
    roots: { kind: 'pem', pem: ca.rootPem },
    alternativeHost: undefined,
    token: { kind: 'none' },
    clusterId: 'Kubernetes',
    headers: [],
    allowTls12: false,
    ...over,
  }
}

/** Keeps what is logged, as `level message` with its fields. */
export class RecordedLog implements Logger {
  readonly lines: string[] = []

  error(message: string, fields: object = {}): void {
    this.#add('error', message, fields)
  }
  warn(message: string, fields: object = {}): void {
    this.#add('warn', message, fields)
  }
  info(message: string, fields: object = {}): void {
    this.#add('info', message, fields)
  }
  debug(message: string, fields: object = {}): void {
    this.#add('debug', message, fields)
  }
  trace(message: string, fields: object = {}): void {
    this.#add('trace', message, fields)
  }
  isEnabled(): boolean {
    return true
  }
  child(): Logger {
    return this
  }

  get text(): string {
    return this.lines.join('\n')
  }

  #add(level: string, message: string, fields: object): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  }
}
