import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { formatPath, lineOfPath, list, type Path, type Report, record, required, text, textMap } from '#shared/document'
import { MeshError, reasonOf } from '#shared/errors'
import type { ImageEntry } from './catalog.ts'
import { parseImage } from './reference.ts'

/** Aliases a file may resolve to; more is an expansion attack. */
const MAX_ALIASES = 100
const MAX_TOLD = 20

const image = record(
  { image: text(), command: list(text()), args: list(text()), env: textMap, workingDir: text('') },
  'closed',
)
const document = record({ images: required(list(image)) }, 'closed')

/** @throws MeshError `CONFIG_INVALID` when it cannot be read, or with everything that is wrong with it */
export function readImageFile(file: string): readonly ImageEntry[] {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', `the file of images cannot be read: ${reasonOf(cause)}`, { cause })
  }
  return parseImageFile(content, file)
}

/**
 * Reads what `ambit up --images FILE` is given: which command of this machine stands for which image. A folder that is
 * not absolute is below the file's own. An image without a tag is every tag of that name.
 *
 * @param file its name, for problems
 * @throws MeshError `CONFIG_INVALID` with file, line and field of everything that is wrong
 */
export function parseImageFile(content: string, file: string): readonly ImageEntry[] {
  const lines = new LineCounter()
  const parsed = parseDocument(content, { lineCounter: lines, prettyErrors: false })
  const problems: string[] = []
  const told = (line: number | undefined, path: Path, problem: string): void => {
    const where = [file, line].filter((part) => part !== undefined).join(':')
    problems.push(`${where}: ${[formatPath(path), problem].filter((part) => part !== '').join(' ')}`)
  }
  for (const { pos, message } of parsed.errors) told(lines.linePos(pos[0]).line, [], `is no YAML: ${message}`)
  const report: Report = (path, problem) => told(lineOfPath(parsed.contents, path, lines), path, problem)
  const entries = problems.length > 0 ? [] : readEntries(toValue(parsed, report), dirname(file), report)
  if (problems.length > 0) throw new MeshError('CONFIG_INVALID', problems.slice(0, MAX_TOLD).join('\n'))
  return entries
}

function toValue(parsed: ReturnType<typeof parseDocument>, report: Report): unknown {
  try {
    return parsed.toJS({ maxAliasCount: MAX_ALIASES }) ?? undefined
  } catch (error) {
    report([], `is no YAML: ${reasonOf(error)}`)
    return undefined
  }
}

function readEntries(value: unknown, folder: string, report: Report): readonly ImageEntry[] {
  const { images } = document(value ?? {}, [], report)
  return images.map(({ image: written, command, args, env, workingDir }, i) => {
    const at = (field: string): Path => ['images', i, field]
    if (command.length === 0) report(at('command'), 'is missing; it says what to run, as a list of words')
    const { name, tag } = parseImage(written)
    if (name.includes('*')) report(at('image'), 'may have * in its tag only')
    const twin = images.findIndex((other) => other.image === written)
    if (twin < i) report(at('image'), `is the same as of images[${twin}], which counts`)
    const known = { command, args, env, workingDir: workingDir === '' ? undefined : resolve(folder, workingDir) }
    return { name, tag: hasTag(written) ? tag : '*', find: () => ({ kind: 'known', image: known }) }
  })
}

function hasTag(written: string): boolean {
  return written.indexOf(':', written.lastIndexOf('/') + 1) >= 0
}
