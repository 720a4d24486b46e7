import type { HeaderChanges } from '#shared/l7'
import type { Fields } from '../codec/index.ts'
import { octets } from '../route/index.ts'

/**
 * Fields that say where a message ends or what its connection does. They are the codec's: a rule that could change them
 * could make one request look like two.
 */
const OF_THE_CODEC: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Set, add, remove, in this order. */
export function changeFields(fields: Fields, changes: HeaderChanges): void {
  for (const { name, value } of changes.set) if (mayChange(name, value)) fields.set(name, octets(value))
  for (const { name, value } of changes.add) if (mayChange(name, value)) fields.add(name, octets(value))
  for (const name of changes.remove) if (!OF_THE_CODEC.has(name)) fields.remove(name)
}

export function changesNothing({ set, add, remove }: HeaderChanges): boolean {
  return set.length + add.length + remove.length === 0
}

function mayChange(name: string, value: string): boolean {
  return !OF_THE_CODEC.has(name) && !BREAKS_LINES.test(value)
}

const BREAKS_LINES = /[\0\r\n]/
