import type { RequestOperation, RequestPolicyRule, RequestSource } from '#shared/l7'
import type { PeerFacts } from './request-facts.ts'
import type { RequestRule } from './request-rules.ts'
import { accountKey } from './subject.ts'
import { exactTexts } from './text-test.ts'

/** What rules are filed under; `path-start` by the length of the beginning, too. */
type Part = 'principal' | 'account' | 'namespace' | 'path' | 'path-start'

interface Key {
  readonly part: Part
  readonly value: string
}

/** A rule and its place among all of its kind. */
interface Entry<F> {
  readonly order: number
  readonly rule: RequestRule<F>
}

type Filed<F extends PeerFacts> = ReadonlyMap<string, readonly Entry<F>[] | RequestRuleIndex<F>>

/** So many rules under one fact are asked in turn; more are filed by their other facts. */
const MAX_IN_TURN = 16

/**
 * Rules of one action, filed under what they need: an identity, an account, a namespace or a path. A request meets only
 * those that could match it, and those that cannot be filed (bench/micro/request-policy.ts).
 */
export class RequestRuleIndex<F extends PeerFacts> {
  readonly #principals: Filed<F>
  readonly #accounts: Filed<F>
  readonly #namespaces: Filed<F>
  readonly #paths: Filed<F>
  readonly #pathStarts: Filed<F>
  /** Lengths of beginnings in use: a path is looked up once for each. */
  readonly #startLengths: readonly number[]
  readonly #unfiled: readonly Entry<F>[]
  readonly #pathOf: ((facts: F) => string) | undefined

  /**
   * @param pathOf undefined where there are no paths
   * @param used parts by which all of the rules are filed already
   */
  private constructor(
    entries: readonly Entry<F>[],
    pathOf: ((facts: F) => string) | undefined,
    used: ReadonlySet<Part>,
  ) {
    const keyed = entries.map((entry) => ({ entry, keys: keysOf(entry.rule.source, pathOf !== undefined, used) }))
    const filed = (part: Part): Filed<F> => {
      const found = new Map<string, Entry<F>[]>()
      for (const { entry, keys = [] } of keyed) {
        for (const key of keys) if (key.part === part) put(found, key.value, entry)
      }
      const inside = new Set([...used, part])
      return new Map(
        [...found].map(([value, all]) => [
          value,
          all.length > MAX_IN_TURN ? new RequestRuleIndex(all, pathOf, inside) : all,
        ]),
      )
    }
    this.#principals = filed('principal')
    this.#accounts = filed('account')
    this.#namespaces = filed('namespace')
    this.#paths = filed('path')
    this.#pathStarts = filed('path-start')
    this.#startLengths = [...new Set([...this.#pathStarts.keys()].map((start) => start.length))]
    this.#unfiled = keyed.flatMap(({ entry, keys }) => (keys === undefined ? [entry] : []))
    this.#pathOf = pathOf
  }

  /** @param rules in the order in which they are named: of several that match it is the first */
  static of<F extends PeerFacts>(
    rules: readonly RequestRule<F>[],
    pathOf: ((facts: F) => string) | undefined,
  ): RequestRuleIndex<F> {
    const entries = rules.map((rule, order) => ({ order, rule }))
    return new RequestRuleIndex(entries, pathOf, new Set())
  }

  /** The matching rule that comes first. */
  firstMatch(facts: F): RequestRule<F> | undefined {
    return this.#first(facts, undefined)?.rule
  }

  #first(facts: F, before: Entry<F> | undefined): Entry<F> | undefined {
    let best = firstOf(this.#unfiled, facts, before)
    if (this.#principals.size > 0) best = this.#at(this.#principals, facts.principal, facts, best)
    if (this.#accounts.size > 0) best = this.#at(this.#accounts, facts.account, facts, best)
    if (this.#namespaces.size > 0) best = this.#at(this.#namespaces, facts.namespace, facts, best)
    if (this.#pathOf === undefined || this.#paths.size + this.#pathStarts.size === 0) return best
    const path = this.#pathOf(facts)
    best = this.#at(this.#paths, path, facts, best)
    for (const length of this.#startLengths) {
      if (length <= path.length) best = this.#at(this.#pathStarts, path.slice(0, length), facts, best)
    }
    return best
  }

  #at(filed: Filed<F>, value: string | undefined, facts: F, best: Entry<F> | undefined): Entry<F> | undefined {
    const found = value === undefined ? undefined : filed.get(value)
    if (found === undefined) return best
    return found instanceof RequestRuleIndex ? found.#first(facts, best) : firstOf(found, facts, best)
  }
}

/** In the order in which they come, each once. */
function put<F>(filed: Map<string, Entry<F>[]>, value: string, entry: Entry<F>): void {
  const there = filed.get(value)
  if (there === undefined) filed.set(value, [entry])
  else if (there.at(-1) !== entry) there.push(entry)
}

function firstOf<F>(entries: readonly Entry<F>[], facts: F, best: Entry<F> | undefined): Entry<F> | undefined {
  const end = best?.order ?? Number.POSITIVE_INFINITY
  for (const entry of entries) {
    if (entry.order >= end) return best
    if (entry.rule.holds(facts)) return entry
  }
  return best
}

/** Facts of which a request must have one for the rule to match; undefined when none can be named. */
function keysOf(rule: RequestPolicyRule, hasPaths: boolean, used: ReadonlySet<Part>): readonly Key[] | undefined {
  const ways = [
    keysOfAll(rule.from, sourceKeys),
    ...rule.when.map(conditionKeys),
    hasPaths ? keysOfAll(rule.to, pathKeys) : undefined,
  ]
  return ways.find((keys) => keys?.every(({ part }) => !used.has(part)))
}

/** Of every alternative, or of none. */
function keysOfAll<T>(
  alternatives: readonly T[],
  keysOfOne: (one: T) => readonly Key[] | undefined,
): readonly Key[] | undefined {
  const keys = alternatives.map(keysOfOne)
  return keys.length === 0 || keys.includes(undefined) ? undefined : keys.flatMap((each) => each ?? [])
}

function sourceKeys(source: RequestSource): readonly Key[] | undefined {
  return (
    textKeys('principal', source.principals) ??
    accountKeys(source.serviceAccounts) ??
    textKeys('namespace', source.namespaces)
  )
}

function conditionKeys(condition: RequestPolicyRule['when'][number]): readonly Key[] | undefined {
  switch (condition.kind) {
    case 'principal':
    case 'namespace':
      return textKeys(condition.kind, condition)
    case 'service-account':
      return accountKeys(condition)
    default:
      return undefined
  }
}

function pathKeys({ paths: { any } }: RequestOperation): readonly Key[] | undefined {
  const keys = any.flatMap((match): readonly Key[] => {
    if (match.kind === 'exact') return [{ part: 'path', value: match.value }]
    return match.kind === 'prefix' ? [{ part: 'path-start', value: match.value }] : []
  })
  return any.length === 0 || keys.length < any.length ? undefined : keys
}

function textKeys(part: Part, { any }: { readonly any: Parameters<typeof exactTexts>[0] }): readonly Key[] | undefined {
  const exact = exactTexts(any)
  if (any.length === 0 || exact.length < any.length) return undefined
  return exact.map((value) => ({ part, value }))
}

function accountKeys({ any }: RequestSource['serviceAccounts']): readonly Key[] | undefined {
  return any.length === 0 ? undefined : any.map((account) => ({ part: 'account', value: accountKey(account) }))
}
