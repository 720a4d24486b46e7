// `node get.ts URL [COUNT]`: COUNT requests one after the other, each on a connection of its own. Prints one line of
// JSON each: {status, body} or {error}. Never fails itself.
import { get } from 'node:http'

const [url = '', count = '1'] = process.argv.slice(2)

for (let i = 0; i < Number(count); i++) console.log(JSON.stringify(await once()))

function once(): Promise<object> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, headers: { connection: 'close' }, timeout: 10_000 }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text) => {
        body += text
      })
      response.on('end', () =>
        resolve({ status: response.statusCode, body: body === '' ? undefined : JSON.parse(body) }),
      )
      response.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }))
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'TIMEOUT' })))
    request.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }))
  })
}
