import { readFileSync } from 'node:fs'

/** Users and groups that processes here can become: all of them for root, only itself for an ordinary user's mesh. */
export interface KnownIds {
  hasUser(id: number): boolean
  hasGroup(id: number): boolean
}

/** Of this very process's user namespace. */
export function readKnownIds(): KnownIds {
  const users = parseIdMap(readFileSync('/proc/self/uid_map', 'utf8'))
  const groups = parseIdMap(readFileSync('/proc/self/gid_map', 'utf8'))
  return { hasUser: (id) => isIn(users, id), hasGroup: (id) => isIn(groups, id) }
}

interface IdRange {
  readonly first: number
  readonly count: number
}

/** Lines of `inside outside count` (user_namespaces(7)). */
export function parseIdMap(text: string): readonly IdRange[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([first, , count]) => (first === undefined || count === undefined ? [] : [{ first, count }]))
}

function isIn(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some(({ first, count }) => id >= first && id < first + count)
}
