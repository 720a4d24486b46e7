import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const ambit = join(root, 'bin', 'ambit.mjs')

/** A mesh on this machine that a bench made for itself, with the real programs and everything on. */
export interface Mesh {
  /** Pids of the tunnels by node. */
  readonly tunnels: ReadonlyMap<string, number>
  /** Runs a program in a pod and gives back what it printed. */
  exec(namespace: string, pod: string, command: readonly string[]): Promise<string>
  /** Starts a program in a pod; resolves when it printed a line, and gives the end to be called. */
  hold(namespace: string, pod: string, command: readonly string[]): Promise<() => Promise<void>>
  addressOf(namespace: string, pod: string): string
  down(): Promise<void>
}

interface StatusJson {
  readonly programs: readonly { readonly name: string; readonly node?: string; readonly pid?: number }[]
  readonly pods: readonly { readonly namespace: string; readonly name: string; readonly addresses: readonly string[] }[]
}

/** Starts a mesh of two nodes with these Kubernetes objects. */
export async function meshUp(objectsYaml: string, options: { readonly nodes?: number } = {}): Promise<Mesh> {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-bench-'))
  const state = join(dir, 'state')
  const objects = join(dir, 'objects')
  mkdirSync(objects)
  writeFileSync(join(objects, 'bench.yaml'), objectsYaml)
  const cli = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [ambit, ...args, '--state', state], { maxBuffer: 64 << 20 })).stdout

  const down = async (): Promise<void> => {
    await cli('down')
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    await cli('up', '--detach', '--no-demo', '--nodes', String(options.nodes ?? 2), '-f', objects)
    const status = JSON.parse(await cli('status', '-o', 'json')) as StatusJson
    const tunnels = status.programs.filter((program) => program.name === 'ztunnel')
    return {
      tunnels: new Map(tunnels.map(({ node = '', pid = 0 }) => [node, pid])),
      exec: (namespace, pod, command) => cli('exec', '-n', namespace, pod, '--', ...command),
      hold: (namespace, pod, command) => hold(['exec', '-n', namespace, pod, '--state', state, '--', ...command]),
      addressOf: (namespace, pod) => {
        const found = status.pods.find((each) => each.namespace === namespace && each.name === pod)
        const address = found?.addresses[0]
        if (address === undefined) throw new Error(`no address of ${namespace}/${pod} in ambit status`)
        return address
      },
      down,
    }
  } catch (error) {
    await down()
    throw error
  }
}

function hold(args: readonly string[]): Promise<() => Promise<void>> {
  return new Promise((resolveHold, reject) => {
    const child = spawn(process.execPath, [ambit, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = new Promise<void>((done) => child.on('exit', () => done()))
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code} before it was ready`)))
    child.stdout.once('data', () =>
      resolveHold(() => {
        child.stdin.end()
        return ended
      }),
    )
  })
}
