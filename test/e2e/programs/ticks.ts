// `node ticks.ts URL`: holds one streaming response; prints "open" with the first byte, then one line when it ends:
// {ticks, heldMs, error?}. Ends by itself when stdin ends.
import { get } from 'node:http'

const beganMs = Date.now()
let ticks = 0
const finish = (error?: string): never => {
  console.log(JSON.stringify({ ticks, heldMs: Date.now() - beganMs, error }))
  process.exit(0)
}

const request = get(process.argv[2] ?? '', { agent: false }, (response) => {
  response.on('data', (bytes: Buffer) => {
    if (ticks === 0) console.log('open')
    ticks += bytes.toString().split('\n').length - 1
  })
  response.on('end', () => finish('end'))
  response.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
})
request.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
process.stdin.on('end', () => finish()).resume()
