import {
  type ConfigData,
  type ConfigRef,
  type DownwardItem,
  type FilesPart,
  type FilesSource,
  labelOf,
  missing,
} from '../pod-plan/index.ts'

/** Files of one volume by their path below it. */
export type VolumeFiles = ReadonlyMap<string, VolumeFile>

export interface VolumeFile {
  readonly content: Buffer
  readonly mode: number
}

/** Whom a token is for, besides the pod, which it speaks for and dies with. */
export interface PodTokenRequest {
  /** Empty: the API itself. */
  readonly audience: string
  readonly lifeSeconds: number
}

export interface PodToken {
  readonly token: string
  readonly expiresAtMs: number
}

/** A token, and when to ask for another one. */
export interface KeptToken {
  readonly token: string
  readonly renewAtMs: number
}

/** Where the contents of files come from. */
export interface FileSources {
  /** Of the pod, for problems. */
  readonly namespace: string
  config(from: ConfigRef): ConfigData | undefined
  downward(value: DownwardItem['value']): string
  token(part: Extract<FilesPart, { readonly kind: 'token' }>): Promise<KeptToken>
}

export interface FilesOutcome {
  readonly files: VolumeFiles
  /** When the first of its tokens should be asked for again. */
  readonly renewAtMs: number
}

/** A ConfigMap may have no more, and a volume is held in memory while it is written. */
const MAX_VOLUME_BYTES = 16 * 1024 * 1024

/**
 * What a volume shall hold now; of two files of one path the later counts.
 * @throws MeshError `CONTAINER_CONFIG_INVALID` for what is missing and not optional
 */
export async function filesOfVolume(source: FilesSource, sources: FileSources): Promise<FilesOutcome> {
  const files = new Map<string, VolumeFile>()
  let renewAtMs = Number.POSITIVE_INFINITY
  const put = (path: string, content: Buffer, mode: number | undefined): void => {
    files.set(clean(path), { content, mode: mode ?? source.mode })
  }
  for (const part of source.parts) {
    if (part.kind === 'token') {
      const kept = await sources.token(part)
      put(part.path, Buffer.from(kept.token), undefined)
      renewAtMs = Math.min(renewAtMs, kept.renewAtMs)
    } else if (part.kind === 'downward') {
      for (const { path, mode, value } of part.items) put(path, Buffer.from(sources.downward(value)), mode)
    } else for (const { path, content, mode } of configFiles(part, sources)) put(path, content, mode)
  }
  checkFiles(files)
  return { files, renewAtMs }
}

function configFiles(
  { from, items }: Extract<FilesPart, { readonly kind: 'config' }>,
  { config, namespace }: FileSources,
): readonly { readonly path: string; readonly content: Buffer; readonly mode?: number | undefined }[] {
  const data = config(from)
  if (data === undefined) {
    if (from.optional) return []
    throw missing(`${labelOf(from)} not found`)
  }
  if (items.length === 0) return [...data].map(([path, content]) => ({ path, content }))
  return items.flatMap(({ key, path, mode }) => {
    const content = data.get(key)
    if (content !== undefined) return [{ path, content, mode }]
    if (from.optional) return []
    throw missing(`references non-existent config key: ${key} in ${labelOf(from)} of ${namespace}`)
  })
}

function checkFiles(files: VolumeFiles): void {
  let bytes = 0
  for (const [path, { content }] of files) {
    bytes += content.length
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      if (files.has(path.slice(0, at))) throw missing(`${path.slice(0, at)} would be both a file and a folder`)
    }
    if (path.startsWith('..')) throw missing(`a file in a volume cannot begin with "..": ${path}`)
  }
  if (bytes > MAX_VOLUME_BYTES) throw missing(`the files of a volume have more than ${MAX_VOLUME_BYTES} bytes`)
}

/** `a//./b` is `a/b`. */
function clean(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
}
