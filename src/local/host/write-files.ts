import { renameSync, writeFileSync } from 'node:fs'

/** Readers see the old text or the new one, never a part: written beside, then renamed over. `beside` is on the same file system. */
export function replaceFile(path: string, text: string, mode = 0o600, beside = `${path}.new`): void {
  writeFileSync(beside, text, { mode })
  renameSync(beside, path)
}
