import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AuthorityKeeper } from '../../../../src/istiod-lite/authority/index.ts'
import { fingerprintOf, readIssuer, rootNames } from '../../../../src/istiod-lite/authority/material.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryCaStore } from '../../../support/memory-ca-store.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const LIFE_MS = 600_000
const REFRESH_MS = 60_000

/** What a peer shows, and what it takes. */
interface Leaf {
  readonly root: string
  readonly trusted: readonly string[]
  readonly notAfterMs: number
}

type Action =
  | { readonly kind: 'rotate' | 'end' | 'kill' | 'api'; readonly replica: number }
  | { readonly kind: 'renew' | 'renew, answer lost'; readonly replica: number; readonly peer: number }
  | { readonly kind: 'time'; readonly steps: number }

const REPLICAS = 3
const PEERS = 4
const replica = fc.nat({ max: REPLICAS - 1 })
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('rotate', 'kill'), replica }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('end', 'api'), replica }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('renew', 'renew, answer lost'),
      replica,
      peer: fc.nat({ max: PEERS - 1 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('time' as const), steps: fc.integer({ min: 1, max: 12 }) }) },
)

class World {
  readonly clock = new FakeClock()
  readonly store = new MemoryCaStore()
  readonly replicas: AuthorityKeeper[] = []
  readonly leaves: (Leaf | undefined)[] = Array.from({ length: PEERS }, () => undefined)
  #requests = 0
  leader = 0

  async start(at: number): Promise<void> {
    const keeper = new AuthorityKeeper(
      {
        trustDomain: 'cluster.local',
        rootLifeMs: 3650 * 86_400_000,
        usualLifeMs: LIFE_MS,
        refreshMs: REFRESH_MS,
        propagationMs: REFRESH_MS,
      },
      {
        store: this.store.seenBy(String(at)),
        pluggedIn: [],
        isLeader: () => this.replicas[this.leader] === keeper,
        clock: this.clock,
        logger: quietLogger,
      },
    )
    this.replicas[at] = keeper
    await keeper.start()
  }

  async pass(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      await this.clock.advance(REFRESH_MS / 2)
      // Looks of several replicas that go on at once.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      this.leaves.forEach((leaf, peer) => {
        if (leaf !== undefined && leaf.notAfterMs <= this.clock.nowMs()) this.leaves[peer] = undefined
      })
      this.check()
    }
  }

  /** @returns whether there was an answer */
  async issue(from: number, peer: number, isLost = false): Promise<boolean> {
    const keeper = this.replicas[from]
    const notAfterMs = this.clock.nowMs() + LIFE_MS
    try {
      await keeper?.reserve(LIFE_MS)
    } catch {
      return false
    }
    if (keeper?.view === undefined) return false
    const { current } = keeper
    keeper.issued({ holder: `node-${peer}`, id: 'spiffe://x', revision: current.revision, notAfterMs })
    const { root } = readIssuer(keeper.view.state.signing)
    if (!isLost) this.leaves[peer] = { root: fingerprintOf(root), trusted: rootNames(current.rootsPem), notAfterMs }
    this.check()
    return true
  }

  async act(taken: Action): Promise<void> {
    switch (taken.kind) {
      case 'rotate':
        this.store.request = `request ${++this.#requests}`
        this.leader = taken.replica
        return
      case 'api':
        this.store.toggle(String(taken.replica))
        return
      case 'end':
      case 'kill':
        // Who is killed says no last word, and its timers are gone.
        if (taken.kind === 'kill') this.store.cut(String(taken.replica))
        await this.replicas[taken.replica]?.close()
        this.store.join(String(taken.replica))
        return this.start(taken.replica)
      case 'renew':
        return void (await this.issue(taken.replica, taken.peer))
      case 'renew, answer lost':
        if (await this.issue(taken.replica, taken.peer, true))
          for (let other = 0; other < REPLICAS; other++) if (await this.issue(other, taken.peer)) return
        return
      case 'time':
        return this.pass(taken.steps)
    }
  }

  /** Everybody can verify everybody. */
  check(): void {
    const held = this.leaves.filter((leaf) => leaf !== undefined)
    for (const one of held)
      for (const other of held) expect(one.trusted, 'roots of one, against the root of another').toContain(other.root)
  }
}

it('never leaves a peer with a certificate that another peer cannot verify, whatever restarts, renews or fails', async () => {
  let rotations = 0
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 40, size: 'max' }), async (actions) => {
      const world = new World()
      for (let at = 0; at < REPLICAS; at++) await world.start(at)
      for (let peer = 0; peer < PEERS; peer++) await world.issue(peer % REPLICAS, peer)
      for (const taken of actions) await world.act(taken)
      // Left alone, every rotation comes to its end.
      for (let at = 0; at < REPLICAS; at++) world.store.join(String(at))
      world.leader = 0
      for (let waited = 0; waited < 80; waited++) {
        await world.pass(2)
        for (let peer = 0; peer < PEERS; peer++) await world.issue(peer % REPLICAS, peer)
        if (waited > 2 && world.replicas[0]?.view?.state.phase.kind === 'steady') break
      }
      const state = world.replicas[0]?.view?.state
      expect(state?.phase.kind).toBe('steady')
      rotations += ((state?.revision ?? 1) - 1) / 4
      for (const keeper of world.replicas) await keeper.close()
    }),
    { numRuns: Number(process.env.AMBIT_FUZZ_RUNS ?? 60) },
  )
  expect(rotations).toBeGreaterThan(10)
}, 120_000)
