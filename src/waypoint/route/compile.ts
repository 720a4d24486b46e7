import type { HttpMatch, HttpRule, PathMatch, Routes, WeightedBackend } from '#shared/l7'
import { type Conditions, compileConditions, Places } from './conditions.ts'
import { Expression } from './expression.ts'
import { octets } from './octets.ts'
import { ExactIndex, PrefixIndex, type Ranked } from './path-index.ts'
import { Shares } from './shares.ts'
import { type AskedNames, lowerAscii } from './subject.ts'
import type { RouteMatch } from './types.ts'

/** One match of one rule; `rank` is its place in the order of all. */
export interface Entry extends Ranked {
  readonly conditions: Conditions | undefined
  /** What its rule says, for each of its backends. */
  readonly outcomes: Shares<RouteMatch>
}

/** Entries by how their path is compared. */
export interface PathIndexes {
  readonly exact: ExactIndex<Entry>
  readonly segments: PrefixIndex<Entry>
  readonly prefix: PrefixIndex<Entry>
}

export interface ExpressionEntry extends Entry {
  readonly expression: Expression
}

/** The HTTP rules of a port, made ready. */
export interface CompiledRules {
  readonly asWritten: PathIndexes
  /** Of paths that are compared without case; undefined when there are none. */
  readonly inLowerCase: PathIndexes | undefined
  /** By their literal beginning. */
  readonly expressions: PrefixIndex<ExpressionEntry>
  /** For any path. */
  readonly anyPath: readonly Entry[]
  readonly asked: AskedNames
}

const compiled = new WeakMap<Routes, CompiledRules>()

/** Once for each record; a changed one is another. */
export function compiledRules(routes: Routes, rules: readonly HttpRule[]): CompiledRules {
  const known = compiled.get(routes)
  if (known !== undefined) return known
  const made = compileRules(rules)
  compiled.set(routes, made)
  return made
}

export function compileRules(rules: readonly HttpRule[]): CompiledRules {
  const asWritten = pathIndexes()
  const inLowerCase = pathIndexes()
  const expressions = new PrefixIndex<ExpressionEntry>('characters')
  const anyPath: Entry[] = []
  const places = { headers: new Places(), query: new Places() }
  let rank = 0
  const file = (entry: Entry, path: PathMatch | undefined, ignoresCase: boolean): void => {
    if (path === undefined) anyPath.push(entry)
    else if (path.kind === 'regex') {
      const expression = new Expression(path.value)
      expressions.add(expression.beginning, { ...entry, expression })
    } else if (ignoresCase) addPath(inLowerCase, path.kind, lowerAscii(octets(path.value)), entry)
    else addPath(asWritten, path.kind, octets(path.value), entry)
  }
  for (const rule of rules) {
    if (rule.matches.length === 0)
      file({ rank: rank++, conditions: undefined, outcomes: outcomesOf(rule) }, undefined, false)
    for (const match of rule.matches) {
      const conditions = compileConditions(match, places)
      file({ rank: rank++, conditions, outcomes: outcomesOf(rule, match) }, match.path, match.ignorePathCase)
    }
  }
  const ignoresCase = rules.some(({ matches }) => matches.some((match) => match.ignorePathCase))
  return {
    asWritten,
    inLowerCase: ignoresCase ? inLowerCase : undefined,
    expressions,
    anyPath,
    asked: { headerNames: [...places.headers.byName.keys()], query: places.query.byName },
  }
}

function pathIndexes(): PathIndexes {
  return { exact: new ExactIndex(), segments: new PrefixIndex('segments'), prefix: new PrefixIndex('characters') }
}

function addPath(indexes: PathIndexes, kind: Exclude<PathMatch['kind'], 'regex'>, value: string, entry: Entry): void {
  if (kind === 'segments') indexes.segments.add(withoutSlashAtEnd(value), entry)
  else indexes[kind].add(value, entry)
}

/** `/a/` holds for what `/a` holds for, and `/` for every path. */
function withoutSlashAtEnd(prefix: string): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
}

function outcomesOf(rule: HttpRule, match?: HttpMatch): Shares<RouteMatch> {
  const { action, retry, timeoutMs } = rule
  const name = [rule.name, match?.name ?? ''].filter((part) => part !== '').join('.')
  const outcome = (backend: WeightedBackend | undefined): RouteMatch => ({
    kind: 'match',
    rule,
    name,
    path: match?.path,
    forward: backend && action.kind === 'forward' ? { action, backend } : undefined,
    retry,
    timeoutMs,
  })
  if (action.kind !== 'forward') return new Shares([{ item: outcome(undefined), weight: 1 }])
  return new Shares(action.backends.map((backend) => ({ item: outcome(backend), weight: backend.weight })))
}
