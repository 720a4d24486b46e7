/**
 * What the tunnel engine alone costs: app ⇄ out hop ⇄ mTLS + HTTP/2 ⇄ in hop ⇄ server on loopback, each a process of its
 * own, without redirect, policy and telemetry. Prints CPU of both hops (schedstat) per request, per Gbit, per connection.
 *
 *   node --conditions=source bench/micro/tunnel-engine.ts [--rounds 3] [--seconds 2] [--rival hop.mjs]
 *
 * `--rival` is a script started as `hop.mjs out|in <listen port> <target port> <server port>`, with `certs/a.key`,
 * `certs/a.pem` and `certs/ca.pem` beside it; its cells alternate with ours.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { acceptH2, connectH2, type H2ClientConnection, type H2RequestListener } from '#shared/http2'
import { adoptSocket } from '#shared/net'
import { H2StreamPump } from '../../src/shared/hbone/stream-pump.ts'

const REQUEST_BYTES = 64
const RESPONSE_BYTES = 1024
/** First byte of a connection: what the server does with it. */
const MODES = { requests: 'r', down: 'd', up: 'u', connections: 'c' } as const
type Mode = keyof typeof MODES

interface Cell {
  readonly mode: Mode
  readonly connections: number
}

const CELLS: readonly Cell[] = [
  { mode: 'requests', connections: 1 },
  { mode: 'requests', connections: 16 },
  { mode: 'requests', connections: 64 },
  { mode: 'up', connections: 1 },
  { mode: 'down', connections: 1 },
  { mode: 'down', connections: 8 },
  { mode: 'connections', connections: 16 },
]

// ---- the processes

function serve(): void {
  const response = Buffer.alloc(RESPONSE_BYTES, 'x')
  const bulk = Buffer.alloc(256 * 1024, 'y')
  const buffer = Buffer.alloc(256 * 1024)
  const server = createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (accepted) => {
    let mode = ''
    let pending = 0
    const socket: Socket = adoptSocket(accepted, {
      buffer: () => buffer,
      callback: (bytes, from) => {
        let offset = 0
        if (mode === '') {
          mode = String.fromCharCode(from[0] ?? 0)
          offset = 1
          if (mode === MODES.down) pour()
        }
        if (mode !== MODES.requests && mode !== MODES.connections) return true
        pending += bytes - offset
        for (; pending >= REQUEST_BYTES; pending -= REQUEST_BYTES) socket.write(response)
        if (mode === MODES.connections && pending === 0 && bytes > offset) socket.end()
        return true
      },
    })
    const pour = (): void => {
      while (!socket.destroyed && socket.write(bulk));
    }
    socket.on('drain', () => mode === MODES.down && pour())
    socket.on('end', () => socket.end())
    socket.on('error', () => {})
    socket.resume()
  })
  report(server)
}

/** Runs one cell and prints what came: requests, bytes or connections. */
async function drive(port: number, mode: Mode, connections: number, ms: number): Promise<void> {
  const request = Buffer.alloc(REQUEST_BYTES, 'q')
  const bulk = Buffer.alloc(256 * 1024, 'z')
  const buffer = Buffer.alloc(256 * 1024)
  let count = 0
  let isOver = false
  const open = (): void => {
    let received = 0
    const onread = {
      buffer: (): Uint8Array => buffer,
      callback: (bytes: number): boolean => {
        if (mode === 'down') count += bytes
        else
          for (received += bytes; received >= RESPONSE_BYTES; received -= RESPONSE_BYTES) {
            count++
            if (mode === 'requests') socket.write(request)
          }
        return true
      },
    }
    const options = { port, host: '127.0.0.1', noDelay: true, onread }
    const socket = connect(options as never, () => {
      socket.write(MODES[mode])
      if (mode === 'requests' || mode === 'connections') socket.write(request)
      if (mode === 'up') pour()
    })
    const pour = (): void => {
      for (let more = true; more && !isOver; ) {
        more = socket.write(bulk, () => {
          count += bulk.length
        })
      }
    }
    socket.on('drain', () => mode === 'up' && pour())
    socket.on('error', () => {})
    socket.on('close', () => mode === 'connections' && !isOver && open())
  }
  for (let i = 0; i < connections; i++) open()
  await new Promise((resolve) => setTimeout(resolve, 300))
  const [before, startMs] = [count, performance.now()]
  process.stdout.write('begin\n')
  await new Promise((resolve) => setTimeout(resolve, ms))
  isOver = true
  process.stdout.write(`${JSON.stringify({ count: count - before, seconds: (performance.now() - startMs) / 1000 })}\n`)
  process.stdin.once('data', () => process.exit(0))
}

function contextFrom(folder: string): SecureContext {
  const read = (name: string): Buffer => readFileSync(join(folder, 'certs', name))
  return createSecureContext({ key: read('a.key'), cert: read('a.pem'), ca: read('ca.pem'), minVersion: 'TLSv1.3' })
}

function runOut(port: number, targetPort: number, serverPort: number, folder: string): void {
  const secureContext = contextFrom(folder)
  const raw = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
  raw.once('connect', () => {
    const tls = connectTls({ socket: raw, secureContext, checkServerIdentity: () => undefined, ALPNProtocols: ['h2'] })
    tls.once('secureConnect', () => accept(connectH2(tls)))
  })
  const headers = [
    [':method', 'CONNECT'],
    [':authority', `127.0.0.1:${serverPort}`],
  ] as const
  const accept = (connection: H2ClientConnection): void => {
    const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
      const pump = new H2StreamPump('opener')
      pump.onAnswer = () => void pump.bind(adoptSocket(accepted, pump.onread))
      pump.onLost = () => accepted.destroy()
      pump.attach(connection.request(headers, pump))
    })
    report(server, port)
  }
}

function runIn(port: number, folder: string): void {
  const secureContext = contextFrom(folder)
  const tlsOptions = {
    isServer: true,
    secureContext,
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2'],
  }
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (raw) => {
    const tls = new TLSSocket(raw, tlsOptions)
    tls.once('secure', () => {
      const answer: H2RequestListener = (stream, headers) => {
        const pump = new H2StreamPump('target')
        pump.attach(stream)
        const port = Number(headers[1]?.[1].split(':')[1])
        const options = { port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true, onread: pump.onread }
        const socket = connect(options as never, () => stream.respond([[':status', '200']]))
        void pump.bind(socket)
        return pump
      }
      // As many streams on one connection as the cells ask for; in the mesh the pool spreads them.
      acceptH2(tls, answer, { limits: { maxConcurrentStreams: 10_000 } })
    })
  })
  report(server, port)
}

function report(server: ReturnType<typeof createServer>, port = 0): void {
  server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
  })
  process.stdin.resume().on('end', () => process.exit(0))
}

// ---- the measuring

interface Engine {
  readonly name: string
  readonly port: number
  readonly hops: readonly ChildProcess[]
}

interface Measured {
  readonly rate: number
  readonly cpu: number
}

const here = fileURLToPath(import.meta.url)
const children: ChildProcess[] = []

function start(command: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, command, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

function own(...args: readonly (string | number)[]): ChildProcess {
  const profile =
    process.env.BENCH_CPU_PROF === args[0] ? ['--cpu-prof', '--cpu-prof-dir', process.env.BENCH_PROF_DIR ?? '.'] : []
  return start([...profile, '--conditions=source', here, ...args.map(String)])
}

/** Ends its input, on which our processes exit by themselves (and write their CPU profile); others are told to. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.stdin?.end()
  const timer = setTimeout(() => child.kill(), 1_000)
  await gone
  clearTimeout(timer)
}

async function line(child: ChildProcess): Promise<string> {
  for await (const chunk of child.stdout ?? []) return String(chunk).trim()
  throw new Error('a bench process ended early')
}

function nextLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (chunk) => resolve(String(chunk).trim()))
    child.once('exit', () => reject(new Error('a bench process ended early')))
  })
}

/** ns on the CPU of all threads. */
function cpuNs(child: ChildProcess): number {
  const folder = `/proc/${child.pid}/task`
  return readdirSync(folder).reduce((sum, thread) => {
    const [ns = '0'] = readFileSync(`${folder}/${thread}/schedstat`, 'latin1').split(' ')
    return sum + Number(ns)
  }, 0)
}

async function measure(engine: Engine, cell: Cell, ms: number): Promise<Measured> {
  const client = own('drive', engine.port, cell.mode, cell.connections, ms)
  if ((await nextLine(client)) !== 'begin') throw new Error('the client did not begin')
  const before = engine.hops.reduce((sum, hop) => sum + cpuNs(hop), 0)
  const { count, seconds } = JSON.parse(await nextLine(client)) as { count: number; seconds: number }
  const seconds_cpu = (engine.hops.reduce((sum, hop) => sum + cpuNs(hop), 0) - before) / 1e9
  client.stdin?.write('x')
  await new Promise((resolve) => client.once('exit', resolve))
  const isBulk = cell.mode === 'up' || cell.mode === 'down'
  const units = isBulk ? (count * 8) / 1e9 : count
  return { rate: units / seconds, cpu: isBulk ? seconds_cpu / units : (seconds_cpu * 1e6) / units }
}

function makeCertificates(folder: string): void {
  const certs = join(folder, 'certs')
  mkdirSync(certs)
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: certs, stdio: 'ignore' })
  writeFileSync(
    join(certs, 'ext'),
    'subjectAltName=critical,URI:spiffe://cluster.local/ns/default/sa/a\nextendedKeyUsage=serverAuth,clientAuth\n',
  )
  for (const name of ['ca', 'a']) openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
  openssl('req', '-x509', '-new', '-key', 'ca.key', '-subj', '/O=cluster.local', '-days', '2', '-out', 'ca.pem')
  openssl('req', '-new', '-key', 'a.key', '-subj', '/', '-out', 'a.csr')
  openssl(
    'x509',
    '-req',
    '-in',
    'a.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'ext',
    '-out',
    'a.pem',
  )
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function startOurs(folder: string, serverPort: number): Promise<Engine> {
  const inHop = own('in', 0, folder)
  const inPort = Number(await line(inHop))
  const outHop = own('out', 0, inPort, serverPort, folder)
  return { name: 'ambit', port: Number(await line(outHop)), hops: [outHop, inHop] }
}

async function startRival(script: string, folder: string, serverPort: number): Promise<Engine> {
  const copy = join(folder, 'rival.mjs')
  copyFileSync(script, copy)
  const [inPort, port] = [await freePort(), await freePort()]
  const hops = [start([copy, 'in', String(inPort), '0', '0'])]
  await new Promise((resolve) => setTimeout(resolve, 500))
  hops.unshift(start([copy, 'out', String(port), String(inPort), String(serverPort)]))
  await new Promise((resolve) => setTimeout(resolve, 500))
  return { name: 'rival', port, hops }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '2' },
      rival: { type: 'string' },
      only: { type: 'string' },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'tunnel-engine-'))
  try {
    makeCertificates(folder)
    const server = own('serve')
    const serverPort = Number(await line(server))
    const engines = [await startOurs(folder, serverPort)]
    if (values.rival !== undefined) engines.push(await startRival(values.rival, folder, serverPort))
    console.log(
      `node ${process.version}, load ${loadavg()
        .map((n) => n.toFixed(2))
        .join(' ')}`,
    )
    for (const cell of CELLS) {
      if (values.only !== undefined && values.only !== cell.mode && values.only !== cell.mode + cell.connections)
        continue
      const results = new Map<string, Measured[]>(engines.map(({ name }) => [name, []]))
      for (let round = 0; round < Number(values.rounds); round++)
        for (const engine of round % 2 === 0 ? engines : engines.toReversed())
          results.get(engine.name)?.push(await measure(engine, cell, Number(values.seconds) * 1000))
      for (const [name, list] of results) console.log(row(name, cell, list))
    }
    for (const engine of engines) console.log(`${engine.name} RSS MiB: ${engine.hops.map(rssMib).join(' / ')}`)
  } finally {
    await Promise.all(children.map(stop))
    rmSync(folder, { recursive: true })
  }
}

function rssMib(child: ChildProcess): string {
  return (/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))?.[1] ?? '0').replace(
    /\d+/,
    (kib) => (Number(kib) / 1024).toFixed(0),
  )
}

function row(name: string, { mode, connections }: Cell, list: readonly Measured[]): string {
  const isBulk = mode === 'up' || mode === 'down'
  const digits = isBulk ? 3 : 1
  const cpu = list.map((one) => one.cpu)
  const rate = median(list.map((one) => one.rate))
  const spread = `${Math.min(...cpu).toFixed(digits)}–${Math.max(...cpu).toFixed(digits)}`
  const unit = isBulk ? 'Gbit/s' : `${mode}/s`
  return `${name.padEnd(6)} ${mode.padEnd(11)} c=${String(connections).padEnd(3)} CPU ${median(cpu).toFixed(digits).padStart(7)} (${spread}) ${isBulk ? 's/Gbit' : 'µs'}  ${rate.toFixed(isBulk ? 2 : 0)} ${unit}`
}

const [role, ...args] = process.argv.slice(2)
if (role === 'serve') serve()
else if (role === 'drive') await drive(Number(args[0]), args[1] as Mode, Number(args[2]), Number(args[3]))
else if (role === 'out') runOut(Number(args[0]), Number(args[1]), Number(args[2]), String(args[3]))
else if (role === 'in') runIn(Number(args[0]), String(args[1]))
else await main()
