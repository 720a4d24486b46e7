import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type FolderSettings, formatProblem, type ObjectSource, objectKey, watchFolder } from '#shared/k8s'
import type { Logger } from '#shared/telemetry'

const account = (name: string, label = '1'): string =>
  `apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ${name}, labels: {l: "${label}"}}\n`

let dir: string
let sources: ObjectSource[]
let logged: string[]

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-k8s-'))
  sources = []
  logged = []
})

afterEach(async () => {
  await Promise.all(sources.map((source) => source.close()))
  rmSync(dir, { recursive: true, force: true })
})

const logger: Logger = {
  error: (message) => void logged.push(message.replaceAll(dir, 'DIR')),
  warn: () => {},
  info: (message) => void logged.push(message.replaceAll(dir, 'DIR')),
  debug: () => {},
  trace: () => {},
  isEnabled: () => true,
  child: () => logger,
}

const open = (settings: Partial<FolderSettings> = {}): ObjectSource => {
  const source = watchFolder(dir, { clock: systemClock, logger, quietMs: 5, ...settings })
  sources.push(source)
  return source
}

/** Mirrors the accounts with their label, and waits for a state of it. */
const mirror = (source: ObjectSource) => {
  const state = new Map<string, string>()
  const changes: string[] = []
  const waiting = new Set<() => void>()
  source.subscribe('ServiceAccount', ({ type, object }) => {
    changes.push(`${type} ${objectKey(object)}`)
    if (type === 'deleted') state.delete(object.metadata.name)
    else state.set(object.metadata.name, object.metadata.labels.l ?? '')
    for (const check of [...waiting]) check()
  })
  const becomes = (expected: Readonly<Record<string, string>>): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (JSON.stringify(Object.fromEntries([...state].sort())) !== JSON.stringify(expected)) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  return { state, changes, becomes }
}

const write = (name: string, text: string): void => writeFileSync(join(dir, name), text)
const replace = (name: string, text: string): void => {
  write(`.${name}.tmp`, text)
  renameSync(join(dir, `.${name}.tmp`), join(dir, name))
}
const problems = (source: ObjectSource): string[] =>
  source.problems.map((problem) => formatProblem(problem).replaceAll(dir, 'DIR'))

describe('a watched folder', () => {
  it('delivers its first complete state before it is synced', async () => {
    write('a.yaml', account('a'))
    write('b.yml', account('b'))
    write('notes.txt', 'not: [read')
    write('.hidden.yaml', 'not: [read')
    mkdirSync(join(dir, 'more'))
    write('more/c.yaml', account('c'))
    const source = open()
    const { state } = mirror(source)
    await source.synced
    expect([...state.keys()].sort()).toEqual(['a', 'b', 'c'])
    expect(problems(source)).toEqual([])
  })

  it('tells only what a changed file changes', async () => {
    write('a.yaml', `${account('a')}---\n${account('b')}`)
    const source = open()
    const { changes, becomes } = mirror(source)
    await becomes({ a: '1', b: '1' })
    replace('a.yaml', `${account('a')}---\n${account('b', '2')}---\n${account('c')}`)
    await becomes({ a: '1', b: '2', c: '1' })
    unlinkSync(join(dir, 'a.yaml'))
    await becomes({})
    expect(changes.slice(2, 4)).toEqual(['updated default/b', 'added default/c'])
    expect(changes.slice(4).sort()).toEqual(['deleted default/a', 'deleted default/b', 'deleted default/c'])
  })

  it('follows new folders, removed folders and replaced links', async () => {
    const source = open()
    const { becomes } = mirror(source)
    await source.synced
    mkdirSync(join(dir, 'one'))
    await source.synced
    write('one/a.yaml', account('a'))
    await becomes({ a: '1' })
    mkdirSync(join(dir, '..v1'))
    write('..v1/l.yaml', account('l'))
    symlinkSync(join(dir, '..v1', 'l.yaml'), join(dir, 'l.yaml'))
    await becomes({ a: '1', l: '1' })
    mkdirSync(join(dir, '..v2'))
    write('..v2/l.yaml', account('l', '2'))
    symlinkSync(join(dir, '..v2', 'l.yaml'), join(dir, '.l.tmp'))
    renameSync(join(dir, '.l.tmp'), join(dir, 'l.yaml'))
    await becomes({ a: '1', l: '2' })
    rmSync(join(dir, 'one'), { recursive: true })
    await becomes({ l: '2' })
  })

  it('keeps the last good objects of a file that turns unreadable, says so once, and recovers', async () => {
    write('a.yaml', account('a'))
    const source = open()
    const { becomes, changes } = mirror(source)
    await becomes({ a: '1' })
    replace('a.yaml', 'kind: [')
    write('b.yaml', account('b'))
    await becomes({ a: '1', b: '1' })
    expect(problems(source)).toEqual([expect.stringMatching(/^DIR\/a\.yaml:1: is no YAML: /)])
    write('c.yaml', account('c'))
    await becomes({ a: '1', b: '1', c: '1' })
    expect(logged.filter((line) => line.includes('no YAML'))).toHaveLength(1)
    replace('a.yaml', account('a', '2'))
    await becomes({ a: '2', b: '1', c: '1' })
    expect(problems(source)).toEqual([])
    expect(logged.at(-1)).toBe('DIR: everything can be read again')
    expect(changes.filter((change) => change.startsWith('deleted'))).toEqual([])
  })

  it('keeps the last good form of one wrong object and takes its neighbours', async () => {
    write('a.yaml', `${account('a')}---\n${account('b')}`)
    const source = open()
    const { becomes } = mirror(source)
    await becomes({ a: '1', b: '1' })
    replace('a.yaml', `${account('a', '2')}---\n${account('b').replace('"1"', '7')}`)
    await becomes({ a: '2', b: '1' })
    expect(problems(source)).toEqual(['DIR/a.yaml:7: metadata.labels.l: must be a string (quote it), is 7'])
  })

  it('names an object that stands in two files, and takes the first', async () => {
    write('a.yaml', account('x', '1'))
    write('b.yaml', account('x', '2'))
    const source = open()
    const { becomes } = mirror(source)
    await becomes({ x: '1' })
    expect(problems(source)).toEqual(['DIR/b.yaml: ServiceAccount default/x is also in DIR/a.yaml, which counts'])
    unlinkSync(join(dir, 'a.yaml'))
    await becomes({ x: '2' })
  })

  it('reads a burst of writes as one change', async () => {
    const source = open({ quietMs: 50 })
    const { becomes, changes } = mirror(source)
    await source.synced
    for (let i = 1; i <= 50; i++) replace('a.yaml', account('a', String(i)))
    await becomes({ a: '50' })
    expect(changes).toEqual(['added default/a'])
  })

  it('finds what the watch missed at the next periodic scan', async () => {
    const target = mkdtempSync(join(tmpdir(), 'ambit-k8s-target-'))
    writeFileSync(join(target, 'a.yaml'), account('a'))
    symlinkSync(join(target, 'a.yaml'), join(dir, 'a.yaml'))
    const source = open({ rescanMs: 20 })
    const { becomes } = mirror(source)
    await becomes({ a: '1' })
    writeFileSync(join(target, 'a.yaml'), account('a', '2'))
    await becomes({ a: '2' })
    rmSync(target, { recursive: true })
    await becomes({})
  })

  it('waits for a folder that is not there, and keeps the state of one that went', async () => {
    rmSync(dir, { recursive: true })
    const source = open({ rescanMs: 20 })
    const { becomes } = mirror(source)
    const first = await Promise.race([
      source.synced.then(() => 'synced'),
      new Promise((r) => setTimeout(r, 60, 'waits')),
    ])
    expect(first).toBe('waits')
    mkdirSync(dir)
    write('a.yaml', account('a'))
    await becomes({ a: '1' })
    await source.synced
    renameSync(dir, `${dir}.gone`)
    await expect.poll(() => problems(source)).toEqual([expect.stringContaining('cannot be read, its last state stays')])
    mkdirSync(dir)
    write('a.yaml', account('a', '2'))
    await becomes({ a: '2' })
    rmSync(`${dir}.gone`, { recursive: true })
  })

  it('does not wait for a pipe, and does not read what is too large', async () => {
    execFileSync('mkfifo', [join(dir, 'pipe.yaml')])
    write('huge.yaml', '')
    truncateSync(join(dir, 'huge.yaml'), 17 * 1024 * 1024)
    write('a.yaml', account('a'))
    const source = open()
    const { becomes } = mirror(source)
    await becomes({ a: '1' })
    expect(problems(source)).toEqual([
      'DIR/huge.yaml: is larger than 16777216 bytes',
      'DIR/pipe.yaml: is no regular file',
    ])
  })

  it('tells nothing after it was closed', async () => {
    const source = open()
    const { changes } = mirror(source)
    await source.synced
    write('a.yaml', account('a'))
    await source.close()
    await source.close()
    write('b.yaml', account('b'))
    await new Promise((resolve) => setTimeout(resolve, 40))
    expect(changes).toEqual([])
  })
})
