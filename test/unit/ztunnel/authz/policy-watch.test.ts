import { describe, expect, it } from 'vitest'
import type { Workload } from '#shared/model'
import type { LogFields, Logger } from '#shared/telemetry'
import { Authorizer, watchPolicies } from '../../../../src/ztunnel/authz/index.ts'
import {
  type Connection,
  ConnectionTable,
  type InboundConnectionRecord,
} from '../../../../src/ztunnel/connections/index.ts'
import type { MeshState } from '../../../../src/ztunnel/state/index.ts'
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
  readonly stop: () => void
}

function setUp(workloads: readonly Workload[], unknownPolicy: 'open' | 'closed' = 'open', isVerbose = false): Setup {
  const mesh = meshOf(workloads)
  const table = new ConnectionTable()
  const log = new MemoryLog(isVerbose)
  const authorizer = new Authorizer({ view: mesh, unknownPolicy, logger: log, policyLogLevel: 'debug' })
  return { mesh, table, authorizer, log, stop: watchPolicies(mesh, table, authorizer) }
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
    })
    mesh.applyAuthorizations(policyUpdate([policy({ name: 'nobody', action: 'Allow' })], ['default/no-bob']))
    expect(authorizer.authorize(server, facts)).toEqual({
      kind: 'denied',
      reason: 'connection closed due to policy rejection: allow policies exist, but none allowed',
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
      'debug | deny policy match | default/no-bob',
      'debug | dry-run: deny policy match | default/dry-deny',
      'debug | dry-run: no allow policies match',
      'debug | allow policy match | default/all',
    ])
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
  })

  it('leaves connections to a workload that has gone to the one who removes its pod', () => {
    const { mesh, table } = setUp([server])
    const connection = connect(table, server, undefined)
    mesh.applyAddresses(addressUpdate([], [SERVER]))
    expect(connection.closedBy).toBeUndefined()
  })
})
