import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { MeshError } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { SYSTEM_PATH } from '#shared/machine'

/**
 * A process that does nothing but keep namespaces alive, like Kubernetes' pause container. It ends with its standard
 * input, so it cannot outlive this program.
 */
export interface NamespaceHolder extends Closer {
  /** As the machine sees it, which is what /proc shows here. */
  readonly machinePid: number
  /** Opens the network namespace from anywhere on the machine. */
  readonly netnsPath: string
  /** Calls back once when the holder ended without being closed. */
  onLost(listener: () => void): void
}

/** The machine's pid of the shell itself; before the script, which may mount another /proc. */
const LEARN_PID = 'read -r machine_pid rest < /proc/self/stat'
const TELL_AND_WAIT = 'echo "$machine_pid"; exec cat > /dev/null'
const CLOSE_WAIT_MS = 2_000
const OPEN_WAIT_MS = 30_000

/**
 * Starts `unshare <flags>` with a shell that runs `script` and then holds the namespaces.
 * @param script a constant; whatever varies comes as `args` ($1, $2, …)
 * @throws MeshError `COMMAND_FAILED` with what the script said
 */
export async function holdNamespaces(
  tools: { readonly unshare: string; readonly sh: string },
  flags: readonly string[],
  script: string,
  args: readonly string[],
): Promise<NamespaceHolder> {
  const child = spawn(
    tools.unshare,
    [...flags, '--', tools.sh, '-ec', [LEARN_PID, script, TELL_AND_WAIT].join('\n'), 'hold', ...args],
    {
      stdio: 'pipe',
      detached: true,
      env: { PATH: SYSTEM_PATH },
    },
  )
  child.stdin.on('error', () => {})
  const machinePid = await firstLine(child)
  return new Holder(child, machinePid)
}

function firstLine(child: ChildProcessWithoutNullStreams): Promise<number> {
  return new Promise((resolve, reject) => {
    let complaint = ''
    const late = setTimeout(() => child.kill('SIGKILL'), OPEN_WAIT_MS)
    child.stderr.on('data', (text) => {
      if (complaint.length < 2_000) complaint += text
    })
    child.on('error', (cause) => reject(new MeshError('COMMAND_FAILED', 'unshare cannot be started', { cause })))
    child.on('close', () => {
      clearTimeout(late)
      const why = complaint.trim() || 'it ended without a word'
      reject(new MeshError('COMMAND_FAILED', `a namespace could not be made: ${why}`))
    })
    createInterface(child.stdout).once('line', (line) => {
      clearTimeout(late)
      resolve(Number(line))
    })
  })
}

class Holder implements NamespaceHolder {
  readonly machinePid: number
  readonly #child: ChildProcessWithoutNullStreams
  readonly #gone: Promise<void>
  #isClosing = false

  constructor(child: ChildProcessWithoutNullStreams, machinePid: number) {
    this.#child = child
    this.machinePid = machinePid
    this.#gone = new Promise((resolve) => child.once('exit', () => resolve()))
  }

  get netnsPath(): string {
    return `/proc/${this.machinePid}/ns/net`
  }

  onLost(listener: () => void): void {
    this.#child.once('exit', () => {
      if (!this.#isClosing) listener()
    })
  }

  async close(): Promise<void> {
    this.#isClosing = true
    this.#child.stdin.end()
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_WAIT_MS)
    await this.#gone
    clearTimeout(kill)
  }
}
