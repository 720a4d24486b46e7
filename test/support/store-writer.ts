import { systemClock } from '#shared/clock'
import { openStore, storeDefaults } from '../../src/local/store/index.ts'
import { quietLogger } from './quiet-logger.ts'

/**
 * A process that is there to be killed: writes without end and says each write that it was told is durable.
 * `store-writer.ts <folder> <always|never> <keys>`; write number i sets key i % keys to i, and is revision i.
 */
const [dir = '', sync = 'never', keys = '100'] = process.argv.slice(2)
/** Writes that wait for the disk at once. */
const IN_FLIGHT = 64

const settings = {
  ...storeDefaults,
  dir,
  sync: sync === 'always' ? 'always' : 'never',
  compactAtBytes: 200_000,
} as const
const store = await openStore(settings, systemClock, quietLogger)

async function write(): Promise<void> {
  for (;;) {
    const i = store.revision + 1
    const name = `k${i % Number(keys)}`
    const key = { resource: '/configmaps', namespace: 'n', name }
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, value: i, filler: 'x'.repeat(i % 300) }
    const result = store.get(key) === undefined ? store.create(key, object) : store.update(key, object)
    if (result.kind !== 'written') throw new Error(result.kind)
    await result.durable
    process.stdout.write(`${i}\n`)
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, write))
