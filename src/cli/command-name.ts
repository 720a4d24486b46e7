import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Folders of PATH that npm adds for what it runs; a user's own shell does not have them. */
const NPM_FOLDER = /\/node_modules\/\.bin$/

/**
 * What a user has to type for this very script: `ambit` when PATH leads to it, `npx ambit` where npm finds it, else its
 * place as seen from `cwd`.
 */
export function commandName(script: string, path: string, cwd: string): string {
  const folders = path.split(':').filter((folder) => folder.startsWith('/'))
  const found = folders.find((folder) => existsSync(join(folder, 'ambit')))
  if (found !== undefined && realOf(join(found, 'ambit')) === realOf(script))
    return NPM_FOLDER.test(found) ? 'npx ambit' : 'ambit'
  if (dirname(dirname(script)) === cwd && existsSync(join(cwd, 'package.json'))) return 'npx ambit'
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
