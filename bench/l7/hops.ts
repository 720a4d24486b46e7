import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { build } from 'esbuild'

/** One proxy between the load and the backend. */
export interface Hop {
  readonly name: string
  /** Of the process that does the work. */
  readonly pid: number
  readonly speaks: readonly ('h1' | 'h2')[]
  readonly ports: Readonly<Record<'h1' | 'h2', number>>
  stop(): Promise<void>
}

/** What answers, by HTTP/1.1 and by HTTP/2 without TLS. */
export interface Backend {
  readonly ports: Readonly<Record<'h1' | 'h2', number>>
  stop(): Promise<void>
}

const RESPONSE_BYTES = 1024
const PORTS = {
  backend: 18_080,
  backendH2: 18_081,
  nginx: 18_082,
  nginxH2: 18_083,
  haproxy: 18_084,
  bare: 18_086,
  full: 18_088,
}
const START_MS = 10_000

/** One worker, as the hops have one thread. */
export async function startBackend(dir: string): Promise<Backend> {
  const body = `return 200 "${'x'.repeat(RESPONSE_BYTES)}"; keepalive_requests 1000000000;`
  const stop = await startNginxWith(
    dir,
    'backend',
    `server { listen ${PORTS.backend}; location / { ${body} } }
     server { listen ${PORTS.backendH2} http2; location / { ${body} } }`,
    PORTS.backend,
  )
  return { ports: { h1: PORTS.backend, h2: PORTS.backendH2 }, stop: stop.stop }
}

/** HTTP/2 only towards the client: nginx has none towards servers. */
export async function startNginx(dir: string, backend: Backend): Promise<Hop> {
  const proxy =
    'location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; } keepalive_requests 1000000000;'
  const { pid, stop } = await startNginxWith(
    dir,
    'nginx',
    `upstream backend { server 127.0.0.1:${backend.ports.h1}; keepalive 128; keepalive_requests 1000000000; }
     server { listen ${PORTS.nginx}; ${proxy} }
     server { listen ${PORTS.nginxH2} http2; ${proxy} }`,
    PORTS.nginx,
  )
  return { name: 'nginx', pid, speaks: ['h1', 'h2'], ports: { h1: PORTS.nginx, h2: PORTS.nginxH2 }, stop }
}

export async function startHaproxyL7(dir: string, backend: Backend): Promise<Hop> {
  const file = join(dir, 'haproxy.cfg')
  writeFileSync(
    file,
    `global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n  http-reuse always
frontend one\n  bind 127.0.0.1:${PORTS.haproxy}\n  default_backend b\nbackend b\n  server s 127.0.0.1:${backend.ports.h1}\n`,
  )
  const child = spawn('haproxy', ['-f', file], { stdio: ['ignore', 'ignore', 'inherit'] })
  await listening(child, PORTS.haproxy)
  return {
    name: 'haproxy',
    pid: child.pid ?? 0,
    speaks: ['h1'],
    ports: { h1: PORTS.haproxy, h2: 0 },
    stop: () => ended(child),
  }
}

/**
 * @param features `bare` = one rule, nothing else; `full` = 100 rules, authorization, tracing, retry buffer, metrics and
 *   access log
 */
export async function startAmbit(dir: string, features: 'bare' | 'full', backend: Backend): Promise<Hop> {
  const hop = await bundled(dir)
  const port = PORTS[features]
  const child = spawn(process.execPath, [hop, features, String(port), JSON.stringify(backend.ports)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await listening(child, port)
  return {
    name: `ambit ${features}`,
    pid: child.pid ?? 0,
    speaks: ['h1', 'h2'],
    ports: { h1: port, h2: port },
    stop: () => ended(child),
  }
}

/** As production runs: one file, without types. */
async function bundled(dir: string): Promise<string> {
  const outfile = join(dir, 'hop.mjs')
  if (existsSync(outfile)) return outfile
  // For the packages that are not in the bundle.
  symlinkSync(resolve(import.meta.dirname, '../../node_modules'), join(dir, 'node_modules'))
  await build({
    entryPoints: [join(import.meta.dirname, 'hop.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    conditions: ['source'],
    external: ['koffi'],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
  return outfile
}

async function startNginxWith(
  dir: string,
  name: string,
  servers: string,
  port: number,
): Promise<{ readonly pid: number; stop(): Promise<void> }> {
  const file = join(dir, `${name}.conf`)
  writeFileSync(
    file,
    `daemon off; master_process off; worker_processes 1; pid ${dir}/${name}.pid; error_log /dev/null;
events { worker_connections 4096; }
http { access_log off; tcp_nodelay on; client_body_temp_path ${dir}/${name}-body; proxy_temp_path ${dir}/${name}-proxy;
fastcgi_temp_path ${dir}/${name}-f; uwsgi_temp_path ${dir}/${name}-u; scgi_temp_path ${dir}/${name}-s; ${servers} }\n`,
  )
  const child = spawn('nginx', ['-c', file], { stdio: ['ignore', 'ignore', 'inherit'] })
  await listening(child, port)
  return { pid: child.pid ?? 0, stop: () => ended(child) }
}

/** @throws Error when the process ends, or does not listen in time */
async function listening(child: ChildProcess, port: number): Promise<void> {
  const untilMs = performance.now() + START_MS
  while (performance.now() < untilMs) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with exit code ${child.exitCode}`)
    if (await canConnect(port)) return
    await setTimeout(20)
  }
  await ended(child)
  throw new Error(`${child.spawnfile} does not listen on ${port}`)
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.on('error', () => done(false))
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const end = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await end
}
