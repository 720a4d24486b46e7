import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { guardedPackages, MAX_LINES, programRooms, sharedRooms } from './rooms.ts'

const root = resolve(import.meta.dirname, '../..')
const src = join(root, 'src')
const files = globSync('**/*.ts', { cwd: src }).sort()

/** `shared/net`, `shared/mesh-state`, or `ztunnel` for a file directly in a program's folder. */
function roomOf(file: string): string {
  const parts = dirname(file).split('/')
  return parts.slice(0, 2).join('/')
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8')
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)|(?:^|\n)import\s+'([^']+)'/g,
  )
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** Why an import is not allowed; undefined when it is. */
function problemOf(file: string, specifier: string): string | undefined {
  const from = roomOf(file)
  const [program = '', room] = from.split('/')
  if (specifier.startsWith('#shared/')) {
    const target = specifier.slice('#shared/'.length)
    if (!(target in sharedRooms)) return `${specifier} is no room`
    if (program !== 'shared') return undefined
    if (target === room) return 'enters its own room by the door'
    return sharedRooms[room ?? '']?.includes(target) ? undefined : `shared/${room} may not use shared/${target}`
  }
  if (specifier.startsWith('.')) {
    const target = relative(src, resolve(src, dirname(file), specifier))
    const to = roomOf(target)
    if (!specifier.endsWith('.ts')) return 'relative imports end in .ts'
    if (to === from) return undefined
    const [toProgram, toRoom] = to.split('/')
    if (toProgram !== program || program === 'shared') return `${from} may not reach into ${to}`
    if (toRoom === undefined) return `${to} may not be imported: ${target}`
    if (!target.endsWith('/index.ts')) return `enters ${to} beside its door`
    if (room === undefined) return undefined
    return programRooms[program]?.[room]?.includes(toRoom) ? undefined : `${from} may not use ${to}`
  }
  const name = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : (specifier.split('/')[0] ?? '')
  const allowed = guardedPackages[name]
  if (allowed === undefined) return undefined
  return allowed.some((place) => from === place || from.startsWith(`${place}/`))
    ? undefined
    : `${from} may not use the package ${name}`
}

describe('imports', () => {
  it.each(files)('%s uses only the rooms that rooms.ts allows', (file) => {
    const problems = importsOf(file).flatMap((specifier) => problemOf(file, specifier) ?? [])
    expect(problems).toEqual([])
  })

  it.each(files)(`%s has at most ${MAX_LINES} lines`, (file) => {
    expect(readFileSync(join(src, file), 'utf8').split('\n').length).toBeLessThanOrEqual(MAX_LINES + 1)
  })

  it('finds the rooms that rooms.ts lists, and no others', () => {
    const found = new Set(files.map(roomOf).filter((room) => room.includes('/')))
    const listed = new Set([
      ...Object.keys(sharedRooms).map((room) => `shared/${room}`),
      ...Object.entries(programRooms).flatMap(([program, rooms]) =>
        Object.keys(rooms).map((room) => `${program}/${room}`),
      ),
    ])
    expect([...found].filter((room) => !listed.has(room))).toEqual([])
    expect([...listed].filter((room) => !found.has(room))).toEqual([])
  })

  it('reads process.env, clocks and randomness only where they belong', () => {
    const places = (pattern: RegExp): string[] =>
      files.filter((file) => pattern.test(readFileSync(join(src, file), 'utf8')))
    const owner = /^shared\/clock\/|^local\/|^cli\//
    expect(
      places(/\bDate\.now\(|\bsetTimeout\(|\bsetInterval\(|\bMath\.random\(/).filter((file) => !owner.test(file)),
    ).toEqual([])
  })
})
