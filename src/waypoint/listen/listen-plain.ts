import type { Clock } from '#shared/clock'
import { type SocketAddress, socketChannel } from '#shared/net'
import type { Destination } from '../state/index.ts'
import { IDENTIFY_TIMES, type IdentifyTimes } from './identify.ts'
import { InnerConnections } from './inner-connections.ts'
import { OpenPort } from './open-port.ts'
import type { ConnectionOwner, Listener } from './types.ts'

export interface PlainListenerSettings {
  readonly clock: Clock
  readonly owner: ConnectionOwner
  /** What every connection is taken to have dialled. */
  readonly destination: Destination
  readonly times?: IdentifyTimes
  readonly maxConnections?: number
}

const MAX_CONNECTIONS = 16_384

/** Plain TCP as if it had come through a tunnel of nobody's, for tests and benches: there is no setting that opens it. */
export async function listenPlain(at: SocketAddress, settings: PlainListenerSettings): Promise<Listener> {
  const { clock, owner, destination, times = IDENTIFY_TIMES, maxConnections = MAX_CONNECTIONS } = settings
  const connections = new InnerConnections(owner, clock, times)
  const port = await OpenPort.open(at, maxConnections, (socket, source) =>
    connections.add(socketChannel(socket), { peer: undefined, source, destination, baggage: undefined, dialled: at }),
  )
  return {
    address: port.address,
    get connectionCount() {
      return connections.count
    },
    drain: async (order) => {
      port.stop()
      await connections.drain(order)
      await port.close()
    },
    close: () => port.close(),
  }
}
