// The load of the benches: node client.ts MODE HOST PORT CONNECTIONS SECONDS [RATE]
//   requests  closed loop over kept-alive connections
//   rate      open loop: RATE requests/s, latency counted from when each was due (no coordinated omission)
//   connects  connect, one request, close
//   up, down  bulk
//   idle      opens CONNECTIONS, one request each, prints "ready", holds them until stdin ends
import { connect, type Socket } from 'node:net'
import { Histogram } from './histogram.ts'
import { BULK_CHUNK_BYTES, type LoadResult, REQUEST_BYTES, RESPONSE_BYTES } from './protocol.ts'

const [mode = '', host = '', port = '', connections = '1', seconds = '3', rate = '400'] = process.argv.slice(2)
const WARM_UP_SECONDS = 0.5
const FOREVER = 2n ** 62n
const request = Buffer.alloc(REQUEST_BYTES, 'G')

const startedMs = performance.now()
const measureFromMs = startedMs + WARM_UP_SECONDS * 1000
const untilMs = measureFromMs + Number(seconds) * 1000
const latencies = new Histogram()
let count = 0
let totalCount = 0
let bytes = 0
let totalBytes = 0
let errors = 0

function record(fromMs: number, nowMs: number): void {
  totalCount++
  if (nowMs < measureFromMs || nowMs > untilMs) return
  count++
  latencies.add((nowMs - fromMs) * 1000)
}

function open(): Socket {
  const socket = connect({ host, port: Number(port), noDelay: true })
  socket.on('error', () => {
    errors++
    socket.destroy()
  })
  return socket
}

/** Calls `done` after each whole response. */
function onResponse(socket: Socket, done: () => void): void {
  let pending = 0
  socket.on('data', (data) => {
    for (pending += data.length; pending >= RESPONSE_BYTES; pending -= RESPONSE_BYTES) done()
  })
}

function requests(): void {
  for (let i = 0; i < Number(connections); i++) {
    const socket = open()
    let sentMs = 0
    const send = (): void => {
      sentMs = performance.now()
      socket.write(request)
    }
    socket.on('connect', send)
    onResponse(socket, () => {
      const nowMs = performance.now()
      record(sentMs, nowMs)
      if (nowMs < untilMs) send()
      else socket.end()
    })
  }
}

function atRate(): void {
  const gapMs = 1000 / Number(rate)
  const sockets = Array.from({ length: Number(connections) }, open)
  const due: number[][] = sockets.map(() => [])
  for (const [i, socket] of sockets.entries()) onResponse(socket, () => record(due[i]?.shift() ?? 0, performance.now()))
  let next = 0
  const beginMs = performance.now() + 100
  const tick = (): void => {
    const nowMs = performance.now()
    for (; beginMs + next * gapMs <= nowMs; next++) {
      const i = next % sockets.length
      due[i]?.push(beginMs + next * gapMs)
      sockets[i]?.write(request)
    }
    if (nowMs < untilMs) setTimeout(tick, 0)
    else for (const socket of sockets) socket.end()
  }
  tick()
}

function connects(): void {
  const one = (): void => {
    const beganMs = performance.now()
    if (beganMs >= untilMs) return
    const socket = open()
    socket.on('connect', () => socket.write(request))
    onResponse(socket, () => {
      record(beganMs, performance.now())
      socket.end()
    })
    socket.on('close', one)
  }
  for (let i = 0; i < Number(connections); i++) one()
}

function countBytes(n: number): void {
  totalBytes += n
  const nowMs = performance.now()
  if (nowMs >= measureFromMs && nowMs <= untilMs) bytes += n
}

function upload(): void {
  const chunk = Buffer.alloc(BULK_CHUNK_BYTES, 'u')
  const first = Buffer.from('U')
  for (let i = 0; i < Number(connections); i++) {
    const socket = open()
    let sent = 1
    const more = (): void => {
      while (performance.now() < untilMs) {
        sent += chunk.length
        // Counted when the kernel has taken it; the server's own count must agree at the end.
        if (!socket.write(chunk, () => countBytes(chunk.length))) return
      }
      socket.off('drain', more)
      socket.end()
    }
    socket.on('drain', more)
    socket.on('data', (total: Buffer) => {
      if (Number(total.readBigUInt64BE(0)) !== sent) errors++
    })
    socket.on('connect', () => {
      socket.write(first)
      more()
    })
  }
}

function download(): void {
  const ask = Buffer.alloc(9, 'D')
  ask.writeBigUInt64BE(FOREVER / 4096n, 1)
  for (let i = 0; i < Number(connections); i++) {
    const buffer = Buffer.alloc(BULK_CHUNK_BYTES)
    const socket = connect({
      host,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer,
        callback: (n: number): boolean => {
          countBytes(n)
          if (performance.now() > untilMs) socket.destroy()
          return true
        },
      },
    })
    socket.on('error', () => errors++)
    socket.on('connect', () => socket.write(ask))
  }
}

function idle(): void {
  const sockets: Socket[] = []
  let answered = 0
  const one = (): void => {
    const socket = open()
    sockets.push(socket)
    socket.on('connect', () => socket.write(request))
    onResponse(socket, () => {
      answered++
      if (sockets.length < Number(connections)) one()
      else if (answered + errors >= Number(connections)) process.stdout.write('ready\n')
    })
  }
  for (let i = 0; i < Math.min(50, Number(connections)); i++) one()
  process.stdin.on('end', () => process.exit(errors === 0 ? 0 : 1)).resume()
}

const modes: Readonly<Record<string, () => void>> = {
  requests,
  rate: atRate,
  connects,
  up: upload,
  down: download,
  idle,
}
const run = modes[mode]
if (run === undefined) throw new Error(`unknown mode ${JSON.stringify(mode)}`)
if (mode !== 'idle') {
  // A connection that hangs must not hang the bench: it is an error, counted.
  setTimeout(
    () => {
      errors++
      process.exit(1)
    },
    (Number(seconds) + 20) * 1000,
  ).unref()
  process.on('exit', () => {
    const [p50Us = 0, p90Us = 0, p99Us = 0, p999Us = 0] = [0.5, 0.9, 0.99, 0.999].map((q) => latencies.quantile(q))
    const result: LoadResult = {
      ...{ count, totalCount, seconds: Number(seconds), errors, bytes, totalBytes },
      ...{ p50Us, p90Us, p99Us, p999Us },
    }
    process.stdout.write(`${JSON.stringify(result)}\n`)
  })
}
run()
