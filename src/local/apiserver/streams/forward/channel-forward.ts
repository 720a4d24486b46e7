import type { Duplex } from 'node:stream'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { badRequest } from '../../api-error.ts'
import type { ApiObject, PodBackend } from '../../types.ts'
import { WebSocketConnection } from '../websocket/web-socket.ts'

/** Port-forward of client libraries: channels 2i (bytes) and 2i + 1 (errors) for the i-th port of the query. */
export const CHANNEL_FORWARD_PROTOCOL = 'v4.channel.k8s.io'
const MAX_PORTS = 64

/** @throws ApiError BadRequest */
export function readPorts(query: URLSearchParams): readonly number[] {
  const ports = query
    .getAll('ports')
    .flatMap((each) => each.split(','))
    .map(Number)
  const isGood = ports.every((port) => Number.isInteger(port) && port > 0 && port <= 65_535)
  if (ports.length === 0 || ports.length > MAX_PORTS || !isGood)
    throw badRequest('query parameter "ports" must be 1 to 64 ports')
  return ports
}

export async function serveChannelForward(
  socket: Duplex,
  head: Buffer,
  pod: ApiObject,
  ports: readonly number[],
  backend: PodBackend,
  clock: Clock,
): Promise<void> {
  const connection = new WebSocketConnection(socket, clock)
  const links = ports.map((port, i) => connect(connection, pod, port, i, backend))
  await connection.serve(head, {
    async message(payload) {
      const channel = payload[0] ?? 0
      if ((channel & 1) === 1 || payload.length < 2) return
      const link = await links[channel >> 1]
      if (link === undefined || link.destroyed || link.write(payload.subarray(1))) return
      await new Promise<void>((resolve) => {
        link.once('drain', resolve)
        link.once('close', resolve)
      })
    },
    closed() {
      for (const link of links) void link.then((each) => each?.destroy())
    },
  })
}

async function connect(
  connection: WebSocketConnection,
  pod: ApiObject,
  port: number,
  i: number,
  backend: PodBackend,
): Promise<Duplex | undefined> {
  // Each channel begins with its port, little-endian.
  const number = Buffer.from([port & 0xff, port >> 8])
  await connection.send(Buffer.from([2 * i]), number)
  await connection.send(Buffer.from([2 * i + 1]), number)
  try {
    const link = await backend.portForward(pod, port)
    void copyOut(link, connection, 2 * i)
    return link
  } catch (error) {
    await connection.send(Buffer.from([2 * i + 1]), Buffer.from(reasonOf(error)))
    return undefined
  }
}

async function copyOut(link: Duplex, connection: WebSocketConnection, channel: number): Promise<void> {
  const prefix = Buffer.from([channel])
  try {
    for await (const chunk of link) await connection.send(prefix, chunk as Buffer)
  } catch (error) {
    await connection.send(Buffer.from([channel + 1]), Buffer.from(reasonOf(error)))
  }
  connection.close(1000, '')
}
