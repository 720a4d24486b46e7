import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { ApiObject, PodBackend } from '../../types.ts'
import { SpdySession } from '../spdy/session.ts'
import type { SpdyStream } from '../spdy/stream.ts'

/** Subprotocol of port-forward through WebSocket (kubectl >= 1.31): SPDY frames inside messages. */
export const TUNNEL_PROTOCOL = 'SPDY/3.1+portforward.k8s.io'
/** What clients ask for in `X-Stream-Protocol-Version`. */
export const FORWARD_PROTOCOL = 'portforward.k8s.io'

/** Both streams of a connection must be there by then. */
const PAIR_TIMEOUT_MS = 30_000
/** Half pairs at a time; more are refused. */
const MAX_UNPAIRED = 128

interface Half {
  readonly stream: SpdyStream
  readonly late: Timer
}

/**
 * Port-forward: each connection of the user is a pair of streams with one `requestid`, `data` with the bytes and `error`
 * for the reason when the port cannot be reached. Ends with the transport.
 */
export async function serveForward(
  transport: Duplex,
  head: Buffer,
  pod: ApiObject,
  backend: PodBackend,
  clock: Clock,
): Promise<void> {
  const halves = new Map<string, Half>()
  await new SpdySession(transport).serve(head, (stream) => {
    const type = stream.headers.get('streamtype')
    const id = stream.headers.get('requestid') ?? ''
    const port = Number(stream.headers.get('port'))
    const other = halves.get(id)
    const isKnown = type === 'data' || type === 'error'
    if (!isKnown || !(Number.isInteger(port) && port > 0 && port <= 65_535)) {
      stream.destroy()
    } else if (other === undefined) {
      if (halves.size >= MAX_UNPAIRED) {
        stream.destroy()
        return
      }
      const late = clock.setTimer(PAIR_TIMEOUT_MS, () => {
        halves.delete(id)
        stream.destroy()
      })
      halves.set(id, { stream, late })
    } else if (other.stream.headers.get('streamtype') === type) {
      stream.destroy()
    } else {
      halves.delete(id)
      other.late.cancel()
      const [data, error] = type === 'data' ? [stream, other.stream] : [other.stream, stream]
      void forwardOne(data, error, pod, port, backend)
    }
  })
  for (const { late } of halves.values()) late.cancel()
}

/** Copies one connection both ways, each direction to its own end. */
async function forwardOne(
  data: SpdyStream,
  error: SpdyStream,
  pod: ApiObject,
  port: number,
  backend: PodBackend,
): Promise<void> {
  error.resume()
  try {
    const connection = await backend.portForward(pod, port)
    if (data.destroyed) {
      connection.destroy()
      return
    }
    // One broken direction ends both: nobody is left to read the other.
    await Promise.all([pipeline(data, connection), pipeline(connection, data)])
    error.end()
  } catch (failure) {
    const uid = pod.metadata.uid ?? ''
    const message = `an error occurred forwarding ${port} -> ${port}: error forwarding port ${port} to pod ${pod.metadata.name}, uid ${uid}: ${reasonOf(failure)}`
    if (!error.destroyed && !data.readableEnded) error.end(message)
    else error.end()
    data.end()
  }
}
