import { describe, expect, it } from 'vitest'
import { partyOf } from '../../../../src/ztunnel/reporting/party.ts'
import { identity, socket, workload } from '../../../support/mesh-builder.ts'

const address = socket('10.0.0.1:80')

describe('one end of a connection in a log line', () => {
  it('is one object for all connections of a workload with the same identity, for its part of a line is written once', () => {
    const web = workload({ name: 'web' })
    const proven = partyOf(address, web, identity('default/web')).who
    expect(partyOf(socket('10.0.0.1:81'), web, identity('default/web')).who).toBe(proven)
    const unproven = partyOf(address, web, undefined).who
    expect(unproven).toEqual({ ...proven, identity: undefined })
    expect(partyOf(address, web, undefined).who).toBe(unproven)
  })

  it('is right, and not kept, for the many identities that claim one workload', () => {
    const web = workload({ name: 'web' })
    const names = Array.from({ length: 20 }, (_, i) => identity(`default/${i}`))
    const first = names.map((name) => partyOf(address, web, name).who)
    const second = names.map((name) => partyOf(address, web, name).who)
    expect(second).toEqual(first)
    expect(second.map(({ identity: told }) => told)).toEqual(names)
    expect(second.filter((who, i) => who === first[i])).toHaveLength(4)
  })

  it('is the new one where a workload was replaced at the same address', () => {
    const before = workload({ name: 'web' })
    const after = { ...before, name: 'db' }
    const told = [before, after, before].map((now) => partyOf(address, now, undefined).who.workload)
    expect(told).toEqual(['web', 'db', 'web'])
  })
})
