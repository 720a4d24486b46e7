// `node ask.ts SPEC`: requests as the JSON in SPEC says, over kept-alive connections, `parallel` at a time. Prints one line
// of JSON each: {ms, status, headers, body} or {ms, error}, in the order in which they end. Never fails itself.
import { Agent, type OutgoingHttpHeaders, request } from 'node:http'

/** What a test asks for. */
export interface Asked {
  readonly url: string
  readonly count?: number
  readonly parallel?: number
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
  readonly timeoutMs?: number
  /** Requests begin this far apart, whatever becomes of those before; `parallel` does not count then. */
  readonly everyMs?: number
}

const asked = JSON.parse(process.argv[2] ?? '{}') as Asked
const { url, count = 1, parallel = 1, method = 'GET', headers = {}, body, timeoutMs = 15_000, everyMs } = asked
const agent = new Agent({ keepAlive: true, maxSockets: everyMs === undefined ? parallel : 256 })

if (everyMs === undefined) {
  let left = count
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (left-- > 0) tell(await once())
    }),
  )
} else {
  const begun: Promise<void>[] = []
  for (let i = 0; i < count; i++) {
    begun.push(once().then(tell))
    await new Promise((done) => setTimeout(done, everyMs))
  }
  await Promise.all(begun)
}
agent.destroy()

function tell(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

function once(): Promise<object> {
  const since = performance.now()
  return new Promise((resolve) => {
    const end = (result: object): void => resolve({ ms: Math.round(performance.now() - since), ...result })
    const fail = (error: NodeJS.ErrnoException): void => end({ error: error.code ?? error.message })
    const sent = request(url, { agent, method, headers, timeout: timeoutMs }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece) => {
        text += piece
      })
      response.on('error', fail)
      response.on('end', () =>
        end({
          status: response.statusCode,
          headers: response.headers,
          body: parsed(text),
          trailers: response.trailers,
        }),
      )
    })
    sent.on('timeout', () => sent.destroy(Object.assign(new Error('timeout'), { code: 'TIMEOUT' })))
    sent.on('error', fail)
    sent.end(body)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
