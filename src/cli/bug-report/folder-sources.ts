import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Source } from './collect.ts'

/** The end of a log; more than that nobody reads. */
const TAIL_BYTES = 4 << 20

/** The logs of a mesh on this machine, which are there when it is not. */
export function logFileSources(stateDir: string): readonly Source[] {
  const folder = join(stateDir, 'logs')
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => /^[\w.-]+\.log$/.test(name))
  } catch {
    // No mesh was ever up here.
    return []
  }
  return names
    .sort()
    .map((name) => ({ path: `logs/${name}`, keeps: 'tail', read: async () => tailOf(join(folder, name)) }))
}

function tailOf(file: string): string {
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES))
    const bytes = readSync(descriptor, tail, 0, tail.length, size - tail.length)
    return tail.toString('utf8', 0, bytes)
  } finally {
    closeSync(descriptor)
  }
}
