import type { IstioHttpMatch, IstioStringMatch } from '#shared/k8s'
import type { ClaimMatch, HttpMatch, NamedMatch, PathMatch, SourceMatch, TextMatch } from '#shared/l7'
import type { Find } from './findings.ts'
import { istioMatch } from './patterns.ts'

/** The one gateway that stands for everything inside of the mesh, waypoints among it. */
export const MESH = 'mesh'

/** A header of this name is a claim of a verified token (d.2 "routing"). */
const CLAIM = /^@request\.auth\.claims(?:\.(?<dotted>[^[\]]+)|(?<bracketed>(?:\[[^[\]]+\])+))$/i

/** Whether a match is for waypoints, and for that port. */
export function concerns(
  match: { readonly gateways: readonly string[]; readonly port: number | undefined },
  port: number,
): boolean {
  return (match.gateways.length === 0 || match.gateways.includes(MESH)) && (match.port ?? port) === port
}

/** Undefined when it can never match, since something in it is no expression. */
export function istioHttpMatch(match: IstioHttpMatch, path: string, find: Find): HttpMatch | undefined {
  let isSound = true
  const read = (wanted: IstioStringMatch | undefined, field: string): TextMatch | undefined => {
    if (wanted === undefined) return undefined
    const found = istioMatch(wanted, `${path}.${field}`, find)
    isSound &&= found !== undefined
    return found
  }
  const named = (matches: IstioHttpMatch['headers'], field: string): readonly NamedMatch[] =>
    matches.flatMap(([name, wanted]) => {
      const found = read(wanted, `${field}.${name}`)
      return found === undefined ? [] : [{ name: field === 'queryParams' ? name : name.toLowerCase(), match: found }]
    })
  const uri = read(match.uri, 'uri')
  const isClaim = ([name]: readonly [string, unknown]): boolean => name.startsWith('@')
  const claims = match.headers.filter(isClaim).flatMap(([name, wanted]): ClaimMatch[] => {
    const claim = claimPath(name)
    const found = read(wanted, `headers.${name}`)
    if (claim === undefined)
      find({ path: `${path}.headers.${name}`, reason: 'UnsupportedValue', message: 'is no claim of a token' })
    isSound &&= claim !== undefined
    return claim === undefined || found === undefined ? [] : [{ path: claim, match: found }]
  })
  for (const [name] of match.withoutHeaders.filter(isClaim)) {
    find({
      path: `${path}.withoutHeaders.${name}`,
      reason: 'UnsupportedValue',
      message: 'claims can only be asked for',
    })
    isSound = false
  }
  const result: HttpMatch = {
    name: match.name,
    path: uri === undefined || uri.kind === 'presence' || uri.kind === 'suffix' ? undefined : pathOf(uri),
    ignorePathCase: match.ignoreUriCase,
    scheme: read(match.scheme, 'scheme'),
    method: read(match.method, 'method'),
    authority: read(match.authority, 'authority'),
    headers: named(
      match.headers.filter((header) => !isClaim(header)),
      'headers',
    ),
    withoutHeaders: named(
      match.withoutHeaders.filter((header) => !isClaim(header)),
      'withoutHeaders',
    ),
    query: named(match.queryParams, 'queryParams'),
    claims,
    source: istioSource(match),
  }
  return isSound ? result : undefined
}

function pathOf({
  kind,
  value,
}: {
  readonly kind: PathMatch['kind'] | 'suffix'
  readonly value: string
}): PathMatch | undefined {
  return kind === 'suffix' ? undefined : { kind, value }
}

function claimPath(header: string): readonly string[] | undefined {
  const { dotted, bracketed } = CLAIM.exec(header)?.groups ?? {}
  if (dotted !== undefined) return dotted.split('.')
  return bracketed?.slice(1, -1).split('][')
}

/**
 * Who asks; a match that names gateways says nothing of it (d.4 "match"). Istio's waypoints drop labels and compare the
 * namespace with their own, which would let a rule hold for everybody; ours look at who the peer has proved to be.
 */
export function istioSource(match: {
  readonly gateways: readonly string[]
  readonly sourceLabels: Readonly<Record<string, string>>
  readonly sourceNamespace: string
}): SourceMatch | undefined {
  const { gateways, sourceLabels: labels, sourceNamespace: namespace } = match
  if (gateways.length > 0 || (namespace === '' && Object.keys(labels).length === 0)) return undefined
  return { namespace, labels }
}

/** Whether nothing else gets past a match. */
export function isCatchAll(match: HttpMatch): boolean {
  const { path, scheme, method, authority, source } = match
  const isAnyPath =
    path === undefined ||
    (path.kind === 'prefix' && (path.value === '/' || path.value === '')) ||
    (path.kind === 'regex' && path.value === '.*')
  const lists = [match.headers, match.withoutHeaders, match.query, match.claims]
  return (
    isAnyPath &&
    [scheme, method, authority, source].every((part) => part === undefined) &&
    lists.every((one) => one.length === 0)
  )
}
