import type { RequestPolicy, RequestPolicyRule } from '#shared/l7'
import type { PeerFacts, RequestFacts } from './request-facts.ts'
import { conditionTests, operationTests, type Reading, sourceTests, type Test, type Tests } from './request-tests.ts'

/** Which rule it was: what logs and answers name. */
export interface RuleName {
  readonly namespace: string
  readonly name: string
  /** 0-based, among the policy's rules. */
  readonly rule: number
}

/** A rule ready to be asked. */
export interface RequestRule<F> {
  readonly name: RuleName
  readonly source: RequestPolicyRule
  readonly holds: Test<F>
}

/** The rules of one policy for requests, and what is left of them for connections whose bytes nobody reads. */
export interface PolicyRules {
  readonly requests: readonly RequestRule<RequestFacts>[]
  readonly connections: readonly RequestRule<PeerFacts>[]
}

const compiled = new WeakMap<RequestPolicy, PolicyRules>()

/** Once for each record, however many services it is for. */
export function policyRules(policy: RequestPolicy): PolicyRules {
  const known = compiled.get(policy)
  if (known !== undefined) return known
  const reading = policy.action === 'allow' ? 'certain' : 'possible'
  const made = policy.rules.map((source, rule) => {
    const { namespace, name } = policy
    return { name: { namespace, name, rule }, source, parts: partsOf(source, reading) }
  })
  const rules: PolicyRules = {
    requests: made.map(({ name, source, parts }) => ({ name, source, holds: ofRequests(parts) })),
    connections: made.flatMap(({ name, source, parts }) => {
      // A rule that allows says of requests what no connection can prove; one that denies is then for all of them.
      if (policy.action === 'allow' && parts.some(asksRequests)) return []
      return [{ name, source, holds: ofConnections(parts) }]
    }),
  }
  compiled.set(policy, rules)
  return rules
}

/** Alternatives; no alternative at all holds. */
type Part = readonly Tests[]

function partsOf(rule: RequestPolicyRule, reading: Reading): readonly Part[] {
  return [
    rule.from.map((source) => sourceTests(source, reading)),
    rule.to.map((operation) => operationTests(operation, reading)),
    ...rule.when.map((condition) => [conditionTests(condition, reading)]),
  ]
}

function asksRequests(part: Part): boolean {
  return part.some(({ http }) => http.length > 0)
}

function ofRequests(parts: readonly Part[]): Test<RequestFacts> {
  return allOf(parts.map((part) => oneOf(part.map(({ peer, http }) => allOf<RequestFacts>([...peer, ...http])))))
}

function ofConnections(parts: readonly Part[]): Test<PeerFacts> {
  return allOf(parts.map((part) => oneOf(part.map(({ peer }) => allOf(peer)))))
}

function always(): boolean {
  return true
}

function allOf<F>(tests: readonly Test<F>[]): Test<F> {
  const asked = tests.filter((test) => test !== always)
  const [only] = asked
  if (only === undefined) return always
  if (asked.length === 1) return only
  return (facts) => {
    for (const test of asked) if (!test(facts)) return false
    return true
  }
}

function oneOf<F>(tests: readonly Test<F>[]): Test<F> {
  const [only] = tests
  if (only === undefined || tests.includes(always)) return always
  if (tests.length === 1) return only
  return (facts) => {
    for (const test of tests) if (test(facts)) return true
    return false
  }
}
