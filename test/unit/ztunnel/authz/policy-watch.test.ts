import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MeshState } from '#shared/mesh-state'
import type { Workload } from '#shared/model'
import { type LogFields, type Logger, Metrics } from '#shared/telemetry'
import { Authorizer, type Denial, newestDenials, Verdicts, watchPolicies } from '../../../../src/ztunnel/authz/index.ts'
import {
  type Connection,
  ConnectionTable,
  type InboundConnectionRecord,
} from '../../../../src/ztunnel/connections/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import {
  addressUpdate,
  identity,
  match,
  meshOf,
  policy,
  policyUpdate,
  socket,
  workload,
} from '../../../support/mesh-builder.ts'

class MemoryLog implements Logger {
  readonly lines: string[] = []
  readonly #isVerbose: boolean

  constructor(isVerbose = false) {
    this.#isVerbose = isVerbose
  }

  error = (message: string, fields?: LogFields): void => this.#add('error', message, fields)
  warn = (message: string, fields?: LogFields): void => this.#add('warn', message, fields)
  info = (message: string, fields?: LogFields): void => this.#add('info', message, fields)
  debug = (message: string, fields?: LogFields): void => this.#add('debug', message, fields)
  trace = (message: string, fields?: LogFields): void => this.#add('trace', message, fields)

  isEnabled(): boolean {
    return this.#isVerbose
  }

  child(): Logger {
    return this
  }

  #add(level: string, message: string, fields: LogFields = {}): void {
    this.lines.push([level, message, ...Object.values(fields).filter((value) => value !== undefined)].join(' | '))
  }
}

const server = workload({ name: 'server', addresses: ['10.0.2.1'] })
const SERVER = server.uid

interface Setup {
  readonly mesh: MeshState
  readonly table: ConnectionTable
  readonly authorizer: Authorizer
  readonly log: MemoryLog
  readonly verdicts: Verdicts
  /** Values of the series whose names begin with this. */
  readonly counted: (prefix: string) => readonly string[]
  readonly stop: () => void
}

function setUp(workloads: readonly Workload[], unknownPolicy: 'open' | 'closed' = 'open', isVerbose = false): Setup {
  const mesh = meshOf(workloads)
  const table = new ConnectionTable()
  const log = new MemoryLog(isVerbose)
  const metrics = new Metrics()
  const verdicts = new Verdicts(metrics, new FakeClock())
  const authorizer = new Authorizer({ view: mesh, unknownPolicy, logger: log, verdicts, policyLogLevel: 'debug' })
  const counted = (prefix: string): readonly string[] =>
    metrics
      .print()
      .split('\n')
      .filter((line) => line.startsWith(prefix))
  return { mesh, table, authorizer, log, verdicts, counted, stop: watchPolicies(mesh, table, authorizer) }
}

function connect(
  table: ConnectionTable,
  to: Workload,
  account: string | undefined,
): Connection<InboundConnectionRecord> {
  const peer = account === undefined ? undefined : identity(account)
  const facts = { peer, source: socket('10.0.1.1:4'), destination: socket('10.0.2.1:8080') }
  const record: InboundConnectionRecord = {
    direction: 'inbound',
    podUid: to.uid,
    source: facts.source,
    originalDestination: undefined,
    actualDestination: facts.destination,
    protocol: peer === undefined ? 'TCP' : 'HBONE',
    peer,
    facts,
    workload: to,
  }
  const connection = table.add(record, () => {})
  if (connection === undefined) throw new Error('the table is full')
  return connection
}

const denyBob = policy({ name: 'no-bob', rules: [[[match({ principals: ['*/sa/bob'] })]]] })
const strict = policy({
  name: 'strict',
  namespace: 'istio-system',
  scope: 'WorkloadSelector',
  rules: [[[match({ notPrincipals: ['*'] })]]],
})

describe('authorising a connection', () => {
  const facts = connect(new ConnectionTable(), server, 'shop/bob').record.facts

  it('gives the reason as the log shows it', () => {
    const { mesh, authorizer } = setUp([server])
    expect(authorizer.authorize(server, facts)).toMatchObject({ kind: 'allowed' })
    mesh.applyAuthorizations(policyUpdate([denyBob]))
    expect(authorizer.authorize(server, facts)).toEqual({
      kind: 'denied',
      reason: 'connection closed due to policy rejection: explicitly denied by: default/no-bob',
      deniedBy: { policy: 'default/no-bob', rule: 0 },
    })
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'nobody', action: 'Allow' })], ['default/no-bob']))
    expect(authorizer.authorize(server, facts)).toEqual({
      kind: 'denied',
      reason: 'connection closed due to policy rejection: allow policies exist, but none allowed',
      deniedBy: undefined,
    })
  })

  it('asks the newest state of the workload', () => {
    const { mesh, authorizer } = setUp([server])
    mesh.applyAuthorizations(policyUpdate([strict]))
    const plaintext = { ...facts, peer: undefined }
    expect(authorizer.authorize(server, plaintext).kind).toBe('allowed')
    mesh.applyAddresses(addressUpdate([{ ...server, authorizationPolicies: ['istio-system/strict'] }]))
    expect(authorizer.authorize(server, plaintext).kind).toBe('denied')
  })

  it('skips a policy that is named but unknown, and says so once', () => {
    const named = { ...server, authorizationPolicies: ['default/later'] }
    const { authorizer, log } = setUp([named])
    expect([authorizer.authorize(named, facts).kind, authorizer.authorize(named, facts).kind]).toEqual([
      'allowed',
      'allowed',
    ])
    expect(log.lines).toEqual([
      `warn | policy is named by a workload but not known: it is skipped until it arrives | default/later | ${SERVER}`,
    ])
  })

  it('denies until a named policy arrives, when told to fail closed', () => {
    const named = { ...server, authorizationPolicies: ['istio-system/strict'] }
    const { mesh, authorizer } = setUp([named], 'closed')
    expect(authorizer.authorize(named, facts)).toEqual({
      kind: 'denied',
      reason: 'connection closed due to policy rejection: policy not known yet: istio-system/strict',
      deniedBy: { policy: 'istio-system/strict', rule: undefined },
    })
    mesh.applyAuthorizations(policyUpdate([strict]))
    expect(authorizer.authorize(named, facts).kind).toBe('allowed')
  })

  it('logs what policies and dry-run policies say, when somebody listens', () => {
    const { mesh, authorizer, log } = setUp([server], 'open', true)
    authorizer.authorize(server, facts)
    const dryRun = [
      policy({ name: 'dry-deny', dryRun: true, rules: [[]] }),
      policy({ name: 'dry-allow', action: 'Allow', dryRun: true }),
    ]
    mesh.applyAuthorizations(policyUpdate([denyBob, ...dryRun]))
    authorizer.authorize(server, facts)
    mesh.applyAuthorizations(
      policyUpdate(
        [policy({ name: 'all', action: 'Allow', rules: [[]] })],
        ['default/no-bob', 'default/dry-deny', 'default/dry-allow'],
      ),
    )
    authorizer.authorize(server, facts)
    expect(log.lines).toEqual([
      'debug | no allow policies, allow',
      'debug | deny policy match | default/no-bob | 0',
      'debug | dry-run: deny policy match | default/dry-deny | 0',
      'debug | dry-run: no allow policies match',
      'debug | allow policy match | default/all | 0',
    ])
  })
})

describe('what policies said', () => {
  const facts = connect(new ConnectionTable(), server, 'shop/bob').record.facts

  it('is counted by policy, whether it takes effect or would', () => {
    const { mesh, authorizer, counted } = setUp([server])
    mesh.applyAuthorizations(
      policyUpdate([
        denyBob,
        policy({ name: 'dry-deny', dryRun: true, rules: [[]] }),
        policy({ name: 'dry-allow', action: 'Allow', dryRun: true, rules: [[]] }),
      ]),
    )
    authorizer.authorize(server, facts)
    mesh.applyAuthorizations(
      policyUpdate(
        [policy({ name: 'dry-allow', action: 'Allow', dryRun: true }), policy({ name: 'nobody', action: 'Allow' })],
        ['default/no-bob', 'default/dry-deny'],
      ),
    )
    authorizer.authorize(server, facts)
    expect(counted('ambit_policy_')).toEqual([
      'ambit_policy_denials_total{policy="default/no-bob"} 1',
      'ambit_policy_denials_total{policy="none"} 1',
      'ambit_policy_dry_run_verdicts_total{policy="default/dry-deny",verdict="deny"} 1',
      'ambit_policy_dry_run_verdicts_total{policy="default/dry-allow",verdict="allow"} 1',
      'ambit_policy_dry_run_verdicts_total{policy="none",verdict="no-match"} 1',
    ])
  })

  it('of dry-run policies is counted once for each connection, however often it is asked again', () => {
    const { mesh, table, authorizer, counted } = setUp([server])
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'dry', dryRun: true, rules: [[]] })]))
    const connection = connect(table, server, 'shop/bob')
    authorizer.authorize(server, connection.record.facts)
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'unrelated' })]))
    mesh.applyAddresses(addressUpdate([server]))
    expect(counted('ambit_policy_dry_run')).toEqual([
      'ambit_policy_dry_run_verdicts_total{policy="default/dry",verdict="deny"} 1',
    ])
  })

  it('is kept of the newest hundred denials', () => {
    const { mesh, table, authorizer, verdicts } = setUp([server])
    mesh.applyAuthorizations(policyUpdate([denyBob]))
    for (let i = 0; i < 100; i++) authorizer.authorize(server, facts)
    connect(table, server, 'shop/bob')
    mesh.applyAddresses(addressUpdate([server]))
    expect(verdicts.recent.length).toBe(100)
    expect(verdicts.recent.at(-1)).toEqual({
      atMs: new FakeClock().nowMs(),
      workload: SERVER,
      facts,
      when: 'change',
      reason: 'connection closed due to policy rejection: explicitly denied by: default/no-bob',
      deniedBy: { policy: 'default/no-bob', rule: 0 },
    })
  })
})

describe('denials of several processes', () => {
  it('are the newest hundred of them all, newest last', () => {
    const { record } = connect(new ConnectionTable(), server, 'shop/bob')
    const at = (atMs: number): Denial => ({
      atMs,
      workload: SERVER,
      facts: record.facts,
      when: 'start',
      reason: 'no',
      deniedBy: undefined,
    })
    const ofTwo = [
      ...Array.from({ length: 80 }, (_, i) => at(2 * i)),
      ...Array.from({ length: 80 }, (_, i) => at(2 * i + 1)),
    ]
    expect(newestDenials(ofTwo).map(({ atMs }) => atMs)).toEqual(Array.from({ length: 100 }, (_, i) => i + 60))
  })
})

describe('a named policy that arrives late', () => {
  const named = { ...server, authorizationPolicies: ['istio-system/strict'] }

  it.each(['open', 'closed'] as const)('is asked about live connections when it comes (fail %s)', (unknownPolicy) => {
    const { mesh, table } = setUp([named], unknownPolicy)
    const connections = [undefined, 'shop/alice'].map((account) => connect(table, named, account))
    mesh.applyAuthorizations(policyUpdate([strict]))
    expect(connections.map(({ closedBy }) => closedBy)).toEqual(['policy-change', undefined])
    expect(connections[0]?.deniedBy).toEqual({ policy: 'istio-system/strict', rule: 0 })
  })

  it.each([
    ['open', undefined],
    ['closed', 'policy-change'],
  ] as const)('that goes while it is still named: fail %s closes by %s', (unknownPolicy, closedBy) => {
    const { mesh, table } = setUp([named], unknownPolicy)
    mesh.applyAuthorizations(policyUpdate([strict]))
    const connection = connect(table, named, 'shop/alice')
    mesh.applyAuthorizations(policyUpdate([], ['istio-system/strict']))
    expect(connection.closedBy).toBe(closedBy)
  })

  it('does not touch workloads that do not name it, even when told to fail closed', () => {
    const other = workload({ name: 'other' })
    const { table, mesh, authorizer } = setUp([named, other], 'closed')
    const connection = connect(table, other, undefined)
    expect(authorizer.authorize(other, connection.record.facts).kind).toBe('allowed')
    mesh.applyAuthorizations(policyUpdate([strict]))
    expect(connection.closedBy).toBeUndefined()
  })
})

describe('a change of policies', () => {
  it('ends exactly the connections that are denied now', () => {
    const { mesh, table } = setUp([server])
    const connections = ['shop/alice', 'shop/bob', undefined].map((account) => connect(table, server, account))
    const elsewhere = connect(table, workload({ name: 'x', namespace: 'other' }), 'shop/bob')
    mesh.applyAuthorizations(policyUpdate([denyBob]))
    expect([...connections, elsewhere].map(({ closedBy }) => closedBy)).toEqual([
      undefined,
      'policy-change',
      undefined,
      undefined,
    ])
  })

  it('reaches a connection that is listed but has not been checked yet', () => {
    const { mesh, table, authorizer } = setUp([server])
    const connection = connect(table, server, 'shop/bob')
    mesh.applyAuthorizations(policyUpdate([denyBob]))
    expect(connection.closedBy).toBe('policy-change')
    expect(authorizer.authorize(server, connection.record.facts).kind).toBe('denied')
  })

  it('ends a connection when the last policy that allowed it goes', () => {
    const { mesh, table } = setUp([server])
    const allowBob = policy({ name: 'bob', action: 'Allow', rules: denyBob.rules })
    mesh.applyAuthorizations(policyUpdate([allowBob, policy({ name: 'nobody', action: 'Allow' })]))
    const connection = connect(table, server, 'shop/bob')
    mesh.applyAuthorizations(policyUpdate([], ['default/bob']))
    expect(connection.closedBy).toBe('policy-change')
  })

  it('does not ask again about those that are closing', () => {
    const { mesh, table } = setUp([server])
    const connection = connect(table, server, 'shop/bob')
    connection.close('drain')
    mesh.applyAuthorizations(policyUpdate([denyBob]))
    expect(connection.closedBy).toBe('drain')
  })

  it('ends nothing any more once the watch has stopped', () => {
    const { mesh, table, stop } = setUp([server])
    const connection = connect(table, server, 'shop/bob')
    stop()
    mesh.applyAuthorizations(policyUpdate([denyBob]))
    mesh.applyAddresses(addressUpdate([server]))
    expect(connection.closedBy).toBeUndefined()
  })
})

describe('a change of a workload', () => {
  it('ends connections that a newly named policy denies (Istio’s ztunnel leaves them open)', () => {
    const other = workload({ name: 'other' })
    const { mesh, table } = setUp([server, other])
    mesh.applyAuthorizations(policyUpdate([strict]))
    const connections = [
      connect(table, server, undefined),
      connect(table, server, 'shop/a'),
      connect(table, other, undefined),
    ]
    mesh.applyAddresses(addressUpdate([{ ...server, authorizationPolicies: ['istio-system/strict'] }]))
    expect(connections.map(({ closedBy }) => closedBy)).toEqual(['policy-change', undefined, undefined])
    expect(connections[0]?.deniedBy).toEqual({ policy: 'istio-system/strict', rule: 0 })
  })

  it('ends connections that only a policy had allowed which it names no more', () => {
    const selected = (name: string, account: string) =>
      policy({
        name,
        action: 'Allow',
        scope: 'WorkloadSelector',
        rules: [[[match({ principals: [`*/sa/${account}`] })]]],
      })
    const both = { ...server, authorizationPolicies: ['default/alice', 'default/bob'] }
    const other = workload({ name: 'other', authorizationPolicies: ['default/alice', 'default/bob'] })
    const { mesh, table } = setUp([both, other])
    mesh.applyAuthorizations(policyUpdate([selected('alice', 'alice'), selected('bob', 'bob')]))
    const connections = [
      connect(table, both, 'shop/alice'),
      connect(table, both, 'shop/bob'),
      connect(table, other, 'shop/bob'),
    ]
    mesh.applyAddresses(addressUpdate([{ ...both, authorizationPolicies: ['default/alice'] }]))
    expect(connections.map(({ closedBy }) => closedBy)).toEqual([undefined, 'policy-change', undefined])
    expect(connections[1]?.deniedBy).toBeUndefined()
  })

  it('ends nothing when it names a policy no more that denied', () => {
    const named = { ...server, authorizationPolicies: ['istio-system/strict'] }
    const { mesh, table } = setUp([named])
    mesh.applyAuthorizations(policyUpdate([strict]))
    const connections = ['shop/alice', 'shop/bob'].map((account) => connect(table, named, account))
    mesh.applyAddresses(addressUpdate([server]))
    expect(connections.map(({ closedBy }) => closedBy)).toEqual([undefined, undefined])
  })

  it('leaves connections to a workload that has gone to the one who removes its pod', () => {
    const { mesh, table } = setUp([server])
    const connection = connect(table, server, undefined)
    mesh.applyAddresses(addressUpdate([], [SERVER]))
    expect(connection.closedBy).toBeUndefined()
  })
})

describe('whatever changes, in whatever order', () => {
  const PODS = ['p', 'q'].map((name, i) => workload({ name, namespace: ['default', 'other'][i] ?? '' }))
  const RULES = [[], [[[match({ principals: ['*/sa/bob'] })]]], [[[match({ notPrincipals: ['*'] })]]], [[]]]
  const KEYS = ['default/a', 'default/b', 'other/a']
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('put' as const),
      key: fc.constantFrom(...KEYS),
      scope: fc.constantFrom('Global' as const, 'Namespace' as const, 'WorkloadSelector' as const),
      action: fc.constantFrom('Allow' as const, 'Deny' as const),
      rules: fc.constantFrom(...RULES),
    }),
    fc.record({ kind: fc.constant('remove' as const), key: fc.constantFrom(...KEYS) }),
    fc.record({
      kind: fc.constant('list' as const),
      pod: fc.nat({ max: 1 }),
      names: fc.uniqueArray(fc.constantFrom(...KEYS)),
    }),
    fc.record({
      kind: fc.constant('connect' as const),
      pod: fc.nat({ max: 1 }),
      account: fc.constantFrom('shop/alice', 'shop/bob', undefined),
    }),
  )

  it.each(['open', 'closed'] as const)('a live connection is one that may be now (fail %s)', (unknownPolicy) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { mesh, table, authorizer } = setUp(PODS, unknownPolicy)
        for (const one of steps) {
          if (one.kind === 'put') {
            const [namespace = '', name = ''] = one.key.split('/')
            const { scope, action, rules } = one
            mesh.applyAuthorizations(policyUpdate([policy({ name, namespace, scope, action, rules })]))
          } else if (one.kind === 'remove') mesh.applyAuthorizations(policyUpdate([], [one.key]))
          else {
            const pod = PODS[one.pod] as Workload // the index is within the list
            const newest = mesh.workloadByUid(pod.uid) ?? pod
            if (one.kind === 'list') mesh.applyAddresses(addressUpdate([{ ...pod, authorizationPolicies: one.names }]))
            else {
              const connection = connect(table, newest, one.account)
              if (authorizer.authorize(newest, connection.record.facts).kind === 'denied') connection.remove()
            }
          }
          for (const { record, closedBy } of table.inbound()) {
            if (closedBy !== undefined) continue
            expect(authorizer.authorize(record.workload, record.facts).kind).toBe('allowed')
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('does not ask about workloads that a policy has nothing to do with', () => {
    const { mesh, table, log } = setUp(PODS, 'open', true)
    for (const pod of PODS) connect(table, pod, 'shop/alice')
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'first' })]))
    const before = log.lines.length
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'second' })]))
    expect(log.lines.slice(before)).toEqual(['debug | no allow policies, allow'])
  })
})
