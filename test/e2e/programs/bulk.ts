// Bodies of any size, and events.
//   node bulk.ts serve PORT          takes any body and says its length; gives as many bytes as the path says (`/1024`); `/events`
//                                    are five, 200 ms apart
//   node bulk.ts transfer URL BYTES  sends so many (0 = asks only) and prints {status, got, text} or {error}
//   node bulk.ts events URL          prints when each piece of the answer came, ms from the first
import { createServer, get, request, type ServerResponse } from 'node:http'

const PIECE = Buffer.alloc(65_536)
const [word, place = '', size = '0'] = process.argv.slice(2)
if (word === 'serve') serve(Number(place))
else if (word === 'transfer') transfer(place, Number(size))
else if (word === 'events') events(place)

function serve(port: number): void {
  createServer((asked, answer) => {
    if (asked.url === '/events') {
      tellEvents(answer)
      return
    }
    let got = 0
    asked.on('data', (bytes: Buffer) => {
      got += bytes.length
    })
    asked.on('end', () => {
      const wanted = Number(asked.url?.slice(1))
      if (wanted === 0) answer.end(String(got))
      else pour(answer, wanted)
    })
    asked.on('error', () => answer.destroy())
  }).listen(port, '::', () => console.log(`bulk on ${port}`))
}

function tellEvents(answer: ServerResponse): void {
  answer.writeHead(200, { 'content-type': 'text/event-stream' })
  let count = 0
  const timer = setInterval(() => {
    answer.write(`data: ${count}\n\n`)
    if (++count < 5) return
    clearInterval(timer)
    answer.end()
  }, 200)
}

/** Writes no more than the other side takes. */
function pour(
  sink: { write(bytes: Buffer): boolean; once(event: 'drain', more: () => void): unknown; end(): unknown },
  bytes: number,
): void {
  let left = bytes
  const more = (): void => {
    while (left > 0) {
      const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE
      left -= piece.length
      if (!sink.write(piece)) {
        sink.once('drain', more)
        return
      }
    }
    sink.end()
  }
  more()
}

function transfer(url: string, bytes: number): void {
  const sent = request(url, { method: bytes > 0 ? 'POST' : 'GET' }, (answer) => {
    let got = 0
    let text = ''
    answer.on('data', (piece: Buffer) => {
      got += piece.length
      if (got < 100) text += piece.toString()
    })
    answer.on('end', () => console.log(JSON.stringify({ status: answer.statusCode, got, text })))
  })
  sent.on('error', (error: NodeJS.ErrnoException) => console.log(JSON.stringify({ error: error.code })))
  pour(sent, bytes)
}

function events(url: string): void {
  get(url, (answer) => {
    const came: number[] = []
    answer.on('data', () => came.push(Date.now()))
    answer.on('end', () => console.log(JSON.stringify(came.map((at) => at - (came[0] ?? 0)))))
  })
}
