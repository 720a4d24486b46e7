import { describe, expect, it } from 'vitest'
import type { Workload } from '#shared/model'
import { type IpAddress, ipToBytes } from '#shared/net'
import type { ConnectionFacts } from '#shared/policy'
import { Metrics } from '#shared/telemetry'
import { authorizationType } from '#shared/xds'
import { Authorizer, Verdicts } from '../../../src/ztunnel/authz/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { identity, ip, meshOf, socket, workload } from '../../support/mesh-builder.ts'
import { field, message } from '../../support/protobuf-bytes.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

// One test for each row of hbone-and-ztunnel f, from the bytes that a control plane sends to the verdict.

/** Field numbers of `istio.security.Match` (wire-tables). */
const KINDS = {
  namespaces: 1,
  notNamespaces: 2,
  principals: 3,
  notPrincipals: 4,
  sourceIps: 5,
  notSourceIps: 6,
  destinationIps: 7,
  notDestinationIps: 8,
  destinationPorts: 9,
  notDestinationPorts: 10,
  serviceAccounts: 11,
  notServiceAccounts: 12,
} as const

type Match = Uint8Array
type Clause = readonly Match[]
type Rule = readonly Clause[]

interface WirePolicy {
  /** The resource's name on the wire. */
  readonly key: string
  readonly bytes: Uint8Array
}

const exact = (text: string): Uint8Array => field(1, text)
const prefix = (text: string): Uint8Array => field(2, text)
const suffix = (text: string): Uint8Array => field(3, text)
const presence = field(4, new Uint8Array())
const unset = new Uint8Array()
const network = (address: string | Uint8Array, bits: number): Uint8Array =>
  message(field(1, typeof address === 'string' ? ipToBytes(ip(address) as IpAddress) : address), field(2, bits))
const account = (namespace: string, name: string): Uint8Array => message(field(1, namespace), field(2, name))

function match(kinds: Partial<Record<keyof typeof KINDS, readonly (Uint8Array | number)[]>>): Match {
  const names = Object.keys(kinds) as (keyof typeof KINDS)[] // the keys of the record's own type
  return message(...names.flatMap((name) => (kinds[name] ?? []).map((value) => field(KINDS[name], value))))
}

interface PolicyInput {
  readonly rules: readonly Rule[]
  readonly scope?: 'global' | 'namespace' | 'selector'
  readonly dryRun?: boolean
}

function wire(
  key: string,
  action: 'allow' | 'deny',
  { rules, scope = 'namespace', dryRun = false }: PolicyInput,
): WirePolicy {
  const [namespace = '', name = ''] = key.split('/')
  const bytes = message(
    field(1, name),
    field(2, namespace),
    field(3, ['global', 'namespace', 'selector'].indexOf(scope)),
    field(4, action === 'deny' ? 1 : 0),
    ...rules.map((rule) =>
      field(5, message(...rule.map((clause) => field(1, message(...clause.map((one) => field(2, one))))))),
    ),
    field(6, dryRun),
  )
  return { key, bytes }
}

const deny = (rules: readonly Rule[], more: Partial<PolicyInput> = {}, key = 'shop/d'): WirePolicy =>
  wire(key, 'deny', { rules, ...more })
const allow = (rules: readonly Rule[], more: Partial<PolicyInput> = {}, key = 'shop/a'): WirePolicy =>
  wire(key, 'allow', { rules, ...more })

const anyone: Rule = []
const nobody: Rule = [[match({})]]
const server = workload({ name: 'web', namespace: 'shop', addresses: ['10.0.2.9'] })
const named = (...authorizationPolicies: readonly string[]): Workload => ({ ...server, authorizationPolicies })

const alice: ConnectionFacts = {
  peer: identity('shop/alice'),
  source: socket('10.0.1.7:40000'),
  destination: socket('10.0.2.9:8080'),
}
const plaintext: ConnectionFacts = { ...alice, peer: undefined }
const ALICE = 'cluster.local/ns/shop/sa/alice'

/** What an authoriser says that was sent these. */
function verdict(
  policies: readonly WirePolicy[],
  facts: ConnectionFacts,
  to: Workload = server,
  unknownPolicy: 'open' | 'closed' = 'open',
): string {
  const mesh = meshOf([to])
  const changed = policies.map(({ key, bytes }) => ({
    name: key,
    version: '',
    resource: authorizationType.decode(bytes),
  }))
  mesh.applyAuthorizations({ changed, removed: [] })
  const clock = new FakeClock()
  const verdicts = new Verdicts(new Metrics(), clock)
  const authorizer = new Authorizer({
    view: mesh,
    unknownPolicy,
    logger: quietLogger,
    verdicts,
    policyLogLevel: 'debug',
  })
  const answer = authorizer.authorize(to, facts)
  return answer.kind === 'allowed'
    ? 'allowed'
    : answer.reason.replace('connection closed due to policy rejection: ', '')
}

const DENIED = 'explicitly denied by: shop/d'
const NOT_ALLOWED = 'allow policies exist, but none allowed'

describe('which policies are asked (section f)', () => {
  it.each<[string, readonly WirePolicy[], Workload, string]>([
    ['those of the workload’s namespace', [deny([anyone])], server, DENIED],
    ['none of another namespace', [deny([anyone], {}, 'legacy/d')], server, 'allowed'],
    [
      'mesh-wide ones, whatever their namespace',
      [deny([anyone], { scope: 'global' }, 'legacy/d')],
      server,
      'explicitly denied by: legacy/d',
    ],
    [
      'those with a selector only when the workload names them',
      [deny([anyone], { scope: 'selector' })],
      server,
      'allowed',
    ],
    ['those that the workload names', [deny([anyone], { scope: 'selector' })], named('shop/d'), DENIED],
    [
      'named ones of any namespace',
      [deny([anyone], { scope: 'selector' }, 'root/d')],
      named('root/d'),
      'explicitly denied by: root/d',
    ],
    [
      'by their name on the wire, not by what is written in them',
      [{ ...deny([anyone], { scope: 'selector' }), key: 'shop/other' }],
      named('shop/other'),
      'explicitly denied by: shop/other',
    ],
    ['a named one that is not known is skipped', [], named('shop/late'), 'allowed'],
  ])('%s', (_, policies, to, expected) => {
    expect(verdict(policies, alice, to)).toBe(expected)
  })

  it('a named one that is not known denies when told to fail closed', () => {
    expect(verdict([], alice, named('shop/late'), 'closed')).toBe('policy not known yet: shop/late')
  })
})

describe('the order (section f)', () => {
  it.each<[string, readonly WirePolicy[], string]>([
    ['1. an enforced DENY that matches denies, whatever is allowed', [allow([anyone]), deny([anyone])], DENIED],
    ['2. no enforced ALLOW at all: allowed', [deny([nobody])], 'allowed'],
    ['3. an enforced ALLOW that matches allows', [allow([nobody]), allow([anyone], {}, 'shop/b')], 'allowed'],
    ['4. otherwise denied', [allow([nobody])], NOT_ALLOWED],
    ['a dry-run DENY denies nobody', [deny([anyone], { dryRun: true })], 'allowed'],
    ['a dry-run ALLOW does not count in 2', [allow([nobody], { dryRun: true })], 'allowed'],
    [
      'a dry-run ALLOW does not count in 3',
      [allow([nobody]), allow([anyone], { dryRun: true }, 'shop/b')],
      NOT_ALLOWED,
    ],
  ])('%s', (_, policies, expected) => {
    expect(verdict(policies, alice)).toBe(expected)
  })
})

describe('policies, rules, clauses and matches (section f)', () => {
  const hit = match({ destinationPorts: [8080] })
  const miss = match({ destinationPorts: [9090] })
  it.each<[string, readonly WirePolicy[], string]>([
    ['a DENY without rules never matches', [deny([])], 'allowed'],
    ['an ALLOW without rules denies all', [allow([])], NOT_ALLOWED],
    ['any rule suffices', [deny([nobody, anyone])], DENIED],
    ['all clauses of a rule must match', [deny([[[hit], [miss]]])], 'allowed'],
    ['a rule without clauses matches everything', [deny([[]])], DENIED],
    ['any match of a clause suffices', [deny([[[miss, hit]]])], DENIED],
    ['a clause without matches matches', [deny([[[]]])], DENIED],
    ['a match without any field never matches', [deny([[[match({})]]])], 'allowed'],
    [
      'a match of which all entries were dropped never matches',
      [deny([[[match({ principals: [unset], sourceIps: [network(Buffer.from([1, 2]), 8)] })]]])],
      'allowed',
    ],
    ['all kinds must hold', [deny([[[match({ destinationPorts: [8080], namespaces: [exact('x')] })]]])], 'allowed'],
    ['within a kind any entry of the list suffices', [deny([[[match({ destinationPorts: [1, 8080] })]]])], DENIED],
    [
      'within a kind no entry of the excluded may hit',
      [deny([[[match({ destinationPorts: [8080], notDestinationPorts: [1, 8080] })]]])],
      'allowed',
    ],
  ])('%s', (_, policies, expected) => {
    expect(verdict(policies, alice)).toBe(expected)
  })
})

describe('extensions of a match, which Istio leaves out', () => {
  it('are a condition that is not known: the policy is refused by name', () => {
    expect(() => verdict([deny([[[field(13, field(1, 'x'))]]])], alice)).toThrowError(
      'rules[0].clauses[0].matches[0] has field 13, which is not known',
    )
  })
})

describe('the kinds (section f)', () => {
  it.each<[string, Match, ConnectionFacts, boolean]>([
    ['principals: the id without its scheme', match({ principals: [exact(ALICE)] }), alice, true],
    ['principals: not with its scheme', match({ principals: [exact(`spiffe://${ALICE}`)] }), alice, false],
    ['principals: nothing hits without identity', match({ principals: [presence] }), plaintext, false],
    ['principals: exclusion always holds without identity', match({ notPrincipals: [presence] }), plaintext, true],
    ['namespaces: of the id', match({ namespaces: [exact('shop')] }), alice, true],
    [
      'namespaces: empty without identity, so exclusion holds',
      match({ notNamespaces: [exact('shop')] }),
      plaintext,
      true,
    ],
    ['namespaces: empty without identity, so the empty name hits', match({ namespaces: [exact('')] }), plaintext, true],
    ['service accounts: namespace and account', match({ serviceAccounts: [account('shop', 'alice')] }), alice, true],
    [
      'service accounts: none without identity',
      match({ serviceAccounts: [account('shop', 'alice')] }),
      plaintext,
      false,
    ],
    ['source_ips: the TCP peer', match({ sourceIps: [network('10.0.1.0', 24)] }), alice, true],
    ['destination_ips: the accepted address', match({ destinationIps: [network('10.0.2.9', 32)] }), alice, true],
    ['destination_ips: not the source', match({ destinationIps: [network('10.0.1.7', 32)] }), alice, false],
    ['destination_ports: the workload’s own', match({ destinationPorts: [8080] }), alice, true],
    ['texts: prefix', match({ principals: [prefix('cluster.local/ns/shop/')] }), alice, true],
    ['texts: suffix', match({ principals: [suffix('/sa/alice')] }), alice, true],
    ['texts: presence is not empty', match({ namespaces: [presence] }), plaintext, false],
    ['texts: case-sensitive', match({ namespaces: [exact('SHOP')] }), alice, false],
    ['texts: an empty prefix hits everything', match({ namespaces: [prefix('')] }), plaintext, true],
    ['texts: an empty suffix hits everything', match({ namespaces: [suffix('')] }), plaintext, true],
    ['texts: with nothing set they are dropped', match({ principals: [unset, exact('x')] }), alice, false],
    [
      'texts: dropped beside other constraints, they are no constraint',
      match({ principals: [unset], destinationPorts: [8080] }),
      alice,
      true,
    ],
    ['addresses: host bits are masked', match({ sourceIps: [network('10.0.1.99', 24)] }), alice, true],
    ['addresses: length 0 is everything of the family', match({ sourceIps: [network('1.2.3.4', 0)] }), alice, true],
    ['addresses: families never match each other', match({ sourceIps: [network('::', 0)] }), alice, false],
    [
      'addresses: neither 4 nor 16 bytes are dropped',
      match({ sourceIps: [network(Buffer.from([10, 0, 1]), 24)], destinationPorts: [8080] }),
      alice,
      true,
    ],
    [
      'addresses: a prefix too long is dropped',
      match({ sourceIps: [network('10.9.9.9', 33)], destinationPorts: [8080] }),
      alice,
      true,
    ],
    [
      'addresses: dropped alone, the match never matches',
      match({ sourceIps: [network('10.0.1.7', 33)] }),
      alice,
      false,
    ],
  ])('%s', (_, one, facts, isHit) => {
    expect(verdict([deny([[[one]]])], facts)).toBe(isHit ? DENIED : 'allowed')
  })

  it('service accounts: of any trust domain', () => {
    const foreign = { ...alice, peer: `spiffe://other.domain/ns/shop/sa/alice` as NonNullable<ConnectionFacts['peer']> }
    expect(verdict([deny([[[match({ serviceAccounts: [account('shop', 'alice')] })]]])], foreign)).toBe(DENIED)
  })
})

describe('mTLS required (section e.4)', () => {
  const strict = deny(
    [[[match({ notPrincipals: [presence] })]]],
    { scope: 'selector' },
    'istio-system/istio_converted_static_strict',
  )
  it.each([
    ['refuses plain text', plaintext, 'explicitly denied by: istio-system/istio_converted_static_strict'],
    ['lets whoever has an identity pass', alice, 'allowed'],
  ])('%s', (_, facts, expected) => {
    expect(verdict([strict], facts, named(strict.key))).toBe(expected)
  })
})
