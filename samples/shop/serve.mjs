// What the shop's services have in common: an HTTP server on 8080 that knows its own name and who called.
import { createServer } from 'node:http'
import { hostname } from 'node:os'

const PORT = 8080

/**
 * @param {Record<string, (seen: { pod: string, caller: string }) => Promise<object> | object>} pages
 *   what each path answers; `seen` is this pod's name and the source address of the request
 */
export function serve(pages) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://shop')
    const page = pathname === '/healthz' ? () => ({ ok: true }) : pages[pathname]
    const seen = { pod: hostname(), caller: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '') }
    try {
      answer(response, page ? 200 : 404, page ? await page(seen) : { error: `there is no ${pathname} in this shop` })
    } catch (error) {
      answer(response, 502, { ...seen, error: error.message, cause: error.cause?.message })
    }
  })
  server.listen(PORT, '::')
}

/** Asks another service of the shop. */
export async function ask(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`, { cause: new Error(await response.text()) })
  return response.json()
}

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
