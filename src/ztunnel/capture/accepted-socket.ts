import type { Socket } from 'node:net'
import type { OnRead, RawConnection } from '#shared/net'
import type { AcceptedSocket } from './types.ts'

/** A connection just accepted, for which no Socket has been made before it is known what becomes of it. */
export class UnreadSocket implements AcceptedSocket {
  readonly #connection: RawConnection

  constructor(connection: RawConnection) {
    this.#connection = connection
  }

  adopt(onread: OnRead): Socket {
    return this.#connection.toSocket(onread)
  }

  reset(): void {
    discarded(this.#connection).resetAndDestroy()
  }

  close(): void {
    const socket = discarded(this.#connection)
    socket.end()
    socket.destroySoon()
  }
}

/** The socket of a connection that nobody wants: whatever it still says is of no interest. */
export function discarded(connection: RawConnection): Socket {
  return connection.toSocket().on('error', () => {})
}
