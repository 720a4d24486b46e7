import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { MeshStatus } from '#shared/control'

const root = resolve(import.meta.dirname, '../..')

/** How a command ended and what it said. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface AmbitSettings {
  /** `--state` of every command. */
  readonly stateDir: string
  /** Another checkout, e.g. one that an ordinary user may read. */
  readonly root?: string
  /** Runs as this user. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

/** The real command, in processes of its own. */
export class Ambit {
  readonly #settings: AmbitSettings

  constructor(settings: AmbitSettings) {
    this.#settings = settings
  }

  /** Starts it without waiting; stdio are pipes. */
  start(args: readonly string[]): ChildProcess {
    const { stateDir, root: at = root, user } = this.#settings
    const separator = args.indexOf('--')
    const end = separator < 0 ? args.length : separator
    const all = [resolve(at, 'bin/ambit.mjs'), ...args.slice(0, end), '--state', stateDir, ...args.slice(end)]
    const node = user === undefined ? process.execPath : resolve(at, 'node_modules/.bin/node')
    return spawn(node, all, { stdio: 'pipe', cwd: '/', ...user })
  }

  async run(args: readonly string[], input?: string | Uint8Array): Promise<Ended> {
    const child = this.start(args)
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
    return ended(child)
  }

  async status(): Promise<MeshStatus> {
    const { stdout, stderr } = await this.run(['status', '-o', 'json'])
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout) as MeshStatus
  }

  /** Asks until the status is as wanted. @throws Error with the last status after `withinMs` */
  async until(isWanted: (status: MeshStatus) => boolean, withinMs = 20_000): Promise<MeshStatus> {
    const untilMs = Date.now() + withinMs
    for (;;) {
      const status = await this.status()
      if (isWanted(status)) return status
      if (Date.now() > untilMs) throw new Error(`the mesh did not become as wanted: ${JSON.stringify(status, null, 1)}`)
    }
  }
}

/** Resolves with the end of a process whose output was not read yet. */
export function ended(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('latin1').on('data', (text) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  return new Promise((done) => child.on('close', (code, signal) => done({ code, signal, stdout, stderr })))
}

/** Everything of a mesh that the machine can see: what must be gone after it. */
export interface Traces {
  /** Pids of processes in the mesh's pid namespace or below, dead ones that wait to be reaped left out. */
  readonly processes: readonly number[]
  readonly mounts: string
  readonly links: string
  readonly namedNamespaces: readonly string[]
}

/** The pid namespace of a running mesh, to look for later. */
export function pidNamespaceOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/pid`)
}

export function tracesOf(pidNamespace: string): Traces {
  return {
    processes: readdirSync('/proc')
      .filter(isPid)
      .map(Number)
      .filter((pid) => isAliveIn(pid, pidNamespace)),
    mounts: readFileSync('/proc/self/mounts', 'utf8'),
    links: readFileSync('/proc/self/net/dev', 'utf8').replace(/:.*$/gm, ''),
    namedNamespaces: namesIn('/run/netns'),
  }
}

/** The processes outside of a mesh's namespaces that open ports of the machine for the mesh of `stateDir`. */
export function portOpenersOf(stateDir: string): readonly number[] {
  return readdirSync('/proc')
    .filter(isPid)
    .filter((pid) => commandLineOf(pid).includes(join(stateDir, 'ports.sock')))
    .map(Number)
}

function commandLineOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

function isPid(name: string): boolean {
  return /^\d+$/.test(name)
}

function isAliveIn(pid: number, pidNamespace: string): boolean {
  try {
    if (readlinkSync(`/proc/${pid}/ns/pid`) !== pidNamespace) return false
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir).sort()
  } catch {
    return []
  }
}
