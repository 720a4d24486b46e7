import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { openStore, storeDefaults } from '../../src/local/store/index.ts'
import { quietLogger } from '../support/quiet-logger.ts'

const ROUNDS = 100
const KEYS = 100
const MAX_WRITES = 10_000
/** Every tenth round also waits for the disk itself. */
const SYNC_EVERY = 10

const writer = resolve(import.meta.dirname, '../support/store-writer.ts')

/** Lets a writer run until it has told of so many more writes, and kills it. @returns the last one that it told of */
async function writeAndKill(dir: string, sync: 'always' | 'never', writes: number): Promise<number> {
  const child = spawn(process.execPath, ['--conditions=source', writer, dir, sync, String(KEYS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let told = 0
  let last = 0
  for await (const line of createInterface(child.stdout)) {
    last = Math.max(last, Number(line))
    if (++told === writes) child.kill('SIGKILL')
  }
  const [, signal] = await closed
  expect(signal).toBe('SIGKILL')
  return last
}

it(`keeps every acknowledged write when it is killed in the middle, ${ROUNDS} times`, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-crash-'))
  let total = 0
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const sync = round % SYNC_EVERY === 0 ? 'always' : 'never'
      const writes = 1 + Math.floor(systemClock.random() * (sync === 'always' ? 1_000 : MAX_WRITES))
      const acknowledged = await writeAndKill(dir, sync, writes)
      const store = await openStore({ ...storeDefaults, dir }, systemClock, quietLogger)
      expect(store.revision).toBeGreaterThanOrEqual(acknowledged)
      expect(store.damage.filter(({ kind }) => kind !== 'torn-tail')).toEqual([])
      const list = store.list({ resource: '/configmaps' })
      if (list.kind === 'expired') throw new Error('expired')
      // The state is that after exactly the first `revision` writes: each key has the last of its numbers.
      for (const { key, object, revision } of list.items) {
        const index = Number(key.name.slice(1))
        const wanted = store.revision - ((store.revision - index) % KEYS)
        expect([key.name, object.value, revision]).toEqual([key.name, wanted, wanted])
      }
      expect(list.items.length).toBe(Math.min(KEYS, store.revision))
      total = store.revision
      await store.close()
    }
    console.log(`${total} writes, ${ROUNDS} kills`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
