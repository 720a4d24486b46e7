import type { RequestPolicyRule, RequestSource } from '#shared/l7'
import type { PeerFacts } from './request-facts.ts'
import type { RequestRule } from './request-rules.ts'
import { accountKey } from './subject.ts'
import { exactTexts } from './text-test.ts'

const PARTS = ['principal', 'account', 'namespace', 'path'] as const
type Part = (typeof PARTS)[number]

interface Key {
  readonly part: Part
  readonly value: string
}

/** A rule and its place among all of its kind. */
interface Entry<F> {
  readonly order: number
  readonly rule: RequestRule<F>
}

/**
 * Rules of one action, filed under what they need: an identity, an account, a namespace or else a path. A request meets
 * only those that could match it, and those that cannot be filed.
 */
export class RequestRuleIndex<F extends PeerFacts> {
  readonly #filed: Readonly<Record<Part, Map<string, Entry<F>[]>>> = {
    principal: new Map(),
    account: new Map(),
    namespace: new Map(),
    path: new Map(),
  }
  readonly #unfiled: Entry<F>[] = []
  readonly #pathOf: ((facts: F) => string) | undefined

  /**
   * @param rules in the order in which they are named: of several that match it is the first
   * @param pathOf undefined where there are no paths
   */
  constructor(rules: readonly RequestRule<F>[], pathOf: ((facts: F) => string) | undefined) {
    this.#pathOf = pathOf
    for (const [order, rule] of rules.entries()) {
      const entry = { order, rule }
      const keys = keysOf(rule.source, pathOf !== undefined)
      if (keys === undefined) this.#unfiled.push(entry)
      else for (const { part, value } of keys) this.#file(part, value, entry)
    }
  }

  /** The matching rule that comes first. */
  firstMatch(facts: F): RequestRule<F> | undefined {
    const { principal, account, namespace, path } = this.#filed
    let best = firstOf(this.#unfiled, facts, undefined)
    if (principal.size > 0) best = firstAt(principal, facts.principal, facts, best)
    if (account.size > 0) best = firstAt(account, facts.account, facts, best)
    if (namespace.size > 0) best = firstAt(namespace, facts.namespace, facts, best)
    if (path.size > 0) best = firstAt(path, this.#pathOf?.(facts), facts, best)
    return best?.rule
  }

  #file(part: Part, value: string, entry: Entry<F>): void {
    const there = this.#filed[part].get(value)
    if (there === undefined) this.#filed[part].set(value, [entry])
    else if (there.at(-1) !== entry) there.push(entry)
  }
}

function firstAt<F>(
  filed: ReadonlyMap<string, readonly Entry<F>[]>,
  value: string | undefined,
  facts: F,
  best: Entry<F> | undefined,
): Entry<F> | undefined {
  const entries = value === undefined ? undefined : filed.get(value)
  return entries === undefined ? best : firstOf(entries, facts, best)
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
function keysOf(rule: RequestPolicyRule, hasPaths: boolean): readonly Key[] | undefined {
  return (
    keysOfAll(rule.from, sourceKeys) ??
    rule.when.map(conditionKeys).find((keys) => keys !== undefined) ??
    (hasPaths ? keysOfAll(rule.to, ({ paths }) => textKeys('path', paths)) : undefined)
  )
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

function textKeys(part: Part, { any }: { readonly any: Parameters<typeof exactTexts>[0] }): readonly Key[] | undefined {
  const exact = exactTexts(any)
  if (any.length === 0 || exact.length < any.length) return undefined
  return exact.map((value) => ({ part, value }))
}

function accountKeys({ any }: RequestSource['serviceAccounts']): readonly Key[] | undefined {
  return any.length === 0 ? undefined : any.map((account) => ({ part: 'account', value: accountKey(account) }))
}
