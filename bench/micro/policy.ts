// node --expose-gc --conditions=source bench/micro/policy.ts
import type { Authorization, AuthorizationRule } from '#shared/model'
import { type ConnectionFacts, compilePolicy, decide, PolicySet } from '#shared/policy'
import { identity, match, policy, socket } from '../../test/support/mesh-builder.ts'
import { distribution, printDistribution } from './measure.ts'

const POLICIES = 10_000
const RULES = 10
const MIB = 1024 * 1024

type RuleOf = (policy: number, rule: number) => AuthorizationRule

/** What people write: identities, namespaces with ports, accounts from a network. */
const mixed: RuleOf = (n, r) => {
  if (r < 6)
    return [[match({ principals: [`cluster.local/ns/n${n}/sa/a${r}`] })], [match({ destinationPorts: [80, 8080] })]]
  if (r < 8) return [[match({ namespaces: [`n${n}-${r}`] })], [match({ destinationPorts: [8080] })]]
  return [[match({ serviceAccounts: [`n${n}/s${r}`], sourceIps: ['10.0.0.0/8'] })]]
}

/** `10.<a>.<b>.0/24` and the like, another one for each rule. */
function network(n: number, r: number): string {
  const at = n * RULES + r
  return `${20 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}.0/24`
}

/** Shapes of rules, and whether all of them can be filed. */
const SHAPES: Readonly<Record<string, RuleOf>> = {
  'as people write them': mixed,
  'identities that begin with': (n, r) => [[match({ principals: [`cluster.local/ns/n${n}/sa/a${r}*`] })]],
  'identities of one namespace that begin with': (n, r) => [
    [match({ principals: [`cluster.local/ns/shop/sa/${n}-${r}-*`] })],
  ],
  'identities that end with': (n, r) => [[match({ principals: [`*/sa/a${n}-${r}`] })]],
  'namespaces that begin with': (n, r) => [[match({ namespaces: [`team${n}-${r}-*`] })]],
  'networks of sources': (n, r) => [[match({ sourceIps: [network(n, r)] })]],
  'whoever has no identity': () => [[match({ notPrincipals: ['*'] })]],
  'one identity, another port each': (n, r) => [
    [match({ principals: ['cluster.local/ns/shop/sa/alice'] })],
    [match({ destinationPorts: [((n * RULES + r) % 8000) + 10_000] })],
  ],
  'one port, another namespace each': (n, r) => [[match({ destinationPorts: [8080], namespaces: [`n${n}-${r}`] })]],
  'a port, and all but some': (n, r) => [
    [match({ destinationPorts: [8080], notPrincipals: ['*/sa/alice', `x${n}${r}`] })],
  ],
  'exclusions only': (n, r) => [[match({ notPrincipals: ['*/sa/alice', `x${n}-${r}`] })]],
}

const alice: ConnectionFacts = {
  peer: identity('shop/alice'),
  source: socket('10.1.2.3:40000'),
  destination: socket('10.0.2.1:8080'),
}

function policies(ruleOf: RuleOf): readonly Authorization[] {
  return Array.from({ length: POLICIES }, (_, n) =>
    policy({ name: `p${n}`, action: 'Deny', rules: Array.from({ length: RULES }, (_, r) => ruleOf(n, r)) }),
  )
}

function heapBytes(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

process.stdout.write(`${POLICIES} DENY policies × ${RULES} rules; none matches, so that every candidate is asked\n`)
for (const [name, ruleOf] of Object.entries(SHAPES)) {
  const list = policies(ruleOf)
  const before = heapBytes()
  const startMs = performance.now()
  const set = new PolicySet(list.map((one) => compilePolicy(`${one.namespace}/${one.name}`, one)))
  const filedMs = performance.now() - startMs
  const mib = (heapBytes() - before) / MIB
  const runs = ruleOf === SHAPES['exclusions only'] || ruleOf === SHAPES['a port, and all but some'] ? 500 : 50_000
  printDistribution(distribution(name, () => decide([set], alice), runs))
  const changes = distribution(
    '  one policy replaced, then asked',
    (i) => {
      const one = list[(i * 7919) % POLICIES] as Authorization // the list is that long
      set.put(compilePolicy(`${one.namespace}/${one.name}`, one))
      return decide([set], alice)
    },
    Math.min(runs, 2_000),
  )
  printDistribution(changes)
  process.stdout.write(
    `  all filed in ${filedMs.toFixed(0)} ms, ${mib.toFixed(1)} MiB beside the policies themselves\n`,
  )
}
const few = new PolicySet([compilePolicy('default/one', policy({ name: 'one', rules: [mixed(1, 1), mixed(1, 9)] }))])
printDistribution(distribution('1 policy × 2 rules', () => decide([few], alice)))
