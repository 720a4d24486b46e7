// A server for e2e tests: `node echo.ts PORT`. HTTP: answers with what it saw. The path /ticks streams a line every
// 100 ms until the client goes.
import { createServer } from 'node:http'
import { hostname } from 'node:os'

createServer((request, response) => {
  response.on('error', () => {})
  if (request.url === '/ticks') {
    response.writeHead(200, { 'content-type': 'text/plain' })
    const timer = setInterval(() => response.write('tick\n'), 100)
    response.on('close', () => clearInterval(timer))
    return
  }
  const source = request.socket.remoteAddress?.replace(/^::ffff:/, '')
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ pod: hostname(), source, url: request.url, headers: request.headers }))
}).listen({ port: Number(process.argv[2]), host: '::' })
