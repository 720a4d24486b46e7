import { createSecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { connect } from 'node:net'
import type { SocketAddress } from '#shared/net'
import type { MemoryCa } from './memory-ca.ts'
import { tlsTextsOf } from './tls-texts.ts'
import { listen, type TestListener } from './tunnel-ends.ts'

/** What a gateway does with one CONNECT. */
export type GatewayWay = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

export interface TestGateway extends TestListener {
  /** The header of each CONNECT that came, in order. */
  readonly requests: IncomingHttpHeaders[]
  /** CONNECT streams that are open. */
  readonly streams: Set<ServerHttp2Stream>
}

/**
 * A network gateway of node:http2, written from the protocol's description: takes tunnels as `identity` and hands each
 * CONNECT to `way`. It looks at no byte inside.
 */
export async function networkGateway(ca: MemoryCa, identity: string, way: GatewayWay): Promise<TestGateway> {
  const requests: IncomingHttpHeaders[] = []
  const streams = new Set<ServerHttp2Stream>()
  const server = createSecureServer({ ...tlsTextsOf(ca, identity), requestCert: true, rejectUnauthorized: true })
  server.on('session', (session) => session.on('error', () => {}))
  server.on('stream', (stream, headers) => {
    requests.push(headers)
    streams.add(stream)
    stream.on('error', () => {})
    stream.on('close', () => streams.delete(stream))
    way(stream, headers)
  })
  const listener = await listen((socket) => server.emit('connection', socket))
  return { ...listener, requests, streams }
}

/** Forwards opaque bytes to one address, as a gateway does to the HBONE port of the workload that it picks. */
export function forwardTo(target: SocketAddress): GatewayWay {
  return (stream) => {
    const socket = connect({ host: target.ip, port: target.port, allowHalfOpen: true })
    socket.on('error', () => stream.close())
    stream.on('close', () => socket.destroy())
    socket.on('connect', () => stream.respond({ ':status': 200 }))
    stream.pipe(socket)
    socket.pipe(stream)
  }
}
