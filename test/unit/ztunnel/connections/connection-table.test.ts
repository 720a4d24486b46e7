import { describe, expect, it } from 'vitest'
import {
  type ConnectionCloseReason,
  type ConnectionRecord,
  ConnectionTable,
} from '../../../../src/ztunnel/connections/index.ts'
import { identity, socket, workload } from '../../../support/mesh-builder.ts'

function outbound(podUid: string): ConnectionRecord {
  return {
    direction: 'outbound',
    podUid,
    source: socket('10.0.0.1:1'),
    originalDestination: socket('10.9.0.1:80'),
    actualDestination: socket('10.0.0.2:15008'),
    protocol: 'HBONE',
    peer: identity('default/server'),
  }
}

function inbound(podUid: string): ConnectionRecord {
  const facts = { peer: undefined, source: socket('10.0.0.1:1'), destination: socket('10.0.0.2:80') }
  return {
    direction: 'inbound',
    podUid,
    source: facts.source,
    originalDestination: undefined,
    actualDestination: facts.destination,
    protocol: 'TCP',
    peer: undefined,
    facts,
    workload: workload({ name: podUid }),
  }
}

describe('the table of connections', () => {
  it('lists what was added until it is removed, each with its own id', () => {
    const table = new ConnectionTable()
    const first = table.add(outbound('a'), () => {})
    const second = table.add(inbound('b'), () => {})
    expect(table.list()).toEqual([first, second])
    expect([first?.id, second?.id]).toEqual([1, 2])
    expect(table.inbound()).toEqual([second])
    expect(table.ofPod('a')).toEqual([first])
    first?.remove()
    first?.remove()
    expect(table.list()).toEqual([second])
    expect(table.size).toBe(1)
    expect(table.ofPod('a')).toEqual([])
  })

  it('lists the connections of a pod in order of arrival, whichever have left', () => {
    const table = new ConnectionTable()
    const added = Array.from({ length: 6 }, () => table.add(outbound('a'), () => {}))
    for (const left of [0, 3, 1]) added[left]?.remove()
    added.push(table.add(outbound('a'), () => {}))
    expect(table.list().map(({ id }) => id)).toEqual([3, 5, 6, 7])
    added[5]?.remove()
    expect(table.ofPod('a').map(({ id }) => id)).toEqual([3, 5, 7])
  })

  it('tells an owner to close once, and says why from then on', () => {
    const table = new ConnectionTable()
    const told: ConnectionCloseReason[] = []
    const connection = table.add(inbound('a'), (reason) => told.push(reason))
    expect(connection?.closedBy).toBeUndefined()
    connection?.close('policy-change')
    connection?.close('drain')
    expect(told).toEqual(['policy-change'])
    expect(connection?.closedBy).toBe('policy-change')
    expect(table.size).toBe(1)
  })

  it('closes everything of one pod, though each owner removes itself while it goes on', () => {
    const table = new ConnectionTable()
    const told: string[] = []
    for (const pod of ['a', 'b', 'a']) {
      const connection = table.add(outbound(pod), (reason) => {
        told.push(`${pod} ${reason}`)
        connection?.remove()
      })
    }
    expect(table.closePod('a', 'pod-removed')).toBe(2)
    expect(told).toEqual(['a pod-removed', 'a pod-removed'])
    expect(table.list().map(({ record }) => record.podUid)).toEqual(['b'])
  })

  it('turns connections away beyond its limit, until one leaves', () => {
    const table = new ConnectionTable(2)
    const first = table.add(outbound('a'), () => {})
    table.add(outbound('a'), () => {})
    expect(table.add(outbound('b'), () => {})).toBeUndefined()
    first?.remove()
    expect(table.add(outbound('b'), () => {})?.id).toBe(3)
  })
})
