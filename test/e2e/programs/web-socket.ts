// A WebSocket server that says everything back, and a client of it.
//   node web-socket.ts serve PORT
//   node web-socket.ts ask URL COUNT EVERY_MS    prints how many texts came back as they were sent
// Only short text frames, as that is all that the two say to each other (RFC 6455 §5.2).
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const [word, place = '', count = '1', everyMs = '0'] = process.argv.slice(2)
if (word === 'serve') serve(Number(place))
else if (word === 'ask') await ask(place, Number(count), Number(everyMs))

function serve(port: number): void {
  const server = createServer((_request, response) => response.end('no upgrade'))
  server.on('upgrade', (request, socket) => {
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${MAGIC}`).digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    socket.on('error', () => socket.destroy())
    echo(socket)
  })
  server.listen(port, '::', () => console.log(`WebSocket on ${port}`))
}

function echo(socket: Duplex): void {
  let held: Buffer = Buffer.alloc(0)
  socket.on('data', (bytes: Buffer) => {
    held = Buffer.concat([held, bytes])
    for (;;) {
      const length = (held[1] ?? 0) & 0x7f
      if (held.length < 6 + length) return
      const opcode = (held[0] ?? 0) & 0xf
      const mask = held.subarray(2, 6)
      const text = held.subarray(6, 6 + length).map((octet, at) => octet ^ (mask[at % 4] ?? 0))
      held = held.subarray(6 + length)
      socket.write(Buffer.concat([Buffer.from([0x80 | opcode, length]), text]))
      if (opcode === 8) socket.end()
    }
  })
}

async function ask(url: string, texts: number, pauseMs: number): Promise<void> {
  const socket = new WebSocket(url)
  let back = 0
  let answered = Promise.withResolvers<void>()
  socket.onmessage = ({ data }) => {
    if (data === `text ${back}`) back++
    answered.resolve()
  }
  const closed = new Promise<void>((done) => {
    socket.onclose = () => {
      answered.resolve()
      done()
    }
  })
  await new Promise((done) => {
    socket.onopen = done
    socket.onerror = done
  })
  for (let i = 0; i < texts && socket.readyState === WebSocket.OPEN; i++) {
    answered = Promise.withResolvers()
    socket.send(`text ${i}`)
    await answered.promise
    if (pauseMs > 0) await new Promise((done) => setTimeout(done, pauseMs))
  }
  socket.close()
  await closed
  console.log(JSON.stringify({ sent: texts, back }))
}
