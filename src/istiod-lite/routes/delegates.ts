import { isDeepStrictEqual } from 'node:util'
import type { IstioHttpMatch, IstioHttpRoute, IstioStringMatch, VirtualService } from '#shared/k8s'

/**
 * The routes of a VirtualService to which another one delegates, as they stand in the other's place: what the child says
 * wins as a whole, except that both matches must hold (d.4 "delegate").
 */
export function delegatedRoutes(root: IstioHttpRoute, child: VirtualService): readonly IstioHttpRoute[] {
  return child.spec.http.flatMap((route): IstioHttpRoute[] => {
    // One level only.
    if (route.delegate !== undefined) return []
    const match = mergedMatches(root.match, route.match)
    if (match === undefined) return []
    return [
      {
        ...route,
        name: joined(root.name, route.name),
        match,
        rewrite: route.rewrite ?? root.rewrite,
        timeoutMs: route.timeoutMs ?? root.timeoutMs,
        retries: route.retries ?? root.retries,
        fault: route.fault ?? root.fault,
        mirrors: route.mirrors.length > 0 ? route.mirrors : root.mirrors,
        corsPolicy: route.corsPolicy ?? root.corsPolicy,
        headers: route.headers ?? root.headers,
      },
    ]
  })
}

/** Undefined when no pair of them can hold at once. */
function mergedMatches(
  roots: readonly IstioHttpMatch[],
  children: readonly IstioHttpMatch[],
): readonly IstioHttpMatch[] | undefined {
  if (roots.length === 0) return children
  if (children.length === 0) return roots
  const merged = roots.flatMap((root) => children.flatMap((child) => mergedMatch(root, child) ?? []))
  return merged.length === 0 ? undefined : merged
}

function mergedMatch(root: IstioHttpMatch, child: IstioHttpMatch): IstioHttpMatch | undefined {
  if (!areCompatible(root, child)) return undefined
  return {
    name: joined(root.name, child.name),
    uri: child.uri ?? root.uri,
    ignoreUriCase: child.ignoreUriCase || root.ignoreUriCase,
    scheme: child.scheme ?? root.scheme,
    method: child.method ?? root.method,
    authority: child.authority ?? root.authority,
    headers: mergedMaps(root.headers, child.headers),
    withoutHeaders: mergedMaps(root.withoutHeaders, child.withoutHeaders),
    queryParams: mergedMaps(root.queryParams, child.queryParams),
    port: child.port ?? root.port,
    gateways: child.gateways.length > 0 ? child.gateways : root.gateways,
    sourceLabels: { ...root.sourceLabels, ...child.sourceLabels },
    sourceNamespace: child.sourceNamespace || root.sourceNamespace,
  }
}

function areCompatible(root: IstioHttpMatch, child: IstioHttpMatch): boolean {
  const texts = (['uri', 'scheme', 'method', 'authority'] as const).every((field) =>
    isWithin(root[field], child[field]),
  )
  const maps = (['headers', 'withoutHeaders', 'queryParams'] as const).every((field) =>
    root[field].every(([name, match]) => isWithin(match, new Map(child[field]).get(name))),
  )
  const labels = Object.entries(root.sourceLabels).every(([key, value]) => (child.sourceLabels[key] ?? value) === value)
  const namespaces =
    root.sourceNamespace === '' || child.sourceNamespace === '' || root.sourceNamespace === child.sourceNamespace
  const ports = root.port === undefined || child.port === undefined || root.port === child.port
  const gateways = root.gateways.length === 0 || child.gateways.every((name) => root.gateways.includes(name))
  return texts && maps && labels && namespaces && ports && gateways
}

/** The child's match is the same, or a part of what the root's prefix covers. */
function isWithin(root: IstioStringMatch | undefined, child: IstioStringMatch | undefined): boolean {
  if (root === undefined || child === undefined || isDeepStrictEqual(root, child)) return true
  return (
    root.kind === 'prefix' && (child.kind === 'prefix' || child.kind === 'exact') && child.value.startsWith(root.value)
  )
}

type MatchMap = IstioHttpMatch['headers']

function mergedMaps(root: MatchMap, child: MatchMap): MatchMap {
  return [...new Map([...root, ...child])]
}

function joined(root: string, child: string): string {
  return root === '' || child === '' ? root || child : `${root}-${child}`
}
