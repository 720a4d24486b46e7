import { realpathSync } from 'node:fs'
import { join, relative } from 'node:path'

/** What a user has to type for this very script: `ambit` when PATH leads to it, else its place as seen from `cwd`. */
export function commandName(script: string, path: string, cwd: string): string {
  const folders = path.split(':').filter((folder) => folder.startsWith('/'))
  const found = folders.map((folder) => realOf(join(folder, 'ambit'))).find((file) => file !== undefined)
  if (found !== undefined && found === realOf(script)) return 'ambit'
  const near = relative(cwd, script)
  // A way that leads far up is harder to read than the whole one.
  if (near.startsWith('../..')) return script
  return near.startsWith('.') ? near : `./${near}`
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
