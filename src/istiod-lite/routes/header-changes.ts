import type { IstioHeaderOperations, RouteHeaderChanges } from '#shared/k8s'
import { type HeaderChanges, type HeaderValue, headerProblem } from '#shared/l7'
import type { Find } from './findings.ts'

export const NO_CHANGES: HeaderChanges = { set: [], add: [], remove: [] }

/** Changes of headers, and what a change of Host means: another authority. */
export interface ReadHeaders {
  readonly changes: HeaderChanges
  /** Empty = it stays. */
  readonly authority: string
}

/**
 * Host and :authority become the authority, set before add; other pseudo headers cannot be changed (d.4 "headers"), nor what
 * belongs to the proxy.
 */
export function readHeaders(changes: RouteHeaderChanges, path: string, find: Find): ReadHeaders {
  const isSound = (name: string, value: string): boolean => {
    const problem = headerProblem(name, value)
    if (problem !== undefined) find({ path, reason: 'UnsupportedValue', message: `${name} ${problem}` })
    return problem === undefined
  }
  const usable = (values: readonly HeaderValue[]): readonly HeaderValue[] =>
    sorted(values.filter(({ name, value }) => isSound(name, value)))
  const hostOf = (values: readonly HeaderValue[]) => values.find(({ name }) => isHost(name))?.value
  return {
    changes: {
      set: usable(changes.set),
      add: usable(changes.add),
      remove: changes.remove
        .map(lower)
        .filter((name) => !isHost(name) && !name.startsWith(':') && isSound(name, ''))
        .sort(),
    },
    authority: hostOf(changes.set) ?? hostOf(changes.add) ?? '',
  }
}

export function istioHeaders(operations: IstioHeaderOperations | undefined, path: string, find: Find): ReadHeaders {
  if (operations === undefined) return { changes: NO_CHANGES, authority: '' }
  const values = (map: Readonly<Record<string, string>>): HeaderValue[] =>
    Object.entries(map).map(([name, value]) => ({ name, value }))
  return readHeaders(
    { set: values(operations.set), add: values(operations.add), remove: operations.remove },
    path,
    find,
  )
}

function sorted(values: readonly HeaderValue[]): readonly HeaderValue[] {
  return values
    .map(({ name, value }) => ({ name: lower(name), value }))
    .filter(({ name }) => !isHost(name) && !name.startsWith(':'))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

function isHost(name: string): boolean {
  return lower(name) === 'host' || lower(name) === ':authority'
}

function lower(name: string): string {
  return name.toLowerCase()
}
