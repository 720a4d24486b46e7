import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'

/** Written beside, flushed, and renamed over: there is never half of a file under its name. */
export function writeWhole(file: string, text: string, mode: number): void {
  const beside = `${file}.new`
  rmSync(beside, { force: true })
  const descriptor = openSync(beside, 'wx', mode)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  // The process's umask may have taken rights away.
  chmodSync(beside, mode)
  renameSync(beside, file)
}
