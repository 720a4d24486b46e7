import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

const MAIN = resolve(import.meta.dirname, '../../src/istiod-lite/main.ts')

export interface RunningIstiod {
  readonly process: ChildProcess
  readonly lines: readonly string[]
  /** Resolves with the first line that holds the text. */
  line(text: string): Promise<string>
}

/** The control plane as a process of its own, run from source. */
export function spawnIstiod(env: Readonly<Record<string, string>>, ...args: readonly string[]): RunningIstiod {
  const child = spawn(process.execPath, ['--conditions=source', MAIN, ...args], { env: { ...env } })
  const lines: string[] = []
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      for (const check of [...waiting]) check()
    })
  }
  const line = (text: string): Promise<string> =>
    new Promise((found) => {
      const check = (): void => {
        const hit = lines.find((each) => each.includes(text))
        if (hit === undefined) return
        waiting.delete(check)
        found(hit)
      }
      waiting.add(check)
      check()
    })
  return { process: child, lines, line }
}
