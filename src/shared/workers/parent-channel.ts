/** The channel to the process that started this one. */
export interface ParentChannel<Heard, Said> {
  send(message: Said): void
  onMessage(take: (message: Heard) => void): void
  /** The supervisor is gone. */
  onEnd(ended: () => void): void
}

/** Ends the process, with a sentence, when nobody who could be told started it. */
export function parentChannel<Heard, Said>(): ParentChannel<Heard, Said> {
  if (process.send === undefined) {
    process.stderr.write('a worker is started by its supervisor only\n')
    process.exit(1)
  }
  return {
    // A supervisor that is gone hears nothing any more; `onEnd` tells.
    send: (message) => void process.send?.(message, undefined, undefined, () => {}),
    onMessage: (take) => void process.on('message', (message) => take(message as Heard)),
    onEnd: (ended) => void process.on('disconnect', ended),
  }
}

/** The same program with the same flags of Node, and `worker` in front of its own arguments. */
export function workerCommand(args: readonly string[]): {
  readonly file: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
} {
  const [, script = ''] = process.argv
  return { file: process.execPath, args: [...process.execArgv, script, 'worker', ...args], env: process.env }
}
