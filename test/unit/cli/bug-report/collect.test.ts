import { describe, expect, it } from 'vitest'
import { type CollectBounds, collect, type Source } from '../../../../src/cli/bug-report/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const bounds: CollectBounds = { sourceMs: 1000, totalMs: 5000, fileBytes: 10, totalBytes: 25 }
const source = (path: string, read: () => Promise<string>, keeps: Source['keeps'] = 'head'): Source => ({
  path,
  keeps,
  read,
})
const text = (path: string, value: string, keeps?: Source['keeps']): Source => source(path, async () => value, keeps)

describe('what a report collects', () => {
  it('is everything that there is, in order', async () => {
    const { files, outcomes } = await collect([text('a', 'one'), text('b', 'two')], bounds, new FakeClock())
    expect(files).toEqual([
      { path: 'a', text: 'one' },
      { path: 'b', text: 'two' },
    ])
    expect(outcomes).toEqual([
      { path: 'a', bytes: 3, isCut: false, problem: undefined },
      { path: 'b', bytes: 3, isCut: false, problem: undefined },
    ])
  })

  it('lacks what fails, and says why, without what is secret', async () => {
    const failing = source('a', () => Promise.reject(new Error('refused: Bearer abcdefgh12345')))
    const { files, outcomes } = await collect([failing, text('b', 'two')], bounds, new FakeClock())
    expect(files).toEqual([{ path: 'b', text: 'two' }])
    expect(outcomes[0]?.problem).toBe('refused: Bearer [redacted]')
  })

  it('does not wait for what hangs, and tells it to stop', async () => {
    const clock = new FakeClock()
    let stopped = false
    const hanging: Source = {
      path: 'a',
      keeps: 'head',
      read: (signal) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            stopped = true
          })
        }),
    }
    const collecting = collect([hanging, text('b', 'two')], bounds, clock)
    await clock.advance(1000)
    const { files, outcomes } = await collecting
    expect(files).toEqual([{ path: 'b', text: 'two' }])
    expect([outcomes[0]?.problem, stopped]).toEqual(['no answer in 1 s', true])
  })

  it('ends in time, however many hang', async () => {
    const clock = new FakeClock()
    const hanging = Array.from({ length: 100 }, (_, i) => source(`s${i}`, () => new Promise(() => {})))
    const collecting = collect(hanging, bounds, clock)
    await clock.advance(5000)
    const { outcomes } = await collecting
    expect(outcomes).toHaveLength(100)
    expect(outcomes.at(-1)?.problem).toBe('there was no time left')
  })

  it.each([
    ['head', '0123456789'],
    ['tail', '56789abcde'],
  ] as const)('keeps the %s of what is too long', async (keeps, kept) => {
    const { files, outcomes } = await collect([text('a', '0123456789abcde', keeps)], bounds, new FakeClock())
    expect(files).toEqual([{ path: 'a', text: kept }])
    expect(outcomes[0]).toMatchObject({ bytes: 10, isCut: true })
  })

  it('is never larger than the whole may be', async () => {
    const many = ['a', 'b', 'c', 'd'].map((path) => text(path, 'x'.repeat(10)))
    const { files, outcomes } = await collect(many, bounds, new FakeClock())
    expect(files.map(({ text: { length } }) => length)).toEqual([10, 10, 5])
    expect(outcomes[3]?.problem).toBe('the report has its largest size')
  })

  it('hides a secret that would be cut in the middle', async () => {
    const key = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----'
    const { files } = await collect([text('a', key, 'tail')], { ...bounds, fileBytes: 40 }, new FakeClock())
    expect(files[0]?.text).toBe('[redacted] private key')
  })
})
