import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

/** What a node's tunnel has different from the others. */
export interface OtherTunnel {
  /** Absolute path of another ztunnel: a `main.js` of ours, or a binary that is started as `FILE proxy`. */
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
}

/** The mesh's programs with other tunnels on some nodes. */
export interface Programs {
  /** Stands for `bin/ambit.mjs`. */
  readonly cli: string
  remove(): void
}

/** A copy of `dist/` whose ztunnel looks at its node's name first. */
export function programsWith(tunnels: Readonly<Record<string, OtherTunnel>>): Programs {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-bench-'))
  const dist = join(dir, 'dist')
  cpSync(join(root, 'dist'), dist, { recursive: true, filter: (from) => !from.endsWith('.map') })
  // Programs look for what lies beside `dist/`, packages and object kinds.
  for (const name of readdirSync(root)) if (!name.startsWith('dist')) symlinkSync(join(root, name), join(dir, name))
  const usual = join(dist, 'ztunnel', 'usual.js')
  cpSync(join(dist, 'ztunnel', 'main.js'), usual)
  writeFileSync(
    join(dist, 'ztunnel', 'main.js'),
    `const { program = ${JSON.stringify(usual)}, env = {} } = ${JSON.stringify(tunnels)}[process.env.NODE_NAME] ?? {}
Object.assign(process.env, env)
if (!program.endsWith('.js')) process.execve(program, [program, 'proxy'], process.env)
await import(program)
`,
  )
  return { cli: join(dist, 'cli', 'main.js'), remove: () => rmSync(dir, { recursive: true, force: true }) }
}
