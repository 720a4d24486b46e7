import { spawn } from 'node:child_process'
import { MeshError } from '#shared/errors'
import { SYSTEM_PATH } from '#shared/machine'

/** Characters of a tool's complaint that an error carries. */
const MAX_COMPLAINT = 2_000
/** None of them takes a second on an idle machine. */
const TIMEOUT_MS = 30_000

/**
 * Runs one of the machine's tools to its end, with `input` as its standard input.
 * @throws MeshError `COMMAND_FAILED` with what the tool said
 */
export function runTool(file: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: SYSTEM_PATH },
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    let output = ''
    let complaint = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    child.stderr.on('data', (text) => {
      if (complaint.length < MAX_COMPLAINT) complaint += text
    })
    child.on('error', (cause) => reject(new MeshError('COMMAND_FAILED', `${file} cannot be started`, { cause })))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(output)
      const why = complaint.trim().slice(0, MAX_COMPLAINT) || `status ${code ?? signal}`
      reject(new MeshError('COMMAND_FAILED', `${file} ${args.join(' ')} failed: ${why}`))
    })
    // A tool that ends without reading everything says why on its standard error.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
