import {
  checkedText,
  flag,
  integer,
  isRecord,
  list,
  oneOf,
  optional,
  type Path,
  type Report,
  record,
  type Shape,
  text,
} from '#shared/document'
import { parseQuantity } from '../apiserver/index.ts'
import { type FieldRef, fieldRef, type ResourceRef, resourceRef } from './downward-spec.ts'
import type { ConfigRef } from './environment-spec.ts'

export interface VolumeSpec {
  readonly name: string
  readonly source: VolumeSource
}

export type VolumeSource =
  | { readonly kind: 'empty'; readonly isMemory: boolean; readonly maxBytes: number | undefined }
  /** Of this machine, as the pod sees it. */
  | { readonly kind: 'host'; readonly path: string; readonly type: HostPathType }
  | FilesSource

/** Files that are kept as their sources are: configMap, secret, downwardAPI, and projected, which is all of them. */
export interface FilesSource {
  readonly kind: 'files'
  readonly parts: readonly FilesPart[]
  readonly mode: number
}

export type FilesPart =
  | { readonly kind: 'config'; readonly from: ConfigRef; readonly items: readonly KeyItem[] }
  | { readonly kind: 'downward'; readonly items: readonly DownwardItem[] }
  | { readonly kind: 'token'; readonly audience: string; readonly lifeSeconds: number; readonly path: string }

/** One key as a file; of a source without any, each key is a file of its name. */
export interface KeyItem {
  readonly key: string
  /** Below the volume. */
  readonly path: string
  readonly mode: number | undefined
}

export interface DownwardItem {
  readonly path: string
  readonly mode: number | undefined
  readonly value:
    | { readonly kind: 'field'; readonly field: FieldRef }
    | { readonly kind: 'resource'; readonly resource: ResourceRef }
}

const HOST_PATH_TYPES = ['', 'Directory', 'File', 'Socket'] as const
export type HostPathType = (typeof HOST_PATH_TYPES)[number]

const FILE_MODE = 0o644
/** Kubernetes gives no token a shorter life. */
const LEAST_TOKEN_SECONDS = 600
const TOKEN_SECONDS = 3_600
const MAX_TOKEN_SECONDS = 2 ** 32

const mode = optional(integer(0, 0o777))
/** Relative, and never out of the volume. */
const inVolume: Shape<string> = checkedText(inVolumeProblem)
const any: Shape<unknown> = (value) => value
const items = list(record({ key: text(), path: inVolume, mode }))
const downward: Shape<DownwardItem> = (value, path, report) => {
  const read = record({ path: inVolume, mode, fieldRef: any, resourceFieldRef: any })(value, path, report)
  const { fieldRef: field, resourceFieldRef: resource, ...rest } = read
  if ((field === undefined) === (resource === undefined))
    report(path, 'must have exactly one of fieldRef, resourceFieldRef')
  if (resource === undefined)
    return { ...rest, value: { kind: 'field', field: fieldRef('file')(field, [...path, 'fieldRef'], report) } }
  const read2 = resourceRef(resource, [...path, 'resourceFieldRef'], report)
  if (read2.containerName === '') report([...path, 'resourceFieldRef', 'containerName'], 'is missing')
  return { ...rest, value: { kind: 'resource', resource: read2 } }
}
const downwardItems = list(downward)

/** What a path inside a volume must not be. */
export function inVolumeProblem(path: string): string | undefined {
  if (path === '') return 'is empty'
  if (path.startsWith('/')) return 'must be relative'
  if (path.split('/').includes('..')) return 'must not go up with ..'
  return hasControls(path) ? 'must not have control characters' : undefined
}

export function hasControls(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a path must not have
  return /[\0-\x1f\x7f]/.test(path)
}

export const volumeSpec: Shape<VolumeSpec> = (value, path, report) => {
  const { name } = record({ name: text() })(value, path, report)
  const written = Object.entries(isRecord(value) ? value : {}).filter(
    ([kind, each]) => kind !== 'name' && each !== undefined && each !== null,
  )
  // The API fills in an emptyDir where nothing is written.
  const [kind, given] = written[0] ?? ['emptyDir', {}]
  if (written.length > 1) report([...path, written[1]?.[0] ?? ''], `cannot be given beside ${kind}`)
  const reader = sources[kind]
  if (reader !== undefined) return { name, source: reader(given, [...path, kind], report) }
  report(
    [...path, kind],
    'is not supported on one machine; emptyDir, configMap, secret, projected, downwardAPI and hostPath are',
  )
  return { name, source: { kind: 'empty', isMemory: false, maxBytes: undefined } }
}

const sources: Readonly<Record<string, Shape<VolumeSource>>> = {
  emptyDir(value, path, report) {
    const { medium, sizeLimit } = record({ medium: oneOf(['', 'Memory'], ''), sizeLimit: any })(value, path, report)
    return {
      kind: 'empty',
      isMemory: medium === 'Memory',
      maxBytes: bytesOf(sizeLimit, [...path, 'sizeLimit'], report),
    }
  },
  configMap(value, path, report) {
    const { name, ...rest } = record({ name: text(), items, defaultMode: mode, optional: flag })(value, path, report)
    return files(
      [{ kind: 'config', from: { kind: 'ConfigMap', name, optional: rest.optional }, items: rest.items }],
      rest,
    )
  },
  secret(value, path, report) {
    const { secretName: name, ...rest } = record({ secretName: text(), items, defaultMode: mode, optional: flag })(
      value,
      path,
      report,
    )
    return files([{ kind: 'config', from: { kind: 'Secret', name, optional: rest.optional }, items: rest.items }], rest)
  },
  downwardAPI(value, path, report) {
    const read = record({ items: downwardItems, defaultMode: mode })(value, path, report)
    return files([{ kind: 'downward', items: read.items }], read)
  },
  projected(value, path, report) {
    const read = record({ sources: list(part), defaultMode: mode })(value, path, report)
    return files(read.sources, read)
  },
  hostPath(value, path, report) {
    const read = record({ path: checkedText(hostPathProblem), type: oneOf(HOST_PATH_TYPES, '') })(value, path, report)
    return { kind: 'host', ...read }
  },
}

function files(
  parts: readonly FilesPart[],
  { defaultMode }: { readonly defaultMode: number | undefined },
): FilesSource {
  return { kind: 'files', parts, mode: defaultMode ?? FILE_MODE }
}

const parts: Readonly<Record<string, Shape<FilesPart>>> = {
  configMap: configPart('ConfigMap'),
  secret: configPart('Secret'),
  downwardAPI: (value, path, report) => ({
    kind: 'downward',
    ...record({ items: downwardItems })(value, path, report),
  }),
  serviceAccountToken(value, path, report) {
    const read = record({
      audience: text(''),
      expirationSeconds: optional(integer(LEAST_TOKEN_SECONDS, MAX_TOKEN_SECONDS)),
      path: inVolume,
    })(value, path, report)
    return {
      kind: 'token',
      audience: read.audience,
      lifeSeconds: read.expirationSeconds ?? TOKEN_SECONDS,
      path: read.path,
    }
  },
}

function configPart(kind: ConfigRef['kind']): Shape<FilesPart> {
  return (value, path, report) => {
    const { items: keys, ...from } = record({ name: text(), items, optional: flag })(value, path, report)
    return { kind: 'config', from: { kind, ...from }, items: keys }
  }
}

function part(value: unknown, path: Path, report: Report): FilesPart {
  const written = Object.entries(isRecord(value) ? value : {}).filter(([, each]) => each !== undefined && each !== null)
  const [kind = '', given] = written[0] ?? []
  const reader = parts[kind]
  if (reader !== undefined && written.length === 1) return reader(given, [...path, kind], report)
  const known = Object.keys(parts).join(', ')
  if (reader === undefined && kind !== '') report([...path, kind], `is not supported on one machine; ${known} are`)
  else report(path, `must have exactly one of ${known}`)
  return { kind: 'downward', items: [] }
}

function bytesOf(written: unknown, path: Path, report: Report): number | undefined {
  if (written === undefined) return undefined
  const bytes = parseQuantity(String(written))
  if (bytes !== undefined && bytes.nano >= 0n) return bytes.nano === 0n ? undefined : Math.ceil(bytes.approximate)
  report(path, 'must be a quantity of bytes such as 64Mi')
  return undefined
}

/** A pod has a /run of its own, and its own view of the machine's processes. */
export function hostPathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'must be absolute'
  if (path.split('/').includes('..')) return 'must not go up with ..'
  if (hasControls(path)) return 'must not have control characters'
  const clean = `${path.replace(/\/+/g, '/').replace(/\/$/, '')}/`
  return ['/', '/run/', '/proc/'].some((own) => clean === own) || /^\/(var\/)?run\/|^\/proc\//.test(clean)
    ? 'cannot be shown: a pod has its own /run and /proc'
    : undefined
}
