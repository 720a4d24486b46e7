import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Mesh, RunningProgram } from './mesh.ts'

/** Two haproxy processes that carry TCP over mTLS between two pods, one TLS connection for each. */
export interface HaproxyHops {
  /** What the client dials instead of a server's port, on its own loopback. */
  portFor(serverPort: number): number
  /** By the node on which each runs. */
  readonly pids: ReadonlyMap<string, number>
  stop(): Promise<void>
}

/** From the server's port to the inner hop's and the outer hop's. */
const INNER_OFFSET = 2000
const OUTER_OFFSET = 1000

const POLL_MS = 20
const START_MS = 5_000

export function hasHaproxy(): boolean {
  try {
    execFileSync('haproxy', ['-v'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

interface Ends {
  readonly namespace: string
  readonly client: { readonly name: string; readonly node: string }
  readonly server: { readonly name: string; readonly node: string }
  readonly serverAddress: string
  readonly ports: readonly number[]
}

/** Starts both hops, on one thread each, and waits until they listen. Rejects when one of them ends. */
export async function startHaproxy(mesh: Mesh, ends: Ends): Promise<HaproxyHops> {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-haproxy-'))
  makeCertificates(dir)
  const [first = 0, last = 0] = [ends.ports[0], ends.ports.at(-1)]
  const range = (offset: number): string => `${first + offset}-${last + offset}`
  const tls = `ssl crt ${dir}/end.pem ca-file ${dir}/ca.crt verify required`
  const outer = hop(
    `127.0.0.1:${range(OUTER_OFFSET)}`,
    `${ends.serverAddress}:+${INNER_OFFSET - OUTER_OFFSET} ${tls} verifyhost end`,
  )
  const inner = hop(`0.0.0.0:${range(INNER_OFFSET)} ${tls}`, `127.0.0.1:-${INNER_OFFSET}`)
  const pids = new Map<string, number>()
  const running: RunningProgram[] = []
  const stop = async (): Promise<void> => {
    for (const pid of pids.values()) process.kill(pid)
    // How a program that was killed ends is of no interest.
    await Promise.all(running.map((each) => each.end()))
    rmSync(dir, { recursive: true })
  }
  for (const [pod, config, offset] of [
    [ends.client, outer, OUTER_OFFSET],
    [ends.server, inner, INNER_OFFSET],
  ] as const) {
    const file = join(dir, `${pod.name}.cfg`)
    writeFileSync(file, config)
    running.push(mesh.start(ends.namespace, pod.name, ['haproxy', '-db', '-f', file]))
    const giveUpMs = performance.now() + START_MS
    for (let pid = pidOf(file); pid === undefined || !isListening(pid, last + offset); pid = pidOf(file)) {
      if (performance.now() > giveUpMs) throw new Error(`haproxy does not listen: ${running.at(-1)?.complaints()}`)
      await setTimeout(POLL_MS)
    }
    pids.set(pod.node, pidOf(file) ?? 0)
  }
  return { portFor: (serverPort) => serverPort + OUTER_OFFSET, pids, stop }
}

/** Of the haproxy with this configuration: a pod has its own numbers, by which it cannot be found from here. */
function pidOf(config: string): number | undefined {
  const isIt = (pid: string): boolean => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
      return words[0] === 'haproxy' && words.includes(config)
    } catch {
      return false // gone between listing and reading
    }
  }
  const found = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isIt(name))
  return found === undefined ? undefined : Number(found)
}

/** Whether a process listens on this port in its namespace. @throws Error when there is no such process */
function isListening(pid: number, port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return new RegExp(`:${hex} [0-9A-F]+:0000 0A`).test(readFileSync(`/proc/${pid}/net/tcp`, 'latin1'))
}

function hop(bind: string, server: string): string {
  return `global
  nbthread 1
  maxconn 4096
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen hop
  bind ${bind}
  server next ${server}
`
}

function makeCertificates(dir: string): void {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' })
  for (const name of ['ca', 'end']) {
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
  }
  openssl('req', '-x509', '-new', '-key', 'ca.key', '-subj', '/CN=ca', '-days', '2', '-out', 'ca.crt')
  openssl('req', '-new', '-key', 'end.key', '-subj', '/CN=end', '-out', 'end.csr')
  openssl(
    ...['x509', '-req', '-in', 'end.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key'],
    ...['-CAcreateserial', '-days', '2', '-out', 'end.crt'],
  )
  const pem = ['end.crt', 'end.key'].map((file) => readFileSync(join(dir, file), 'latin1')).join('')
  writeFileSync(join(dir, 'end.pem'), pem, { mode: 0o600 })
}
