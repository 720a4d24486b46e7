import { objectName, type ServedResource } from '../cluster/index.ts'
import { table } from '../print/index.ts'
import type { Session } from './session.ts'

export interface ApiResourcesFlags {
  readonly output?: 'name' | 'wide'
  readonly apiGroup?: string
  readonly namespaced?: 'true' | 'false'
}

export async function apiResources(session: Session, flags: ApiResourcesFlags): Promise<void> {
  const { apiGroup, namespaced, output } = flags
  const shown = preferred(await session.resources())
    .filter(({ group }) => apiGroup === undefined || group === apiGroup)
    .filter((each) => namespaced === undefined || String(each.namespaced) === namespaced)
    .filter(({ verbs }) => verbs.includes('list'))
  if (output === 'name') {
    for (const { resource, group } of shown) session.say(group === '' ? resource : `${resource}.${group}`)
    return
  }
  const isWide = output === 'wide'
  const rows = shown.map((each) => [
    each.resource,
    each.shortNames.join(','),
    each.apiVersion,
    String(each.namespaced),
    each.kind,
    ...(isWide ? [each.verbs.join(','), each.categories.join(',')] : []),
  ])
  const head = ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND', ...(isWide ? ['VERBS', 'CATEGORIES'] : [])]
  session.terminal.stdout.write(table(head, rows))
}

/** Each kind once, in the version that comes first. */
function preferred(all: readonly ServedResource[]): readonly ServedResource[] {
  const seen = new Set<string>()
  return all.filter((each) => {
    const name = objectName(each, each.resource)
    if (seen.has(name)) return false
    seen.add(name)
    return true
  })
}
