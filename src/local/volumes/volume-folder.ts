import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { VolumeFiles } from './files-of-volume.ts'

/** Leads to the folder with the files as they are now. */
const DATA = '..data'
const NEXT_DATA = '..data_tmp'

/** Who a volume's files belong to besides root. */
export interface Ownership {
  /** `fsGroup`: may read all files, and write those that can be written. */
  readonly group: number | undefined
}

/** A folder that containers write to. */
export function makeEmptyFolder(dir: string, { group }: Ownership): void {
  mkdirSync(dir, { recursive: true })
  if (group !== undefined) chownSync(dir, -1, group)
  // Set apart, as the umask takes bits from `mkdir`; files made in it belong to the group as well.
  chmodSync(dir, group === undefined ? 0o777 : 0o2777)
}

/**
 * Brings a folder to these files at once, as Kubernetes does: they are written to a folder of their own, to which the
 * link `..data` is then turned, and each name in the volume is a link through that one. Who reads sees all of the old
 * files or all of the new ones.
 */
export function writeVolume(dir: string, files: VolumeFiles, { group }: Ownership): void {
  mkdirSync(dir, { recursive: true })
  chmodSync(dir, 0o755)
  const stamp = new Date().toISOString().slice(0, 19).replace(/[-T:]/g, '_')
  const name = `..${stamp}.${randomBytes(4).toString('hex')}`
  const folder = join(dir, name)
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  for (const [path, { content, mode }] of files) writeOne(folder, path, content, mode, group)
  const old = linkAt(join(dir, DATA))
  rmSync(join(dir, NEXT_DATA), { force: true })
  symlinkSync(name, join(dir, NEXT_DATA))
  renameSync(join(dir, NEXT_DATA), join(dir, DATA))
  const shown = new Set([...files.keys()].map((path) => path.split('/', 1)[0] ?? ''))
  for (const each of shown) if (linkAt(join(dir, each)) === undefined) symlinkSync(join(DATA, each), join(dir, each))
  for (const each of readdirSync(dir)) if (!each.startsWith('..') && !shown.has(each)) rmSync(join(dir, each))
  if (old !== undefined) rmSync(join(dir, old), { recursive: true, force: true })
}

function writeOne(folder: string, path: string, content: Buffer, mode: number, group: number | undefined): void {
  const file = join(folder, path)
  for (let parent = dirname(file); parent.length > folder.length; parent = dirname(parent)) {
    mkdirSync(parent, { recursive: true })
    chmodSync(parent, 0o755)
  }
  writeFileSync(file, content, { mode: 0o600 })
  if (group !== undefined) chownSync(file, -1, group)
  chmodSync(file, group === undefined ? mode : mode | 0o440)
}

function linkAt(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined
}
