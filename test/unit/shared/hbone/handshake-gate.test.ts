import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#shared/net'
import { HandshakeGate } from '../../../../src/shared/hbone/handshake-gate.ts'

const [a, b, c] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as [IpAddress, IpAddress, IpAddress]

describe('the gate of hand-shakes', () => {
  it('bounds those of one address without holding up others', () => {
    const gate = new HandshakeGate({ maxPendingPerSource: 2 })
    expect([gate.enter(a), gate.enter(a), gate.enter(a), gate.enter(b)]).toEqual([true, true, false, true])
  })

  it('bounds those of all addresses', () => {
    const gate = new HandshakeGate({ maxPending: 2 })
    expect([gate.enter(a), gate.enter(b), gate.enter(c)]).toEqual([true, true, false])
  })

  it('lets somebody in for each that leaves', () => {
    const gate = new HandshakeGate({ maxPendingPerSource: 1 })
    gate.enter(a)
    gate.leave(a)
    expect(gate.pending).toBe(0)
    expect(gate.enter(a)).toBe(true)
  })

  it('does not count below nobody', () => {
    expect(() => new HandshakeGate().leave(a)).toThrow('nobody from 10.0.0.1')
  })
})
