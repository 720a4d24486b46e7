import type { Readable, Writable } from 'node:stream'

/** Where a command reads and writes. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
  readonly stderr: Writable
  readonly cwd: string
  /** What the command ends with; 0 unless it says otherwise. */
  exitCode: number
  /** @returns what ends the listening */
  onSignal(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void
}

/** Resolves when everything written has gone out, or nobody takes it any more. */
export function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
