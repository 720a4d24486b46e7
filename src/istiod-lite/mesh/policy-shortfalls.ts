import type { AuthorizationMatch } from '#shared/model'
import type { Shortfall } from './conditions.ts'

/** One element of `from`, `to` or `when`: what a tunnel can compare, and the attributes that it cannot see. */
export interface ConvertedMatch {
  readonly match: AuthorizationMatch
  /** As written. */
  readonly lost: readonly string[]
}

/** Clauses of one rule. */
export type ConvertedRule = readonly (readonly ConvertedMatch[])[]

export const DRY_RUN_UNSUPPORTED: Shortfall = {
  reason: 'DryRunUnsupported',
  message: 'Dry-run policies are not sent: AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY is off.',
}

/** Istio sends it under the scope of a selector, and no workload ever names it. */
export const SELECTOR_EMPTY: Shortfall = {
  reason: 'SelectorEmpty',
  message: 'An empty selector selects no workload; leave it out to mean the whole namespace.',
}

const USE_TARGETS = 'bind the policy to a waypoint with targetRefs'

export function actionUnsupported(action: string): Shortfall {
  return { reason: 'ActionUnsupported', message: `ztunnel knows no ${action}: nothing is enforced; ${USE_TARGETS}.` }
}

export function lostOf(rule: ConvertedRule): readonly string[] {
  return rule.flatMap((clause) => clause.flatMap(({ lost }) => lost))
}

/** A match that says nothing never matches. */
export function saysSomething(match: AuthorizationMatch): boolean {
  return Object.values(match).some((list: readonly unknown[]) => list.length > 0)
}

/** A rule that asks for what a tunnel cannot see is left out as a whole. */
export function allowShortfalls(rules: readonly ConvertedRule[]): readonly Shortfall[] {
  const left = numbered(rules, (rule) => lostOf(rule).length > 0)
  if (left === undefined) return []
  const message = `ztunnel cannot see ${left.lost}: nothing is allowed by ${left.title}; ${USE_TARGETS}.`
  return [{ reason: 'AllowRulesLeftOut', message }]
}

/** Without what a tunnel cannot see a rule denies more, or a part of it, or all, never matches. */
export function denyShortfalls(rules: readonly ConvertedRule[]): readonly Shortfall[] {
  const wider = numbered(rules, (rule) => canMatch(rule) && has(rule, (each) => saysSomething(each.match)))
  const partly = numbered(rules, (rule) => canMatch(rule) && has(rule, (each) => !saysSomething(each.match)))
  const never = numbered(rules, (rule) => !canMatch(rule))
  const isAll = never !== undefined && rules.every((rule) => !canMatch(rule))
  const shortfalls: Shortfall[] = []
  if (never !== undefined)
    shortfalls.push({
      reason: isAll ? 'NeverMatches' : 'RulesNeverMatch',
      message: `ztunnel cannot see ${never.lost}: nothing is denied by ${never.title}; ${USE_TARGETS}.`,
    })
  if (partly !== undefined)
    shortfalls.push({
      reason: 'RulesNeverMatch',
      message: `ztunnel cannot see ${partly.lost}: nothing is denied by entries of ${partly.title} that have only these; ${USE_TARGETS}.`,
    })
  if (wider !== undefined)
    shortfalls.push({
      reason: 'DeniesMore',
      message: `ztunnel cannot see ${wider.lost}: more is denied by ${wider.title} than it says; ${USE_TARGETS}.`,
    })
  return shortfalls
}

/** Every clause has something that can match. A rule without clauses matches everything. */
function canMatch(rule: ConvertedRule): boolean {
  return rule.every((clause) => clause.some(({ match }) => saysSomething(match)))
}

function has(rule: ConvertedRule, isSo: (each: ConvertedMatch) => boolean): boolean {
  return rule.some((clause) => clause.some((each) => each.lost.length > 0 && isSo(each)))
}

/** Names of attributes told in one message; there may be as many as rules, and some are made of users' own words. */
const MAX_NAMES = 5
const MAX_NAME = 40

/** Rules by their number, from 0 as in the log of a tunnel; undefined when there are none. */
function numbered(
  rules: readonly ConvertedRule[],
  isSo: (rule: ConvertedRule) => boolean,
): { readonly title: string; readonly lost: string } | undefined {
  const numbers = rules.flatMap((rule, i) => (isSo(rule) ? [i] : []))
  if (numbers.length === 0) return undefined
  const lost = [...new Set(numbers.flatMap((i) => lostOf(rules[i] ?? [])))]
    .sort()
    .map((name) => name.slice(0, MAX_NAME))
  const title = numbers.length === 1 ? `rule ${numbers[0]}` : `rules ${listed(numbers.map(String))}`
  return { title, lost: listed(lost) }
}

function listed(all: readonly string[]): string {
  const more = all.length - MAX_NAMES
  return more > 0 ? `${all.slice(0, MAX_NAMES).join(', ')} and ${more} more` : all.join(', ')
}
