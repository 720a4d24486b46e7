import { beforeEach, describe, expect, it } from 'vitest'
import type { IdentityMaterial } from '#shared/identity'
import { MeshState } from '#shared/mesh-state'
import { parseSpiffeId, type SpiffeId } from '#shared/model'
import { createCsr } from '#shared/pki'
import { type ToSupervisor, WorkerLink } from '../../../../src/ztunnel/workers/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'

const ID = parseSpiffeId('spiffe://cluster.local/ns/default/sa/a') as SpiffeId

describe('what a worker gets of its supervisor', () => {
  let clock: FakeClock
  let said: ToSupervisor[]
  let link: WorkerLink
  const ca = new MemoryCa()
  const material = (): IdentityMaterial => {
    const { privateKeyPem, csrPem } = createCsr(ID)
    return { privateKeyPem, chainPems: ca.certify(csrPem, ID, {}) }
  }

  beforeEach(() => {
    clock = new FakeClock(Date.now())
    said = []
    link = new WorkerLink({
      channel: { send: (message) => void said.push(message) },
      clock,
      state: new MeshState({ clock, nodeName: undefined }),
      report: () => ({ pods: [], connections: [], denials: [], metrics: '# EOF\n' }),
      onLogFilter: () => {},
      onDrain: () => {},
    })
  })

  it('is one certificate for all that wait, kept until it is renewed', async () => {
    const waiting = [link.certificateOf(ID), link.certificateOf(ID)]
    expect(said).toEqual([{ kind: 'certificate?', number: 1, id: ID }])
    link.take({ kind: 'certificate', number: 1, id: ID, outcome: { ok: true, value: material() } })
    const [one, other] = await Promise.all(waiting)
    expect(one).toBe(other)
    link.take({ kind: 'certificate', number: undefined, id: ID, outcome: { ok: true, value: material() } })
    const renewed = await link.certificateOf(ID)
    expect(renewed.leaf.serialNumber).not.toBe(one?.leaf.serialNumber)
    expect(said).toHaveLength(1)
  })

  it('is the reason why there is no certificate, and the next connection asks again', async () => {
    const waiting = link.certificateOf(ID)
    link.take({ kind: 'certificate', number: 1, id: ID, outcome: { ok: false, reason: 'the CA is away' } })
    await expect(waiting).rejects.toMatchObject({ code: 'CERTIFICATE_UNAVAILABLE', message: 'the CA is away' })
    void link.certificateOf(ID).catch(() => {})
    expect(said.map(({ kind }) => kind)).toEqual(['certificate?', 'certificate?'])
  })

  it('is asked for again when it has expired', async () => {
    const waiting = link.certificateOf(ID)
    link.take({ kind: 'certificate', number: 1, id: ID, outcome: { ok: true, value: material() } })
    const { leaf } = await waiting
    await clock.advance(leaf.notAfterMs - clock.nowMs() + 1)
    void link.certificateOf(ID).catch(() => {})
    expect(said).toHaveLength(2)
  })

  it('fails by itself when the supervisor does not answer', async () => {
    const waiting = link.askFor(['default/a'])
    const failed = expect(waiting).rejects.toMatchObject({ code: 'XDS_STREAM_LOST' })
    await clock.advance(20_000)
    await failed
    link.take({ kind: 'answered', number: 1, outcome: { ok: true, value: undefined } })
  })

  it('is a report with the number it was asked with', () => {
    link.take({ kind: 'report', number: 5 })
    expect(said).toEqual([
      { kind: 'report', number: 5, report: { pods: [], connections: [], denials: [], metrics: '# EOF\n' } },
    ])
  })
})
