// A gRPC service of raw bytes with every kind of call, and a client of it.
//   node grpc.ts serve PORT
//   node grpc.ts ask HOST:PORT SPEC    one line of JSON: {code, messages: [lengths], trailers, headers, ms}
// SPEC: {method, sizes: [bytes of each message], deadlineMs, metadata}. Methods: `Unary` and `Count` (one in; out as many as it
// has bytes), `Collect` (many in, their lengths' sum out), `Chat` (each back as it comes), `Fail` (trailers only, code 9),
// `Sleep` (never answers).
import {
  type ClientReadableStream,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js'

type Bytes = (message: Buffer) => Buffer
const bytes: Bytes = (message) => message

interface Method {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: Bytes
  readonly requestDeserialize: Bytes
  readonly responseSerialize: Bytes
  readonly responseDeserialize: Bytes
}

function method(name: string, requestStream: boolean, responseStream: boolean): Method {
  return {
    path: `/echo.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  }
}

const service: Readonly<Record<GrpcAsked['method'], Method>> = {
  Unary: method('Unary', false, false),
  Count: method('Count', false, true),
  Collect: method('Collect', true, false),
  Chat: method('Chat', true, true),
  Fail: method('Fail', false, false),
  Sleep: method('Sleep', false, false),
}

/** What a test asks for. */
export interface GrpcAsked {
  readonly method: 'Unary' | 'Count' | 'Collect' | 'Chat' | 'Fail' | 'Sleep'
  readonly sizes: readonly number[]
  readonly deadlineMs?: number
  readonly metadata?: Readonly<Record<string, string>>
}

const LIMITS = { 'grpc.max_receive_message_length': 16 * 1024 * 1024, 'grpc.max_send_message_length': -1 }
const [word, place = '', spec = '{}'] = process.argv.slice(2)
if (word === 'serve') serve(place)
else if (word === 'ask') console.log(JSON.stringify(await ask(place, JSON.parse(spec) as GrpcAsked)))

function serve(port: string): void {
  const server = new Server(LIMITS)
  server.addService(service, {
    Unary: (call: { request: Buffer }, done: (error: null, reply: Buffer) => void) => done(null, call.request),
    Count: (call: { request: Buffer; write(message: Buffer): void; end(): void }) => {
      for (let i = 0; i < call.request.length; i++) call.write(Buffer.alloc(100, i))
      call.end()
    },
    Collect: (
      call: { on(event: string, listener: (message: Buffer) => void): void },
      done: (error: null, reply: Buffer) => void,
    ) => {
      let sum = 0
      call.on('data', (message) => {
        sum += message.length
      })
      call.on('end', () => done(null, Buffer.from(String(sum))))
    },
    Chat: (call: {
      on(event: string, listener: (message: Buffer) => void): void
      write(message: Buffer): void
      end(): void
    }) => {
      call.on('data', (message) => call.write(message))
      call.on('end', () => call.end())
    },
    Fail: (_call: unknown, done: (error: Partial<ServiceError>) => void) => {
      const metadata = new Metadata()
      metadata.set('x-why', 'wanted')
      done({ code: status.FAILED_PRECONDITION, details: 'as asked', metadata })
    },
    Sleep: () => {},
  })
  server.bindAsync(`[::]:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error
    console.log(`gRPC on ${port}`)
  })
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => server.tryShutdown(() => process.exit(0)))
}

async function ask(address: string, asked: GrpcAsked): Promise<object> {
  const Client = makeGenericClientConstructor(service, 'Echo')
  const client = new Client(address, credentials.createInsecure(), LIMITS)
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(asked.metadata ?? {})) metadata.set(name, value)
  const options = asked.deadlineMs === undefined ? {} : { deadline: Date.now() + asked.deadlineMs }
  const since = performance.now()
  const result: { code: number; messages: number[]; headers?: object; trailers?: object; details?: string } = {
    code: -1,
    messages: [],
  }
  await new Promise<void>((done) => {
    const ended = (end: { code: number; details: string; metadata: Metadata }): void => {
      Object.assign(result, { code: end.code, details: end.details, trailers: end.metadata.getMap() })
      done()
    }
    const { requestStream, responseStream } = service[asked.method]
    const took = (_error: unknown, reply?: Buffer): void => {
      if (reply !== undefined) result.messages.push(reply.length)
    }
    const messages = asked.sizes.map((size, at) => Buffer.alloc(size, at + 1))
    // biome-ignore lint/suspicious/noExplicitAny: a client made at run time has no types
    const start = (client as any)[asked.method].bind(client)
    const call: ClientReadableStream<Buffer> = requestStream
      ? responseStream
        ? start(metadata, options)
        : start(metadata, options, took)
      : responseStream
        ? start(messages[0] ?? Buffer.alloc(0), metadata, options)
        : start(messages[0] ?? Buffer.alloc(0), metadata, options, took)
    call.on('metadata', (headers: Metadata) => {
      result.headers = headers.getMap()
    })
    call.on('status', ended)
    if (responseStream) {
      call.on('data', (message: Buffer) => result.messages.push(message.length))
      call.on('error', () => {})
    }
    if (requestStream) {
      const stream = call as unknown as { write(message: Buffer): void; end(): void }
      for (const message of messages) stream.write(message)
      stream.end()
    }
  })
  client.close()
  return { ...result, ms: Math.round(performance.now() - since) }
}
