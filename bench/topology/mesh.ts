import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const ownCli = join(root, 'bin', 'ambit.mjs')

/** A mesh on this machine that a bench or test made for itself, with the real programs and everything on. */
export interface Mesh {
  readonly stateDir: string
  status(): Promise<MeshStatus>
  /** Pid of a program, by name and (for node programs) node. */
  pid(program: string, node?: string): Promise<number>
  /** Runs `ambit ARGS --state …`; rejects when it exits with another status than 0. */
  ambit(...args: string[]): Promise<string>
  /** Writes (or replaces) one file of the folder that the mesh was started with. */
  write(file: string, yaml: string): void
  remove(file: string): void
  /** Runs a program in a pod and gives back what it printed. */
  exec(namespace: string, pod: string, command: readonly string[]): Promise<string>
  /** Starts a program in a pod and gives its lines as they come; ends with its stdin. */
  start(namespace: string, pod: string, command: readonly string[]): RunningProgram
  down(): Promise<void>
}

export interface RunningProgram {
  /** The next line that it prints; rejects when it ends without one. */
  line(): Promise<string>
  /** Closes its stdin and waits for its end. */
  end(): Promise<void>
  /** What it has said on stderr so far. */
  complaints(): string
}

/** The part of `ambit status -o json` that benches and tests use. */
export interface MeshStatus {
  readonly programs: readonly {
    readonly name: string
    readonly node?: string
    readonly pid?: number
    readonly ready: boolean
  }[]
  readonly pods: readonly {
    readonly namespace: string
    readonly name: string
    readonly node: string
    readonly addresses: readonly string[]
    readonly ready: boolean
    readonly enrolled: boolean
  }[]
}

export interface MeshOptions {
  readonly nodes?: number
  /** Extra arguments of `ambit up`. */
  readonly args?: readonly string[]
  /** Another program than `bin/ambit.mjs`. */
  readonly cli?: string
}

/** Starts a mesh with these Kubernetes objects, by file name, and waits until all of it is ready. */
export async function meshUp(objects: Readonly<Record<string, string>>, options: MeshOptions = {}): Promise<Mesh> {
  const { cli: ambit = ownCli } = options
  const dir = mkdtempSync(join(tmpdir(), 'ambit-mesh-'))
  const stateDir = join(dir, 'state')
  const folder = join(dir, 'objects')
  mkdirSync(folder)
  const write = (file: string, yaml: string): void => {
    writeFileSync(join(dir, `${file}.new`), yaml)
    renameSync(join(dir, `${file}.new`), join(folder, file))
  }
  for (const [file, yaml] of Object.entries(objects)) write(file, yaml)
  const cli = async (...args: string[]): Promise<string> => {
    const separator = args.indexOf('--')
    const at = separator < 0 ? args.length : separator
    const all = [ambit, ...args.slice(0, at), '--state', stateDir, ...args.slice(at)]
    return (await run(process.execPath, all, { maxBuffer: 64 << 20 })).stdout
  }
  const down = async (): Promise<void> => {
    await cli('down')
    rmSync(dir, { recursive: true, force: true })
  }
  const status = async (): Promise<MeshStatus> => {
    // Exits with 1 while something is not ready, and still says all it knows.
    const printed = await cli('status', '-o', 'json').catch((error: { readonly stdout?: string }) => error.stdout ?? '')
    return JSON.parse(printed) as MeshStatus
  }
  try {
    await cli(
      'up',
      '--detach',
      '--no-demo',
      '--nodes',
      String(options.nodes ?? 2),
      '-f',
      folder,
      ...(options.args ?? []),
    )
  } catch (error) {
    await down().catch(() => {})
    throw error
  }
  return {
    stateDir,
    status,
    ambit: cli,
    write,
    down,
    remove: (file) => rmSync(join(folder, file)),
    pid: async (program, node) => {
      const found = (await status()).programs.find(
        (each) => each.name === program && (node === undefined || each.node === node),
      )
      if (found?.pid === undefined) throw new Error(`${program} ${node ?? ''} is not running`)
      return found.pid
    },
    exec: (namespace, pod, command) => cli('exec', '-n', namespace, pod, '--', ...command),
    start: (namespace, pod, command) => {
      const args = [ambit, 'exec', '-n', namespace, pod, '--state', stateDir, '--', ...command]
      return follow(spawn(process.execPath, args, { stdio: 'pipe' }))
    },
  }
}

/** The address of a pod; `family` 4 or 6. */
export function addressOf(status: MeshStatus, namespace: string, name: string, family: 4 | 6 = 4): string {
  const pod = status.pods.find((each) => each.namespace === namespace && each.name === name)
  const address = pod?.addresses.find((each) => each.includes(':') === (family === 6))
  if (address === undefined) throw new Error(`no IPv${family} address of ${namespace}/${name} in ambit status`)
  return address
}

function follow(child: ChildProcessWithoutNullStreams): RunningProgram {
  const lines: string[] = []
  const waiting: { resolve(line: string): void; reject(error: Error): void }[] = []
  let ended: Error | undefined
  let complaints = ''
  child.stderr.on('data', (text) => {
    complaints += text
  })
  createInterface(child.stdout).on('line', (line) => {
    const next = waiting.shift()
    if (next === undefined) lines.push(line)
    else next.resolve(line)
  })
  const exited = new Promise<void>((done) => {
    child.on('close', (code) => {
      ended = new Error(`the program ended with status ${code}: ${complaints}`)
      for (const each of waiting.splice(0)) each.reject(ended)
      done()
    })
  })
  return {
    line: () => {
      const line = lines.shift()
      if (line !== undefined) return Promise.resolve(line)
      if (ended !== undefined) return Promise.reject(ended)
      return new Promise((resolveLine, reject) => waiting.push({ resolve: resolveLine, reject }))
    },
    end: () => {
      child.stdin.end()
      return exited
    },
    complaints: () => complaints,
  }
}
