import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { identify, newRunRecord, PORT_SOCKET, writeRunRecord } from '#shared/control'
import { MeshError } from '#shared/errors'
import { withSystemFolders } from '#shared/machine'

export interface LaunchSettings {
  readonly stateDir: string
  /** RFC 3339. */
  readonly startedAt: string
  readonly distDir: string
  readonly nodes: number
  /** Where the Kubernetes API is served, from `listenOnLoopback`; closed here. */
  readonly api: Server
  readonly folders: readonly string[]
  /** Absolute path of a file that maps images to commands. */
  readonly images: string | undefined
  readonly programEnv: readonly string[]
  /** The mesh stays when this process ends. */
  readonly isDetached: boolean
  /** Of the user. */
  readonly path: string
  readonly logFilter: string
}

/** The supervisor's process, seen from here: `unshare`, which ends with everything below it. */
export interface Launched {
  readonly process: ChildProcess
  /** Resolves with what to tell about the end. */
  readonly ended: Promise<string>
  /** Lets the mesh go on without this process. */
  release(): void
}

/**
 * Namespaces of its own for network, mounts and processes: nothing of a mesh shows on the machine, and all of it ends with
 * process 1 in there. `--kill-child` ends that one when `unshare` itself is killed.
 */
const NAMESPACES = ['--mount', '--net', '--pid', '--fork', '--kill-child=KILL']
const AS_ORDINARY_USER = ['--user', '--map-root-user']

/** Process 1: runs the supervisor, collects orphans that end, and ends with the supervisor's status. */
const INIT_SCRIPT = '"$@" & wait $!'
const API_FD = 3
const LIFELINE_FD = 4
const SHOWN_LOG_LINES = 8
/** `ended` when the mesh went down as it was told to. */
export const GOOD_END = 'the mesh is down'

/**
 * Opens the door for kubectl on the machine's own loopback, which the supervisor cannot reach from its namespaces.
 *
 * @param port 0: any free one
 * @throws MeshError `COMMAND_FAILED` when it is taken
 */
export function listenOnLoopback(port: number): Promise<Server> {
  const server = createServer()
  // Whoever gives up before the launch is not held by it.
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new MeshError('COMMAND_FAILED', `cannot listen on 127.0.0.1:${port}: ${cause.message}`, { cause })),
    )
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

export function launchSupervisor(settings: LaunchSettings): Launched {
  const env = supervisorEnv(settings)
  const unshare = namespaceFlags(env)
  const { stateDir, startedAt, distDir, nodes, api, folders, images, programEnv, isDetached } = settings
  const logs = join(stateDir, 'logs')
  mkdirSync(logs, { recursive: true, mode: 0o700 })
  const logFile = join(logs, 'supervisor.log')
  const log = openSync(logFile, 'a', 0o600)
  // Before the mesh, which is told its pid; should the mesh not come, it goes again by itself.
  const opener = spawnPortOpener(join(distDir, 'port-opener', 'main.js'), join(stateDir, PORT_SOCKET), log, env)
  const flags = [
    ['--state-dir', stateDir],
    ['--nodes', String(nodes)],
    ['--folders', JSON.stringify(folders)],
    images === undefined ? [] : ['--image-file', images],
    ['--program-env', JSON.stringify(programEnv)],
    ['--api-fd', String(API_FD)],
    ['--port-opener-pid', String(opener.pid ?? 0)],
    ['--lifeline-fd', isDetached ? '0' : String(LIFELINE_FD)],
  ].flat()
  const supervisor = [process.execPath, '--enable-source-maps', join(distDir, 'local', 'main.js'), ...flags]
  const child = spawn('unshare', [...unshare, '--', '/bin/sh', '-c', INIT_SCRIPT, 'init', ...supervisor], {
    // A session of its own: Ctrl-C reaches this process only, which then takes the mesh down in order.
    detached: true,
    cwd: '/',
    env,
    stdio: ['ignore', log, log, descriptorOf(api), ...(isDetached ? [] : ['pipe' as const])],
  })
  api.close()
  closeSync(log)
  // From here on the mesh can be found and ended, also when this process is not there any more.
  if (child.pid !== undefined) {
    const outside = opener.pid === undefined ? undefined : identify(opener.pid)
    writeRunRecord(stateDir, newRunRecord(startedAt, [identify(child.pid)], outside))
  }
  const lifeline = child.stdio[LIFELINE_FD] as Duplex | undefined
  lifeline?.on('error', () => {})
  return {
    process: child,
    ended: new Promise((resolve) => {
      child.once('error', (error) => resolve(`unshare cannot be started: ${error.message}`))
      child.once('exit', (code, signal) => resolve(endText(code, signal, logFile)))
    }),
    release: () => child.unref(),
  }
}

/** Stays in the machine's network, where it opens ports for services; lives as long as the supervisor. */
function spawnPortOpener(
  program: string,
  socket: string,
  log: number,
  env: Readonly<Record<string, string>>,
): ChildProcess {
  const opener = spawn(process.execPath, [program, socket], {
    detached: true,
    cwd: '/',
    env,
    stdio: ['ignore', log, log],
  })
  // Without it the mesh runs, and says that no port of the machine can be opened.
  opener.on('error', () => {})
  opener.unref()
  return opener
}

/** Node gives descriptors of servers away by their handle only, and takes no server as stdio. */
function descriptorOf(server: Server): number {
  const { _handle: handle } = server as Server & { readonly _handle?: { readonly fd?: number } }
  if (typeof handle?.fd !== 'number' || handle.fd < 0) throw new TypeError('a listening server has no descriptor')
  return handle.fd
}

/**
 * The flags of `unshare` that work for this user.
 * @throws MeshError with what to do
 */
export function namespaceFlags(env: Readonly<Record<string, string>>): readonly string[] {
  const complaints: string[] = []
  const isRoot = process.getuid?.() === 0
  for (const flags of isRoot
    ? [NAMESPACES, [...AS_ORDINARY_USER, ...NAMESPACES]]
    : [[...AS_ORDINARY_USER, ...NAMESPACES]]) {
    const { status, stderr, error } = spawnSync('unshare', [...flags, 'true'], { env, encoding: 'utf8' })
    if (status === 0) return flags
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
      throw new MeshError('COMMAND_FAILED', 'the program unshare is missing; install the package util-linux')
    complaints.push((stderr || error?.message || '').trim())
  }
  throw new MeshError(
    'PRIVILEGE_MISSING',
    `this user may not make namespaces (${complaints.at(-1)}); run as root, or allow it with ` +
      '"sysctl -w user.max_user_namespaces=15000" and, on Ubuntu, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"',
  )
}

/** An ordinary user's PATH may lack the folders of ip and its like. */
function supervisorEnv({
  path,
  logFilter,
}: Pick<LaunchSettings, 'path' | 'logFilter'>): Readonly<Record<string, string>> {
  return { PATH: withSystemFolders(path).join(':'), RUST_LOG: logFilter }
}

function endText(code: number | null, signal: string | null, logFile: string): string {
  if (signal !== null) return `the supervisor was ended by ${signal}`
  if (code === 0) return GOOD_END
  let last = ''
  try {
    last = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-SHOWN_LOG_LINES).join('\n')
  } catch {
    // Then the status has to do.
  }
  return `the supervisor ended with status ${code}\n${last}`
}
