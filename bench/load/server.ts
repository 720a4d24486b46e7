// The server of the benches: as little work per byte as Node can do, so that what is measured is the path.
// node server.ts PORT COUNT listens on COUNT ports from PORT on — the first byte of a connection says what it wants:
//   'G' an HTTP-like request of REQUEST_BYTES, answered with RESPONSE_BYTES, again and again
//   'U' upload: everything is read and thrown away; at the end the byte count comes back as 8 bytes
//   'D' download: 8 bytes follow, the count of bytes to send
import { createServer, type Socket } from 'node:net'
import { BULK_CHUNK_BYTES, REQUEST_BYTES, RESPONSE_BYTES } from './protocol.ts'

const response = Buffer.alloc(RESPONSE_BYTES, 'r')
const chunk = Buffer.alloc(BULK_CHUNK_BYTES, 'd')

const [port = '8080', count = '1'] = process.argv.slice(2)
for (let i = 0; i < Number(count); i++) {
  createServer({ noDelay: true, allowHalfOpen: true }, serve).listen({
    port: Number(port) + i,
    host: '::',
    backlog: 4096,
  })
}

function serve(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.once('data', (first) => {
    switch (first[0]) {
      case 0x47:
        return answer(socket, first)
      case 0x55:
        return swallow(socket, first)
      case 0x44:
        return pour(socket, Number(first.readBigUInt64BE(1)))
      default:
        return socket.destroy()
    }
  })
}

function answer(socket: Socket, first: Buffer): void {
  let pending = 0
  const onBytes = (bytes: Buffer): void => {
    for (pending += bytes.length; pending >= REQUEST_BYTES; pending -= REQUEST_BYTES) socket.write(response)
  }
  socket.on('data', onBytes)
  socket.on('end', () => socket.end())
  onBytes(first)
}

function swallow(socket: Socket, first: Buffer): void {
  let count = first.length
  socket.on('data', (bytes: Buffer) => {
    count += bytes.length
  })
  socket.on('end', () => {
    const total = Buffer.alloc(8)
    total.writeBigUInt64BE(BigInt(count))
    socket.end(total)
  })
}

function pour(socket: Socket, count: number): void {
  let left = count
  const more = (): void => {
    while (left > 0) {
      const bytes = left >= chunk.length ? chunk : chunk.subarray(0, left)
      left -= bytes.length
      if (!socket.write(bytes)) return
    }
    socket.off('drain', more)
    socket.end()
  }
  socket.on('drain', more)
  socket.on('end', () => {})
  socket.resume()
  more()
}
