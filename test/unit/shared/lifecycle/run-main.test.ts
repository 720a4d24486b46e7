import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { type DrainOrder, type MainControl, type MainProcess, type RunningProgram, runMain } from '#shared/lifecycle'
import { FakeClock, settle } from '../../../support/fake-clock.ts'

class FakeProcess implements MainProcess {
  readonly listeners = new Map<string, (thrown?: unknown) => void>()
  readonly exits: number[] = []
  on(event: string, listener: (thrown: never) => void): void {
    this.listeners.set(event, listener as (thrown?: unknown) => void)
  }
  exit(code: number): void {
    this.exits.push(code)
  }
  emit(event: string, thrown?: unknown): void {
    this.listeners.get(event)?.(thrown)
  }
}

function run(program: Partial<RunningProgram> | Error) {
  const process = new FakeProcess()
  const clock = new FakeClock()
  const lines: string[] = []
  const orders: DrainOrder[] = []
  let control: MainControl | undefined
  let unhandled = 0
  const ended = runMain(
    async (given) => {
      control = given
      if (program instanceof Error) throw program
      return {
        drain: async (order) => {
          orders.push(order)
          await program.drain?.(order)
        },
        close: async () => program.close?.(),
      }
    },
    {
      clock,
      process,
      log: { info: (text) => lines.push(text), error: (text) => lines.push(`E ${text.split('\n')[0]}`) },
      drainDeadlineMs: 5000,
      onUnhandled: () => unhandled++,
      flush: async () => void lines.push('flushed'),
    },
  )
  return { process, clock, lines, orders, ended, stop: () => control, unhandled: () => unhandled }
}

describe('runMain', () => {
  it('drains gracefully on a signal, writes logs out and exits 0', async () => {
    const main = run({})
    await settle()
    main.process.emit('SIGTERM')
    await main.ended
    expect(main.orders).toEqual([{ mode: 'graceful', deadlineMs: 5000 }])
    expect(main.process.exits).toEqual([0])
    expect(main.lines).toEqual(['draining for up to 5000 ms: SIGTERM', 'drained', 'flushed'])
  })

  it('ends at once with 0 on a signal that comes while it drains', async () => {
    const main = run({ drain: () => new Promise(() => {}) })
    await settle()
    main.process.emit('SIGTERM')
    await settle()
    main.process.emit('SIGINT')
    await settle()
    expect(main.process.exits).toEqual([0])
  })

  it('does not wait for a drain that never ends', async () => {
    const main = run({ drain: () => new Promise(() => {}) })
    await settle()
    main.process.emit('SIGTERM')
    await settle()
    await main.clock.advance(7000)
    await main.ended
    expect(main.lines).toContain('E the drain did not end in time')
    expect(main.process.exits).toEqual([0])
  })

  it('tells an expected failure of the start in one sentence and exits 1', async () => {
    const main = run(new MeshError('PRIVILEGE_MISSING', 'CAP_NET_ADMIN is missing: run as root'))
    await main.ended
    expect(main.lines).toEqual(['E CAP_NET_ADMIN is missing: run as root', 'flushed'])
    expect(main.process.exits).toEqual([1])
  })

  it('ends at once, without a drain, when the program asks for another exit code', async () => {
    const main = run({})
    await settle()
    main.stop()?.stop({ reason: 'protocol error', exitCode: 1 })
    await main.ended
    expect(main.orders).toEqual([])
    expect(main.process.exits).toEqual([1])
  })

  it('tells and counts what nobody handled, and goes on', async () => {
    const main = run({})
    await settle()
    main.process.emit('unhandledRejection', new Error('a bug'))
    main.process.emit('uncaughtException', 'another')
    expect(main.unhandled()).toBe(2)
    expect(main.lines).toEqual(['E unhandled: Error: a bug', 'E unhandled: another'])
    expect(main.process.exits).toEqual([])
  })
})
