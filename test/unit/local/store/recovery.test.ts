import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type ApiObject,
  openStore,
  type Store,
  type StoreSettings,
  storeDefaults,
} from '../../../../src/local/store/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-store-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const key = (name: string): { resource: string; namespace: string; name: string } => ({
  resource: '/configmaps',
  namespace: 'n',
  name,
})
const object = (name: string, value: string): ApiObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  value,
})
const open = (settings: Partial<StoreSettings> = {}): Promise<Store> =>
  openStore({ ...storeDefaults, sync: 'never', dir, ...settings }, new FakeClock(), quietLogger)

/** name → value, with the revision. */
function stateOf(store: Store): string {
  const list = store.list({ resource: '/configmaps' })
  if (list.kind === 'expired') throw new Error('expired')
  return list.items.map(({ object: { value }, key: { name }, revision }) => `${name}=${value}@${revision}`).join(' ')
}

/** Six writes; the state before each and after the last. */
async function writeSix(): Promise<string[]> {
  const store = await open()
  const states = [stateOf(store)]
  const step = async (write: ReturnType<Store['create']>): Promise<void> => {
    if (write.kind === 'written') await write.durable
    states.push(stateOf(store))
  }
  await step(store.create(key('a'), object('a', 'one')))
  await step(store.create(key('b'), object('b', 'zwölf\n')))
  await step(store.update(key('a'), object('a', 'two')))
  await step(store.delete(key('b')))
  await step(store.create(key('b'), object('b', 'again')))
  await step(store.create(key('c'), object('c', 'x'.repeat(40))))
  await store.close()
  return states
}

const segments = (): string[] => readdirSync(dir).filter((name) => name.startsWith('journal-'))
const damaged = (): string[] => readdirSync(dir).filter((name) => name.startsWith('damaged-'))

describe('a store that opens again', () => {
  it('has what it had, goes on counting, and knows the last changes', async () => {
    const states = await writeSix()
    const store = await open()
    expect(stateOf(store)).toBe(states.at(-1))
    expect([store.revision, store.damage]).toEqual([6, []])
    const seen: string[] = []
    store.watch({ resource: '/configmaps', from: 3 }, ({ kind, stored }) => seen.push(`${kind} ${stored.key.name}`))
    expect(seen).toEqual(['deleted b', 'created b', 'created c'])
    await store.close()
  })

  it('belongs to one process at a time', async () => {
    const store = await open()
    await expect(open()).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await store.close()
    await (await open()).close()
  })

  it('takes no write after its end', async () => {
    const store = await open()
    await store.close()
    expect(store.isWritable).toBe(false)
    expect(() => store.create(key('a'), object('a', ''))).toThrow('closed')
    expect(store.revision).toBe(0)
  })
})

/** Hundreds of stores are opened one after the other. */
const MANY_OPENINGS_MS = 60_000

describe('a journal', { timeout: MANY_OPENINGS_MS }, () => {
  it('that was cut at any byte opens with every whole write, and says what was cut', async () => {
    const states = await writeSix()
    const [segment = ''] = segments()
    const bytes = readFileSync(join(dir, segment))
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(join(dir, segment), bytes.subarray(0, length))
      const store = await open()
      const whole = bytes.subarray(0, length).toString('latin1').split('\n').length - 1
      const isCutInside = length > 0 && bytes[length - 1] !== 0x0a
      expect(stateOf(store), `cut at ${length}`).toBe(states[whole])
      expect(store.damage.map(({ kind }) => kind)).toEqual(isCutInside ? ['torn-tail'] : [])
      expect(damaged()).toEqual([])
      const write = store.create(key('z'), object('z', 'new'))
      expect(write).toMatchObject({ kind: 'written', stored: { revision: whole + 1 } })
      await store.close()
      if (length % 8 !== 0) continue
      const again = await open()
      expect([again.get(key('z'))?.revision, again.damage]).toEqual([whole + 1, []])
      await again.close()
    }
  })

  it('with any one byte spoilt opens with what was before it, keeps the file, and reports it', async () => {
    const states = await writeSix()
    const [segment = ''] = segments()
    const bytes = readFileSync(join(dir, segment))
    for (let at = 0; at < bytes.length; at += 3) {
      for (const name of readdirSync(dir)) rmSync(join(dir, name))
      const spoilt = Buffer.from(bytes)
      spoilt[at] = (spoilt[at] ?? 0) ^ 0x15
      writeFileSync(join(dir, segment), spoilt)
      const store = await open()
      const before = bytes.subarray(0, at).toString('latin1').split('\n').length - 1
      // A spoilt line end of the last record looks as if the record had been cut.
      const isTorn = at === bytes.length - 1
      expect(stateOf(store), `spoilt at ${at}`).toBe(states[before])
      expect(store.damage.map(({ kind }) => kind)).toEqual([isTorn ? 'torn-tail' : 'corrupt'])
      if (!isTorn) {
        expect(readFileSync(join(dir, damaged()[0] ?? '')).equals(spoilt)).toBe(true)
        expect(store.revision).toBeGreaterThan(6)
        expect(store.watch({ resource: undefined, from: 6 }, () => {})).toBe('expired')
      }
      store.create(key('z'), object('z', 'new'))
      const { revision } = store
      await store.close()
      const again = await open()
      expect([again.revision, again.damage, stateOf(again).includes('z=new')]).toEqual([revision, [], true])
      await again.close()
    }
  })
})

describe('compaction', () => {
  const many = async (store: Store, writes: number): Promise<void> => {
    for (let i = 0; i < writes; i++) {
      const name = `k${i % 20}`
      const write =
        store.get(key(name)) === undefined
          ? store.create(key(name), object(name, `${i}`))
          : store.update(key(name), object(name, `${i}`))
      if (write.kind === 'written' && i % 7 === 0) await write.durable
    }
    await store.settled()
  }

  it('leaves two snapshots and the journal behind the older one', async () => {
    const store = await open({ compactAtBytes: 2_000 })
    const snapshots = (): string[] => readdirSync(dir).filter((name) => name.startsWith('snapshot-'))
    // Snapshots are made beside the writes: how many there are by now depends on the disk.
    let rounds = 0
    while (rounds < 12 || snapshots().length < 2) {
      await many(store, 50)
      rounds++
    }
    const state = stateOf(store)
    await store.close()
    expect(snapshots().length).toBe(2)
    // One more when the store was closed in the middle of the next one.
    expect(segments().length).toBeLessThanOrEqual(5)
    const again = await open()
    expect([stateOf(again), again.revision, again.damage]).toEqual([state, rounds * 50, []])
    await again.close()
  })

  it('survives the loss of the newest snapshot', async () => {
    const store = await open({ compactAtBytes: 2_000 })
    for (let i = 0; i < 12; i++) await many(store, 50)
    const state = stateOf(store)
    await store.close()
    const newest =
      readdirSync(dir)
        .filter((name) => name.startsWith('snapshot-'))
        .sort()
        .at(-1) ?? ''
    writeFileSync(join(dir, newest), readFileSync(join(dir, newest)).subarray(0, 300))
    const again = await open()
    expect(stateOf(again)).toBe(state)
    expect(again.damage).toMatchObject([{ kind: 'corrupt', file: newest }])
    await again.close()
  })

  it('that a crash ended half way changes nothing', async () => {
    const states = await writeSix()
    writeFileSync(join(dir, 'snapshot-0000000000000004.log.unfinished'), 'half')
    const store = await open()
    expect([stateOf(store), store.damage]).toEqual([states.at(-1), []])
    expect(readdirSync(dir).some((name) => name.endsWith('.unfinished'))).toBe(false)
    await store.close()
  })
})

describe('the form of the files', () => {
  it('is written down, and files of another form are refused untouched', async () => {
    await writeSix()
    expect(readFileSync(join(dir, 'format'), 'utf8')).toBe('1\n')
    writeFileSync(join(dir, 'format'), '2\n')
    const before = readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')])
    await expect(open()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('written by another version of ambit (format "2", this one reads 1)'),
    })
    expect(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')])).toEqual(before)
  })
})
