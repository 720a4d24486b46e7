import { describe, expect, it } from 'vitest'
import { CertificateManager } from '#shared/identity'
import type { SpiffeId } from '#shared/model'
import type { WorkloadCertificate } from '#shared/pki'
import { RecordedLog } from '../../../support/ads-peer.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { type IssueSettings, MemoryCa } from '../../../support/memory-ca.ts'

interface Setup {
  readonly clock: FakeClock
  readonly manager: CertificateManager
  readonly log: RecordedLog
  /** What has been asked of the CA, in order. */
  readonly asked: SpiffeId[]
  readonly id: (serviceAccount: string) => SpiffeId
  /** From now on: how the CA answers. */
  answer: 'good' | 'down' | 'silent'
  issue: IssueSettings
}

function setUp(issue: IssueSettings = {}): Setup {
  const clock = new FakeClock()
  const ca = new MemoryCa({ clock })
  const log = new RecordedLog()
  const asked: SpiffeId[] = []
  const manager = new CertificateManager({
    clock,
    log,
    fetch: (id) => {
      asked.push(id)
      if (setup.answer === 'silent') return new Promise(() => {})
      if (setup.answer === 'down') return Promise.reject(new Error('CA down'))
      return Promise.resolve(ca.issue(id, setup.issue))
    },
  })
  const setup: Setup = {
    clock,
    manager,
    log,
    asked,
    id: (serviceAccount) => ca.id('shop', serviceAccount),
    answer: 'good',
    issue,
  }
  return setup
}

const unavailable = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'CERTIFICATE_UNAVAILABLE', message: expect.stringMatching(message) })

describe('a certificate', () => {
  it('is fetched once for all who ask, and kept', async () => {
    const { manager, asked, id } = setUp()
    const [a, b] = await Promise.all([manager.certificate(id('web')), manager.certificate(id('web'))])
    expect(a).toBe(b)
    expect(await manager.certificate(id('web'))).toBe(a)
    expect(asked).toEqual([id('web')])
  })

  it('is there before a connection needs it when its pod was announced', async () => {
    const { manager, asked, id } = setUp()
    manager.warmUp(id('web'))
    manager.warmUp(id('web'))
    await settle()
    expect(asked).toEqual([id('web')])
    expect(manager.list().map((one) => one.state)).toEqual(['Available'])
  })

  it('is forgotten with the last pod that has its identity', async () => {
    const { manager, asked, id } = setUp()
    manager.warmUp(id('web'))
    manager.warmUp(id('web'))
    await settle()
    manager.forget(id('web'))
    expect(manager.list()).toHaveLength(1)
    manager.forget(id('web'))
    manager.forget(id('web'))
    expect(manager.list()).toEqual([])
    await manager.certificate(id('web'))
    expect(asked).toHaveLength(2)
  })

  it('for a pod that left and came back during the fetch is fetched again', async () => {
    const setup = setUp()
    const { manager, asked, id } = setup
    setup.answer = 'silent'
    manager.warmUp(id('web'))
    manager.forget(id('web'))
    setup.answer = 'good'
    manager.warmUp(id('web'))
    await settle()
    expect(asked).toHaveLength(2)
    expect(manager.list()[0]?.state).toBe('Available')
  })

  it('never leaves a key or token in the log', async () => {
    const setup = setUp()
    await setup.manager.certificate(setup.id('web'))
    expect(setup.log.text).toContain('certificate fetched')
    expect(setup.log.text).not.toContain('PRIVATE KEY')
  })
})

describe('a renewal', () => {
  it('happens at half of the life, and is told', async () => {
    const { manager, clock, asked, id } = setUp({ ttlMs: 20_000 })
    const renewed: WorkloadCertificate[] = []
    manager.onRenewed((certificate) => void renewed.push(certificate))
    manager.warmUp(id('web'))
    await settle()
    const first = await manager.certificate(id('web'))
    await clock.advance(9_999)
    expect(await manager.certificate(id('web'))).toBe(first)
    await clock.advance(1)
    const second = await manager.certificate(id('web'))
    expect(second.leaf.serialNumber).not.toBe(first.leaf.serialNumber)
    expect(renewed).toEqual([second])
    expect(asked).toHaveLength(2)
  })

  it('goes on for hours with a life of 20 s, without one moment without a valid certificate', async () => {
    const { manager, clock, asked, id } = setUp({ ttlMs: 20_000, backdateMs: 120_000 })
    manager.warmUp(id('web'))
    await settle()
    for (let i = 0; i < 720; i++) {
      await clock.advance(5_000)
      const { leaf } = await manager.certificate(id('web'))
      expect(leaf.notAfterMs).toBeGreaterThan(clock.nowMs())
    }
    expect(asked.length).toBeGreaterThan(180)
    expect(asked.length).toBeLessThan(600)
  })

  it('that fails leaves the old certificate in use until it expires, and is tried again and again', async () => {
    const setup = setUp({ ttlMs: 60_000 })
    const { manager, clock, asked, id } = setup
    manager.warmUp(id('web'))
    await settle()
    const first = await manager.certificate(id('web'))
    setup.answer = 'down'
    await clock.advance(59_999)
    expect(await manager.certificate(id('web'))).toBe(first)
    expect(manager.list()[0]?.state).toBe('Available')
    // At 30 s, then after 1, 2, 4, 8 s; the next would be past the end and comes at the end.
    expect(asked).toHaveLength(1 + 5)
    await clock.advance(1)
    await expect(manager.certificate(id('web'))).rejects.toThrowError(unavailable(/CA down/))
    expect(manager.list()[0]?.state).toMatch(/^Unavailable: .*CA down/)
    setup.answer = 'good'
    await clock.advance(180_000)
    expect((await manager.certificate(id('web'))).leaf.notAfterMs).toBeGreaterThan(clock.nowMs())
  })

  it('is not made for an identity that no pod has and no connection asks for', async () => {
    const { manager, clock, asked, id } = setUp({ ttlMs: 20_000 })
    await manager.certificate(id('web'))
    await clock.advance(10_000)
    expect(asked).toHaveLength(2)
    await clock.advance(10_000)
    expect(asked).toHaveLength(2)
    expect(manager.list()).toEqual([])
  })

  it('of a certificate that lives for a year is made at half of it', async () => {
    const { manager, clock, asked, id } = setUp({ ttlMs: 366 * 86_400_000 })
    manager.warmUp(id('web'))
    await settle()
    await clock.advance(182 * 86_400_000)
    expect(asked).toHaveLength(1)
    await clock.advance(2 * 86_400_000)
    expect(asked).toHaveLength(2)
  })
})

describe('without a certificate', () => {
  it('callers get the last error at once, and bring no retry forward', async () => {
    const setup = setUp()
    setup.answer = 'down'
    const { manager, clock, asked, id } = setup
    await expect(manager.certificate(id('web'))).rejects.toThrowError(unavailable(/CA down/))
    for (let i = 0; i < 5; i++)
      await expect(manager.certificate(id('web'))).rejects.toThrowError(unavailable(/CA down/))
    expect(asked).toHaveLength(1)
    await clock.advance(1_000)
    expect(asked).toHaveLength(2)
  })

  it('a CA that does not answer is given up after 10 s', async () => {
    const setup = setUp()
    setup.answer = 'silent'
    const { manager, clock, id } = setup
    const waiting = manager.certificate(id('web'))
    const refused = expect(waiting).rejects.toThrowError(unavailable(/did not answer within 10000 ms/))
    expect(manager.list()[0]?.state).toBe('Initializing')
    await clock.advance(10_000)
    await refused
  })

  it('no caller waits longer than 15 s, however long the queue is', async () => {
    const setup = setUp()
    setup.answer = 'silent'
    const { manager, clock, id } = setup
    const waiting = Array.from({ length: 20 }, (_, i) => manager.certificate(id(`a${i}`)))
    const settled = Promise.allSettled(waiting)
    await clock.advance(15_000)
    expect((await settled).every((one) => one.status === 'rejected')).toBe(true)
  })

  it('a jump of the clock past its end makes a certificate unusable at once', async () => {
    const { manager, clock, id } = setUp({ ttlMs: 20_000 })
    manager.warmUp(id('web'))
    await settle()
    const frozen = clock.nowMs.bind(clock)
    clock.nowMs = () => frozen() + 3_600_000
    await expect(manager.certificate(id('web'))).rejects.toThrowError(unavailable(/it expired at/))
    await clock.advance(0)
    await settle()
    expect((await manager.certificate(id('web'))).leaf.notAfterMs).toBeGreaterThan(clock.nowMs())
  })

  it.each([
    ['forward', 600_000],
    ['back', -600_000],
  ])('a clock that is set ten minutes %s cuts nobody off, and renewals go on', async (_, stepMs) => {
    const { manager, clock, id, asked } = setUp({ ttlMs: 3_600_000 })
    manager.warmUp(id('web'))
    await settle()
    const real = clock.nowMs.bind(clock)
    clock.nowMs = () => real() + stepMs
    for (let minute = 0; minute < 120; minute++) {
      await clock.advance(60_000)
      const { leaf } = await manager.certificate(id('web'))
      expect(leaf.notAfterMs).toBeGreaterThan(clock.nowMs())
    }
    expect(asked.length).toBeGreaterThanOrEqual(3)
  })

  it('a clock that was far ahead and is set right again keeps no retry waiting', async () => {
    const setup = setUp({ ttlMs: 3_600_000 })
    const { manager, clock, id, asked } = setup
    manager.warmUp(id('web'))
    await settle()
    const real = clock.nowMs.bind(clock)
    clock.nowMs = () => real() + 7_200_000
    setup.answer = 'down'
    await expect(manager.certificate(id('web'))).rejects.toThrowError(unavailable(/it expired at/))
    await clock.advance(0)
    await settle()
    expect(asked).toHaveLength(2)
    clock.nowMs = real
    setup.answer = 'good'
    await clock.advance(1_000)
    await settle()
    expect(asked).toHaveLength(3)
    expect((await manager.certificate(id('web'))).leaf.notAfterMs).toBeGreaterThan(clock.nowMs())
  })

  it('a clock that is set ahead of half of a life brings the renewal forward, while the old one is used', async () => {
    const { manager, clock, id, asked } = setUp({ ttlMs: 3_600_000 })
    manager.warmUp(id('web'))
    await settle()
    const current = manager.list()[0]?.certificate
    const real = clock.nowMs.bind(clock)
    clock.nowMs = () => real() + 2_000_000
    expect(await manager.certificate(id('web'))).toBe(current)
    await settle()
    expect(asked).toHaveLength(2)
  })

  it('those who wait are told when their identity leaves or the tunnel ends', async () => {
    const setup = setUp()
    setup.answer = 'silent'
    const { manager, clock, id } = setup
    manager.warmUp(id('web'))
    const web = manager.certificate(id('web'))
    const cart = manager.certificate(id('cart'))
    const refused = Promise.all([
      expect(web).rejects.toThrowError(unavailable(/left the node/)),
      expect(cart).rejects.toThrowError(unavailable(/left the node/)),
    ])
    manager.forget(id('web'))
    await manager.close()
    await refused
    await expect(manager.certificate(id('web'))).rejects.toThrowError(unavailable(/shutting down/))
    await settle()
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('roots that change', () => {
  it('have every certificate fetched anew, each in use until its successor is there', async () => {
    const setup = setUp()
    const { manager, asked, id } = setup
    const before = await Promise.all([manager.certificate(id('web')), manager.certificate(id('cart'))])
    setup.answer = 'silent'
    manager.renewAll()
    expect(asked).toHaveLength(4)
    expect(await manager.certificate(id('web'))).toBe(before[0])
    setup.answer = 'good'
    await setup.clock.advance(20_000)
    expect(await manager.certificate(id('web'))).not.toBe(before[0])
    expect(await manager.certificate(id('cart'))).not.toBe(before[1])
  })

  it('have a fetch that was under way followed by another, whose answer is certain to be of the new roots', async () => {
    const { manager, asked, id } = setUp()
    const first = manager.certificate(id('web'))
    manager.renewAll()
    manager.renewAll()
    const old = await first
    await settle()
    await settle()
    expect(asked).toHaveLength(2)
    expect(await manager.certificate(id('web'))).not.toBe(old)
  })

  it('bring no retry of a failed fetch forward', async () => {
    const setup = setUp()
    setup.answer = 'down'
    await expect(setup.manager.certificate(setup.id('web'))).rejects.toThrow('CA down')
    setup.manager.renewAll()
    await settle()
    expect(setup.asked).toHaveLength(1)
  })
})
