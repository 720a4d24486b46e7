import type { LocalReply } from '../codec/index.ts'
import type { CompiledRules, Entry, ExpressionEntry, PathIndexes } from './compile.ts'
import { conditionsHold } from './conditions.ts'
import type { Subject } from './subject.ts'
import { expressionHolds } from './text-matcher.ts'
import type { MatchOutcome } from './types.ts'

/** Rules, but none for this request. */
export const NO_ROUTE: LocalReply = {
  kind: 'reply',
  status: 404,
  body: '',
  fields: [],
  grpcStatus: undefined,
  flag: 'NR',
  details: 'route_not_found',
  cause: undefined,
}

/** An expression would have to read more than it may: nobody can say which rule is meant. */
export const TOO_LONG_TO_MATCH: LocalReply = {
  ...NO_ROUTE,
  status: 431,
  flag: 'DPE',
  details: 'text_too_long_for_expression',
}

/**
 * The first rule that matches. Each index gives its own first; expressions are only read as long as they come before the
 * best of the others.
 */
export function matchHttp(rules: CompiledRules, subject: Subject, random: () => number): MatchOutcome {
  let best = firstByPath(rules.asWritten, subject.path, subject, undefined)
  if (rules.inLowerCase !== undefined) best = firstByPath(rules.inLowerCase, subject.pathInLowerCase, subject, best)
  best = firstOf(rules.anyPath, subject, best)
  best = firstByExpression(rules.expressions, subject, best)
  if (subject.isOverlong) return TOO_LONG_TO_MATCH
  return best === undefined ? NO_ROUTE : best.outcomes.choose(random)
}

function firstByPath(indexes: PathIndexes, path: string, subject: Subject, best: Entry | undefined): Entry | undefined {
  const exact = firstOf(indexes.exact.get(path), subject, best)
  const segments = firstByPrefix(indexes.segments, path, subject, exact)
  return firstByPrefix(indexes.prefix, path, subject, segments)
}

function firstByPrefix(
  index: PathIndexes['prefix'],
  path: string,
  subject: Subject,
  best: Entry | undefined,
): Entry | undefined {
  let found = best
  for (const length of index.lengths) {
    const entries = index.get(path, length)
    if (entries !== undefined) found = firstOf(entries, subject, found)
  }
  return found
}

/** The better of `best` and the first of a list, which is in its order. */
function firstOf(entries: readonly Entry[], subject: Subject, best: Entry | undefined): Entry | undefined {
  for (const entry of entries) {
    if (best !== undefined && entry.rank > best.rank) return best
    if (conditionsHold(entry.conditions, subject)) return entry
  }
  return best
}

function firstByExpression(
  index: CompiledRules['expressions'],
  subject: Subject,
  best: Entry | undefined,
): Entry | undefined {
  let found = best
  for (const length of index.lengths) {
    const entries = index.get(subject.path, length)
    if (entries !== undefined) found = firstExpression(entries, subject, found)
  }
  return found
}

function firstExpression(
  entries: readonly ExpressionEntry[],
  subject: Subject,
  best: Entry | undefined,
): Entry | undefined {
  for (const entry of entries) {
    if (best !== undefined && entry.rank > best.rank) return best
    // The other conditions are cheaper than reading, but not than looking for the literal parts.
    const matches =
      entry.expression.mayMatch(subject.path) &&
      conditionsHold(entry.conditions, subject) &&
      expressionHolds(entry.expression, subject.path, subject)
    if (matches) return entry
  }
  return best
}
