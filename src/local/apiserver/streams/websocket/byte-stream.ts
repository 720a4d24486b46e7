import { Duplex } from 'node:stream'
import type { WebSocketConnection } from './web-socket.ts'

/** The payloads of a WebSocket's messages as one stream of bytes, both ways (SPDY inside WebSocket). */
export function byteStream(socket: WebSocketConnection, head: Buffer): Duplex {
  let resume: (() => void) | undefined
  const stream = new Duplex({
    read() {
      resume?.()
      resume = undefined
    },
    write(chunk: Buffer, _encoding, done) {
      socket.send(chunk).then(() => done(), done)
    },
    final(done) {
      socket.close(1000, '')
      done()
    },
    destroy(error, done) {
      resume?.()
      socket.close(1000, '')
      done(error)
    },
  })
  void socket.serve(head, {
    message(payload) {
      if (stream.destroyed || stream.push(payload)) return undefined
      return new Promise((resolve) => {
        resume = resolve
      })
    },
    closed: () => stream.destroy(),
  })
  return stream
}
