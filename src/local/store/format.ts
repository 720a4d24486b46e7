import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '#shared/errors'

/** Grows when an older program could not read what a newer one writes, or the other way round. */
const FORMAT = 1
const FILE = 'format'

/**
 * Says in the folder in which form its files are, and refuses those of another form untouched. A folder without the mark
 * is new, or of the first form.
 *
 * @throws MeshError `STORE_FAILED`
 */
export function checkFormat(dir: string): void {
  const path = join(dir, FILE)
  const found = readMark(path)
  if (found === undefined) {
    writeFileSync(`${path}.unfinished`, `${FORMAT}\n`, { mode: 0o600, flush: true })
    renameSync(`${path}.unfinished`, path)
    return
  }
  if (found !== String(FORMAT))
    throw new MeshError(
      'STORE_FAILED',
      `the objects in ${dir} were written by another version of ambit (format ${JSON.stringify(found.slice(0, 20))}, this one reads ${FORMAT}); use that version, or remove them with "ambit down --purge"`,
    )
}

function readMark(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
