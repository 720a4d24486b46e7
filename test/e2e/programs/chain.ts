// One link of a chain of services: `node chain.ts PORT [NEXT_URL]`. With a next one it asks that and answers as it did,
// passing on the fields of traces as instrumented applications do; without one it always fails. `/count` says how often it was
// asked.
import { request as ask, createServer, type IncomingHttpHeaders } from 'node:http'

const [port = '8080', next] = process.argv.slice(2)
const PASSED_ON = ['traceparent', 'tracestate', 'baggage', 'x-request-id']
let count = 0

createServer((request, response) => {
  if (request.url === '/count') {
    response.end(String(count))
    return
  }
  count++
  if (next === undefined) {
    response.writeHead(503).end('the last link always fails')
    return
  }
  const asked = ask(next, { headers: passedOn(request.headers) }, (answer) => {
    response.writeHead(answer.statusCode ?? 502)
    answer.pipe(response)
  })
  asked.on('error', () => response.writeHead(502).end())
  asked.end()
}).listen(Number(port), '::')

function passedOn(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => PASSED_ON.includes(name)))
}
