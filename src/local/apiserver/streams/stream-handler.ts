import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock } from '#shared/clock'
import { badRequest } from '../api-error.ts'
import type { PodBackend, StreamHandler } from '../types.ts'
import { readCommandRequest } from './command/command-request.ts'
import { SPDY_COMMAND_PROTOCOLS, serveSpdyCommand } from './command/spdy-command.ts'
import { COMMAND_PROTOCOLS, serveWebSocketCommand } from './command/web-socket-command.ts'
import { CHANNEL_FORWARD_PROTOCOL, readPorts, serveChannelForward } from './forward/channel-forward.ts'
import { FORWARD_PROTOCOL, serveForward, TUNNEL_PROTOCOL } from './forward/forward-connections.ts'
import { serveLogs } from './logs.ts'
import { byteStream } from './websocket/byte-stream.ts'
import { answerHandshake } from './websocket/handshake.ts'
import { WebSocketConnection } from './websocket/web-socket.ts'

type Upgrade = Parameters<StreamHandler['upgrade']>[0]

/** exec, attach, port-forward and logs of pods; the bytes end at the backend. */
export function createStreams(backend: PodBackend, clock: Clock): StreamHandler {
  return {
    upgrade(upgrade) {
      const { request, context } = upgrade
      const way = (request.headers.upgrade ?? '').toLowerCase()
      if (way !== 'websocket' && way !== 'spdy/3.1')
        throw badRequest('only upgrades to websocket and SPDY/3.1 are known')
      upgrade.socket.on('error', () => upgrade.socket.destroy())
      if (context.subresource === 'exec' || context.subresource === 'attach') {
        command(upgrade, context.subresource, way, backend, clock)
      } else if (context.subresource === 'portforward') forward(upgrade, way, backend, clock)
      else throw badRequest(`${context.subresource} is no stream that a connection is upgraded for`)
    },
    async serve({ response, query, context, pod }) {
      if (context.subresource !== 'log') throw badRequest('an upgrade of the connection is needed')
      await serveLogs(response, query, pod, backend, clock)
    },
  }
}

function command(upgrade: Upgrade, kind: 'exec' | 'attach', way: string, backend: PodBackend, clock: Clock): void {
  const { request, socket, head, query, pod } = upgrade
  const wanted = readCommandRequest(kind, query, pod)
  if (way === 'websocket') {
    const protocol = acceptWebSocket(request, socket, COMMAND_PROTOCOLS)
    serveWebSocketCommand(socket, head, protocol, pod, wanted, backend, clock)
  } else {
    acceptSpdy(request, socket, SPDY_COMMAND_PROTOCOLS)
    serveSpdyCommand(socket, head, pod, wanted, backend, clock)
  }
}

function forward({ request, socket, head, query, pod }: Upgrade, way: string, backend: PodBackend, clock: Clock): void {
  if (way !== 'websocket') {
    acceptSpdy(request, socket, [FORWARD_PROTOCOL])
    void serveForward(socket, head, pod, backend, clock)
    return
  }
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  if (!offered.includes(TUNNEL_PROTOCOL)) {
    const ports = readPorts(query)
    acceptWebSocket(request, socket, [CHANNEL_FORWARD_PROTOCOL])
    void serveChannelForward(socket, head, pod, ports, backend, clock)
    return
  }
  acceptWebSocket(request, socket, [TUNNEL_PROTOCOL])
  const transport = byteStream(new WebSocketConnection(socket, clock), head)
  transport.on('error', () => {})
  void serveForward(transport, Buffer.alloc(0), pod, backend, clock)
}

/** @throws ApiError BadRequest */
function acceptWebSocket(request: IncomingMessage, socket: Duplex, protocols: readonly string[]): string {
  const handshake = answerHandshake(request, protocols)
  if (handshake.kind === 'refused') throw badRequest(handshake.problem)
  socket.write(handshake.answer)
  return handshake.protocol
}

/** @throws ApiError BadRequest when no protocol is known */
function acceptSpdy(request: IncomingMessage, socket: Duplex, protocols: readonly string[]): void {
  const offered = headerList(request, 'x-stream-protocol-version')
  const protocol = protocols.find((each) => offered.includes(each))
  if (protocol === undefined)
    throw badRequest(`none of the stream protocols is known; known are ${protocols.join(', ')}`)
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    `X-Stream-Protocol-Version: ${protocol}`,
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
}

function headerList({ headers }: IncomingMessage, name: string): readonly string[] {
  return [headers[name] ?? []]
    .flat()
    .flatMap((each) => each.split(','))
    .map((each) => each.trim())
}
