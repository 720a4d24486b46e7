// node --conditions=source bench/micro/request-policy.ts
import type { RequestPolicyRule } from '#shared/l7'
import { decideRequest, requestPolicySet } from '#shared/policy'
import { anyOf, operation, requestFacts, requestPolicy, rule, source } from '../../test/support/request-policies.ts'
import { measure, measureOnce, print } from './measure.ts'

const POLICIES = 1_000

/** Shapes of rules; the first three can be filed. */
const SHAPES: Readonly<Record<string, (n: number) => RequestPolicyRule>> = {
  'an identity each, with methods and paths': (n) =>
    rule({
      from: [source({ principals: [`cluster.local/ns/n${n}/sa/a`] })],
      to: [operation({ methods: ['GET'], paths: [`/p${n}/*`] })],
    }),
  'one identity, another path each': (n) =>
    rule({
      from: [source({ principals: ['cluster.local/ns/shop/sa/alice'] })],
      to: [operation({ paths: [`/p${n}`] })],
    }),
  'a path each': (n) => rule({ to: [operation({ paths: [`/p${n}`] })] }),
  'the beginning of a path each': (n) => rule({ to: [operation({ paths: [`/p${n}/*`] })] }),
  'a header each': (n) =>
    rule({
      when: [{ kind: 'header', name: 'x-tenant', ...anyOf([`t${n}`], (value) => ({ kind: 'exact', value }) as const) }],
    }),
}

const facts = requestFacts({ headers: { 'x-tenant': ['none'] } })
process.stdout.write(`${POLICIES} DENY policies of one rule; none matches, so that every candidate is asked\n`)
for (const [name, ruleOf] of Object.entries(SHAPES)) {
  const list = Array.from({ length: POLICIES }, (_, n) =>
    requestPolicy({ name: `p${n}`, action: 'deny', rules: [ruleOf(n)] }),
  )
  const compiled = measureOnce(`${name}: compiled`, () => requestPolicySet(list))
  const { requests } = requestPolicySet(list)
  print([measure(name, () => decideRequest(requests, facts)), compiled])
}
