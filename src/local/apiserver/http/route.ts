/** What a path asks for. */
export type Route =
  | { readonly kind: 'resource'; readonly at: ResourcePath }
  /** `/api`, `/apis`, a group, a group-version. */
  | {
      readonly kind: 'discovery'
      readonly group: string | undefined
      readonly version: string | undefined
      readonly path: string
    }
  | { readonly kind: 'openapi'; readonly path: string }
  | { readonly kind: 'other'; readonly path: string }

export interface ResourcePath {
  readonly group: string
  readonly version: string
  /** Plural. */
  readonly resource: string
  readonly namespace: string
  readonly name: string
  readonly subresource: string
}

/** Of the namespace itself, not of something in it. */
const NAMESPACE_SUBRESOURCES: ReadonlySet<string> = new Set(['status', 'finalize'])

/** @returns undefined when the path is no path (broken escapes) */
export function routeOf(pathname: string): Route | undefined {
  const segments = decodeSegments(pathname)
  if (segments === undefined) return undefined
  const path = `/${segments.join('/')}`
  const [root, ...rest] = segments
  if (root === 'openapi') return { kind: 'openapi', path }
  if (root === 'api') return apiRoute('', rest, path)
  if (root !== 'apis') return { kind: 'other', path }
  const [group, ...inGroup] = rest
  if (group === undefined) return { kind: 'discovery', group: undefined, version: undefined, path }
  return apiRoute(group, inGroup, path)
}

function apiRoute(group: string, [version, ...rest]: readonly string[], path: string): Route {
  if (version === undefined || rest.length === 0) return { kind: 'discovery', group, version, path }
  const isInNamespace =
    rest[0] === 'namespaces' && rest.length >= 3 && !(group === '' && NAMESPACE_SUBRESOURCES.has(rest[2] ?? ''))
  const namespace = isInNamespace ? (rest[1] ?? '') : ''
  const [resource = '', name = '', subresource = '', ...more] = isInNamespace ? rest.slice(2) : rest
  if (more.length > 0 && subresource !== 'proxy') return { kind: 'other', path }
  return { kind: 'resource', at: { group, version, resource, namespace, name, subresource } }
}

function decodeSegments(pathname: string): string[] | undefined {
  try {
    const segments = pathname.split('/').map(decodeURIComponent)
    return segments.filter((segment, i) => segment !== '' || (i > 0 && i < segments.length - 1))
  } catch {
    return undefined
  }
}
