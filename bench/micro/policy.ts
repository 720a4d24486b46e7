// node --conditions=source bench/micro/policy.ts
import type { Authorization, AuthorizationRule } from '#shared/model'
import { type CompiledPolicy, type ConnectionFacts, compilePolicy, decide, PolicySet } from '#shared/policy'
import { identity, match, policy, socket } from '../../test/support/mesh-builder.ts'
import { type Measured, measure, measureOnce, print } from './measure.ts'

/** Ten rules a policy, of the kinds that people write: identities, namespaces with ports, networks. */
function rulesOf(n: number): readonly AuthorizationRule[] {
  return Array.from({ length: 10 }, (_, r) => {
    if (r < 6)
      return [[match({ principals: [`cluster.local/ns/n${n}/sa/a${r}`] })], [match({ destinationPorts: [80, 8080] })]]
    if (r < 8) return [[match({ namespaces: [`n${n}-${r}`] })], [match({ destinationPorts: [8080] })]]
    return [[match({ serviceAccounts: [`n${n}/s${r}`], sourceIps: ['10.0.0.0/8'] })]]
  })
}

/** The same with prefixes only, which no index can file: every rule is asked. */
function prefixRules(n: number): readonly AuthorizationRule[] {
  return Array.from({ length: 10 }, (_, r) => [[match({ principals: [`cluster.local/ns/n${n}/sa/a${r}*`] })]])
}

function policies(count: number, rules: (n: number) => readonly AuthorizationRule[]): readonly Authorization[] {
  return Array.from({ length: count }, (_, n) => policy({ name: `p${n}`, action: 'Allow', rules: rules(n) }))
}

function compiled(list: readonly Authorization[]): readonly CompiledPolicy[] {
  return list.map((one) => compilePolicy(`${one.namespace}/${one.name}`, one))
}

function facts(account: string): ConnectionFacts {
  return { peer: identity(account), source: socket('10.1.2.3:40000'), destination: socket('10.0.2.1:8080') }
}

const lines: Measured[] = []
for (const count of [1, 100, 10_000]) {
  const sets = [new PolicySet(compiled(policies(count, rulesOf)))]
  const hit = facts(`n${count - 1}/a3`)
  const miss = facts('nobody/nobody')
  decide(sets, hit)
  lines.push(measure(`decide, ${count} policies × 10 rules, one matches`, () => decide(sets, hit)))
  lines.push(measure(`decide, ${count} policies × 10 rules, none matches`, () => decide(sets, miss)))
}

const unfiled = [new PolicySet(compiled(policies(10_000, prefixRules)))]
decide(unfiled, facts('nobody/nobody'))
lines.push(
  measure('decide, 10000 policies × 10 prefix rules, none matches', () => decide(unfiled, facts('nobody/nobody'))),
)

const many = policies(10_000, rulesOf)
lines.push(measureOnce('compile and file 10000 policies × 10 rules', () => new PolicySet(compiled(many))))
const set = new PolicySet(compiled(many))
const one = compiled(many.slice(5_000, 5_001))[0] as CompiledPolicy
lines.push(
  measure('replace one of 10000 policies, then decide', () => {
    set.put(one)
    return decide([set], facts('n5000/a3'))
  }),
)
print(lines)
