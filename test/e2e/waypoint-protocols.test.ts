/** Everything that is not a plain HTTP/1 request, through a waypoint: gRPC, WebSocket, events, bulk, bytes of any protocol. */
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requirePrivileges } from '../support/privileges.ts'
import { echoDeployment, echoService, podOf, WaypointMesh } from '../support/waypoint-mesh.ts'

const PROGRAMS = resolve(import.meta.dirname, 'programs')
const MIB = 1_048_576

/** Greets before it is asked, as SMTP, FTP or MySQL do, then says the bytes back. */
const GREETER = `require('net').createServer((s) => { s.write('220 welcome\\n'); s.pipe(s); s.on('error', () => {}) }).listen(2525, '::')`
/** Takes any body and says its length; gives as many bytes as its path says; tells events one by one. */
const BULK = `http.createServer((q, r) => {
  if (q.url === '/events') {
    r.writeHead(200, { 'content-type': 'text/event-stream' })
    let n = 0
    const timer = setInterval(() => { r.write('data: ' + n + '\\n\\n'); if (++n === 5) { clearInterval(timer); r.end() } }, 200)
    return
  }
  let got = 0
  q.on('data', (b) => { got += b.length })
  q.on('end', () => {
    let left = Number(q.url.slice(1))
    if (left === 0) return r.end(String(got))
    const piece = Buffer.alloc(65536)
    const more = () => { while (left > 0) { const n = Math.min(left, piece.length); left -= n; if (!r.write(n === piece.length ? piece : piece.subarray(0, n))) return r.once('drain', more) } r.end() }
    more()
  })
}).listen(8080, '::')`
/** Downloads, or uploads, and prints what came and how long it took. */
const TRANSFER = `const [url, upload] = process.argv.slice(1)
const q = http.request(url, { method: upload > 0 ? 'POST' : 'GET' }, (r) => { let got = 0, text = ''
  r.on('data', (b) => { got += b.length; if (got < 100) text += b }); r.on('end', () => console.log(JSON.stringify({ status: r.statusCode, got, text }))) })
q.on('error', (e) => console.log(JSON.stringify({ error: e.code })))
let left = Number(upload)
const piece = Buffer.alloc(65536)
const more = () => { while (left > 0) { left -= piece.length; if (!q.write(piece)) return q.once('drain', more) } q.end() }
more()`
const EVENTS = `http.get('http://bulk:8080/events', (r) => { const at = []; r.on('data', () => at.push(Date.now())); r.on('end', () => console.log(JSON.stringify(at.map((t) => t - at[0])))) })`
const HELLO = `const s = require('net').connect(2525, 'greeter'); const since = Date.now(); let text = ''
s.on('data', (b) => { text += b; if (text === '220 welcome\\n') s.write('hello'); if (text.endsWith('hello')) s.end() })
s.on('close', () => console.log(JSON.stringify({ text, ms: Date.now() - since })))`

const MANIFESTS = [
  podOf('grpc', ['node', resolve(PROGRAMS, 'grpc.ts'), 'serve', '9000'], 9000),
  echoService('grpc', '{ name: grpc, port: 9000 }'),
  podOf('chat', ['node', resolve(PROGRAMS, 'web-socket.ts'), 'serve', '8080'], 8080),
  echoService('chat'),
  podOf('bulk', ['node', '-e', BULK], 8080),
  echoService('bulk'),
  podOf('greeter', ['node', '-e', GREETER], 2525),
  echoService('greeter', '{ name: unnamed, port: 2525 }'),
  echoDeployment({ name: 'echo' }),
  echoService('echo', '{ name: http, port: 8080 }, { name: tcp, port: 9090 }'),
]

describe.runIf(requirePrivileges())('protocols through a waypoint', () => {
  const mesh = new WaypointMesh()
  const run = async (...command: readonly string[]): Promise<unknown> => JSON.parse(await mesh.exec('web', command))
  const grpc = (asked: object): Promise<unknown> =>
    run('node', resolve(PROGRAMS, 'grpc.ts'), 'ask', 'grpc:9000', JSON.stringify(asked))

  beforeAll(async () => {
    await mesh.up(MANIFESTS)
    await mesh.throughWaypoint('http://echo:8080/')
  }, 120_000)
  afterAll(() => mesh.down(), 60_000)

  it.each([
    { method: 'Unary', sizes: [10], code: 0, messages: [10] },
    { method: 'Unary', sizes: [MIB], code: 0, messages: [MIB] },
    { method: 'Unary', sizes: [0], code: 0, messages: [0] },
    { method: 'Count', sizes: [50], code: 0, messages: Array(50).fill(100) },
    { method: 'Collect', sizes: [1, 20, 300], code: 0, messages: [3] },
    { method: 'Chat', sizes: [1, 70_000, 3, MIB], code: 0, messages: [1, 70_000, 3, MIB] },
    { method: 'Fail', sizes: [1], code: 9, messages: [] },
    { method: 'Sleep', sizes: [1], deadlineMs: 500, code: 4, messages: [] },
  ])('carries gRPC calls of $method with messages of $sizes bytes', async ({ code, messages, ...asked }) => {
    expect(await grpc(asked)).toMatchObject({ code, messages })
  })

  it('carries the trailers of a call that fails without a message', async () => {
    expect(await grpc({ method: 'Fail', sizes: [1] })).toMatchObject({
      details: 'as asked',
      trailers: { 'x-why': 'wanted' },
    })
  })

  it('carries WebSockets', async () => {
    const program = resolve(PROGRAMS, 'web-socket.ts')
    expect(await run('node', program, 'ask', 'ws://chat:8080/', '200', '5')).toEqual({ sent: 200, back: 200 })
  })

  it('passes events on one by one', async () => {
    const afterMs = (await run('node', '-e', EVENTS)) as number[]
    expect(afterMs).toHaveLength(5)
    expect(afterMs[4]).toBeGreaterThan(600)
  })

  it.each([
    { way: 'up', url: 'http://bulk:8080/0', bytes: 256 * MIB, wanted: { status: 200, text: String(256 * MIB) } },
    { way: 'down', url: `http://bulk:8080/${256 * MIB}`, bytes: 0, wanted: { status: 200, got: 256 * MIB } },
  ])('carries 256 MiB $way without keeping them', async ({ url, bytes, wanted }) => {
    const before = await mesh.waypointMemoryMib()
    expect(await run('node', '-e', TRANSFER, url, String(bytes))).toMatchObject(wanted)
    expect((await mesh.waypointMemoryMib()) - before).toBeLessThan(64)
  })

  it('lets servers speak first on ports of which nobody said what is spoken', async () => {
    const hello = (await run('node', '-e', HELLO)) as { text: string; ms: number }
    expect(hello.text).toBe('220 welcome\nhello')
    expect(hello.ms).toBeLessThan(3_000)
  })
})
