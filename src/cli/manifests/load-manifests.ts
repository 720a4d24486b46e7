import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { MeshError, reasonOf } from '#shared/errors'
import { type Manifest, parseManifests } from './read-manifests.ts'

const EXTENSIONS = ['.yaml', '.yml', '.json']
/** More than that is no manifest. */
const MAX_BYTES = 64 << 20

export interface ManifestPlaces {
  /** Files, folders, `-` for standard input. */
  readonly names: readonly string[]
  /** Folders within folders, too. */
  readonly isRecursive: boolean
  readonly cwd: string
  readonly stdin: Readable
}

/** All objects, files of a folder by name. @throws MeshError naming the place that cannot be read */
export async function loadManifests({ names, isRecursive, cwd, stdin }: ManifestPlaces): Promise<readonly Manifest[]> {
  const found: Manifest[] = []
  for (const name of names) {
    if (name === '-') {
      found.push(...parseManifests(await textOf(stdin), 'standard input'))
      continue
    }
    if (/^https?:\/\//.test(name))
      throw new MeshError('CONFIG_INVALID', `${name} is not fetched from here; save it to a file first`)
    for (const file of filesOf(resolve(cwd, name), name, isRecursive)) {
      found.push(...parseManifests(readText(file), file === resolve(cwd, name) ? name : file))
    }
  }
  if (found.length === 0) throw new MeshError('NOT_FOUND', `there are no objects in ${names.join(', ')}`)
  return found
}

function filesOf(path: string, name: string, isRecursive: boolean): readonly string[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw new MeshError('NOT_FOUND', `there is no file or folder ${name}`)
  if (!stat.isDirectory()) return [path]
  const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  return entries.flatMap((entry) => {
    const inside = join(path, entry.name)
    if (entry.isDirectory()) return isRecursive ? filesOf(inside, inside, true) : []
    return EXTENSIONS.some((extension) => entry.name.endsWith(extension)) ? [inside] : []
  })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MeshError('NOT_FOUND', `${file} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

async function textOf(stdin: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stdin) {
    const part = Buffer.from(chunk as Uint8Array | string)
    bytes += part.length
    if (bytes > MAX_BYTES) throw new MeshError('CONFIG_INVALID', 'standard input is too long for manifests')
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString('utf8')
}
