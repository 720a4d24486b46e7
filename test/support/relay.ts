import { MeshError } from '#shared/errors'
import { type ByteChannel, type IpAddress, socketChannel } from '#shared/net'
import type { Exchange, HttpClientConnection } from '../../src/waypoint/codec/index.ts'
import type { InnerConnection, InnerProtocol } from '../../src/waypoint/listen/index.ts'
import { service } from './mesh-builder.ts'
import { tcpPair } from './socket-pairs.ts'

/** A client's connection as `listen` hands it on. */
export function innerConnection(channel: ByteChannel, protocol: InnerProtocol): InnerConnection {
  return {
    peer: undefined,
    source: { ip: '10.0.0.5' as IpAddress, port: 40_000 },
    destination: {
      kind: 'service',
      service: service({ hostname: 'cart.shop.svc.cluster.local', namespace: 'shop', name: 'cart' }),
      port: 80,
      appProtocol: undefined,
    },
    protocol,
    channel,
    baggage: undefined,
  }
}

/** Both ends of a connection over loopback, ours as a channel. */
export async function channelAndSocket(): Promise<{
  readonly channel: ByteChannel
  readonly socket: Awaited<ReturnType<typeof tcpPair>>['client']
}> {
  const { client, server } = await tcpPair({ allowHalfOpen: true })
  return { channel: socketChannel(server), socket: client }
}

/** The shortest way through: every exchange goes to that connection. */
export async function relay(exchange: Exchange, upstream: HttpClientConnection): Promise<void> {
  try {
    const attempt = upstream.send(exchange.request, exchange.body.lengthBytes)
    exchange.onClientGone = () => attempt.cancel()
    attempt.onInformational = (head) => exchange.inform(head)
    exchange.body.pipe(attempt.body)
    const { head, body } = await attempt.response
    body.pipe(exchange.respond(head, body.lengthBytes))
  } catch (error) {
    exchange.body.discard()
    const code = error instanceof MeshError ? error.code : String(error)
    const sink = exchange.respond({ version: 'HTTP/2', status: 503, fields: noFields(exchange, code) }, 0)
    sink.end(undefined)
  }
}

function noFields(exchange: Exchange, code: string): Exchange['request']['fields'] {
  const fields = exchange.request.fields.copy()
  const names: string[] = []
  fields.forEach((name) => void names.push(name))
  for (const name of names) fields.remove(name)
  fields.add('x-error', code)
  return fields
}
