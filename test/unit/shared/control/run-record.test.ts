import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimRunRecord, identify, isRunning, newRunRecord, readRunRecord, writeRunRecord } from '#shared/control'

const AT = '2026-01-02T03:04:05.000Z'
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-record-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('the record of a running mesh', () => {
  it('is read back as it was written', () => {
    for (const portOpener of [undefined, identify(process.pid)]) {
      const record = newRunRecord(AT, [identify(process.pid)], portOpener)
      writeRunRecord(dir, record)
      expect(readRunRecord(dir)).toEqual(record)
    }
  })

  it('can be claimed by one start only', () => {
    const record = newRunRecord(AT, [])
    expect([claimRunRecord(dir, record), claimRunRecord(dir, record)]).toEqual([true, false])
  })

  it.each([
    ['no JSON', '{'],
    ['no object', '7'],
    ['no processes', '{"version":"1","bootId":"b","startedAt":"t"}'],
    [
      'process 1, which is never ours to end',
      '{"version":"1","bootId":"b","startedAt":"t","processes":[{"pid":1,"startTicks":1}]}',
    ],
    [
      'a negative pid, which would be a group',
      '{"version":"1","bootId":"b","startedAt":"t","processes":[{"pid":-5,"startTicks":1}]}',
    ],
    [
      'a port opener that is none',
      '{"version":"1","bootId":"b","startedAt":"t","processes":[],"portOpener":{"pid":0,"startTicks":1}}',
    ],
  ])('that holds %s counts as none', (_what, text) => {
    writeFileSync(join(dir, 'run.json'), text)
    expect(readRunRecord(dir)).toBeUndefined()
  })
})

describe('a process identity', () => {
  it('is that of a running process', () => {
    const own = identify(process.pid)
    expect(own !== undefined && isRunning(own)).toBe(true)
  })

  it('is not that of another process with the same pid', () => {
    const own = identify(process.pid)
    expect(own !== undefined && isRunning({ ...own, startTicks: own.startTicks - 1 })).toBe(false)
  })

  it('is undefined for a pid that nobody has', () => {
    expect(identify(2 ** 30)).toBeUndefined()
  })
})
