import { closeSync, constants, ftruncateSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs'

/** Readers see the old text or the new one, never a part: written beside, then renamed over. `beside` is on the same file system. */
export function replaceFile(path: string, text: string, mode = 0o600, beside = `${path}.new`): void {
  writeFileSync(beside, text, { mode })
  renameSync(beside, path)
}

/**
 * For a file that is bind-mounted elsewhere: the mount shows this inode, so it is overwritten with one write and then
 * cut to length.
 */
export function writeInPlace(path: string, text: string): void {
  const bytes = Buffer.from(text)
  const fd = openSync(path, constants.O_WRONLY)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at)
    ftruncateSync(fd, bytes.length)
  } finally {
    closeSync(fd)
  }
}
