// Answers with what it was asked: method, path, headers, its host name and its pod. `node echo.mjs`, or the image
// `ambit/echo`. HTTP/1.1 on PORT, plain bytes back on TCP_PORT. See README.md for what a path can ask for.
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const { env } = process
const port = numberIn(env.PORT, 0, 65_535, 8080)
const tcpPort = numberIn(env.TCP_PORT, 0, 65_535, 9090)
const status = numberIn(env.STATUS, 200, 599, 200)
const delayMs = numberIn(env.DELAY_MS, 0, 600_000, 0)
/** Bodies are shown up to here; the rest is only counted. */
const MAX_SHOWN_BYTES = 64 * 1024

const server = createServer((request, response) => {
  // A caller that goes away in the middle is no failure of this server.
  answer(request, response).catch(() => response.destroy())
})

async function answer(request, response) {
  const [pathname = '/', ...query] = (request.url ?? '/').split('?')
  const searchParams = new URLSearchParams(query.join('?'))
  const [, word, number] = pathname.match(/^\/(status|delay)\/(\d+)$/) ?? []
  const { body, bytes } = await read(request)
  await sleep(numberIn(word === 'delay' ? number : searchParams.get('delay'), 0, 600_000, delayMs))
  const code = numberIn(word === 'status' ? number : searchParams.get('status'), 200, 599, status)
  const seen = {
    method: request.method,
    path: request.url,
    headers: request.headers,
    ...(bytes > 0 ? { body, bytes } : {}),
    from: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    host: hostname(),
    pod: env.POD_NAME ?? hostname(),
    namespace: env.POD_NAMESPACE,
    version: env.VERSION,
  }
  response.writeHead(code, { 'content-type': 'application/json' })
  response.end(request.method === 'HEAD' || code === 204 || code === 304 ? undefined : `${JSON.stringify(seen)}\n`)
}

const tcpServer = createTcpServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
})

server.listen(port, '::', () => console.log(`HTTP on ${server.address()?.port}`))
tcpServer.listen(tcpPort, '::', () => console.log(`TCP on ${tcpServer.address()?.port}`))
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    // What is being answered is answered; nobody new is let in.
    server.close()
    server.closeIdleConnections()
    tcpServer.close(() => process.exit(0))
    setTimeout(() => process.exit(0), 1_000).unref()
  })
}

async function read(request) {
  const shown = []
  let bytes = 0
  for await (const chunk of request) {
    if (bytes < MAX_SHOWN_BYTES) shown.push(chunk.subarray(0, MAX_SHOWN_BYTES - bytes))
    bytes += chunk.length
  }
  return { body: Buffer.concat(shown).toString(), bytes }
}

function numberIn(text, min, max, otherwise) {
  const number = Number(text)
  return text && Number.isInteger(number) && number >= min && number <= max ? number : otherwise
}
