import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Ambit } from './ambit.ts'

const root = resolve(import.meta.dirname, '../..')
/** What runs needs of a checkout; the one under test may lie where an ordinary user must not look. */
const NEEDED = [
  'bin',
  'dist',
  'daemonset',
  'samples',
  'package.json',
  'node_modules/.bin/node',
  'node_modules/koffi',
  'node_modules/@koromix',
  `node_modules/node-linux-${process.arch}`,
]
/** nobody and nogroup. */
const NOBODY = { uid: 65_534, gid: 65_534 }

/** Whether an ordinary user may make namespaces here. */
export function mayUnshare(): boolean {
  const { status } = spawnSync('unshare', ['--user', '--map-root-user', 'true'], NOBODY)
  if (status === 0) return true
  if (process.env.MESH_E2E === 'require')
    throw new Error('MESH_E2E=require, but ordinary users may not make namespaces')
  console.warn('SKIPPED: ordinary users may not make user namespaces on this machine')
  return false
}

/** The real command in an ordinary user's hands: a copy of this checkout in `dir`, its state in `dir/home/state`. */
export function rootlessAmbit(dir: string): Ambit {
  chmodSync(dir, 0o755)
  for (const path of NEEDED)
    cpSync(join(root, path), join(dir, path), { recursive: true, dereference: path.endsWith('/node') })
  mkdirSync(join(dir, 'home'))
  chownSync(join(dir, 'home'), NOBODY.uid, NOBODY.gid)
  return new Ambit({ stateDir: join(dir, 'home', 'state'), root: dir, user: NOBODY })
}
