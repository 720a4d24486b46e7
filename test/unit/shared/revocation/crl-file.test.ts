import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import type { RevocationList } from '#shared/pki'
import { CrlFile } from '#shared/revocation'
import { Log, type Logger } from '#shared/telemetry'
import { MemoryCa } from '../../../support/memory-ca.ts'
import { until } from '../../../support/tunnel-ends.ts'

const ca = new MemoryCa()

describe('the file of revocation lists', () => {
  let folder: string
  let path: string
  let file: CrlFile | undefined
  const seen: string[] = []
  const lines: string[] = []

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'crl-'))
    path = join(folder, 'ca.crl')
    seen.length = 0
    lines.length = 0
  })
  afterEach(() => {
    file?.close()
    file = undefined
    rmSync(folder, { recursive: true })
  })

  const open = (at = path): void => {
    const output = { line: (text: string) => void lines.push(text) }
    const log: Logger = new Log({ format: 'plain', filter: 'info', clock: systemClock, output }).logger('revocation')
    const onLists = (lists: readonly RevocationList[]): void => {
      seen.push(lists.map(({ serials }) => [...serials].join(',')).join(';'))
    }
    file = new CrlFile({ path: at, clock: systemClock, log, onLists })
  }

  it('is read at once, and again when it is written or replaced', async () => {
    writeFileSync(path, ca.revoke(['1']))
    open()
    expect(seen).toEqual(['01'])
    writeFileSync(path, ca.revoke(['1', '2']))
    await until(() => seen.length === 2)
    writeFileSync(join(folder, 'new'), ca.revoke(['3']))
    renameSync(join(folder, 'new'), path)
    await until(() => seen.length === 3)
    expect(seen).toEqual(['01', '01,02', '03'])
  })

  it('is followed through the links by which secrets are mounted', async () => {
    for (const [name, serial] of [
      ['..1', '1'],
      ['..2', '2'],
    ] as const) {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, 'ca.crl'), ca.revoke([serial]))
    }
    symlinkSync('..1', join(folder, '..data'))
    symlinkSync('..data/ca.crl', path)
    open()
    symlinkSync('..2', join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    await until(() => seen.length === 2)
    expect(seen).toEqual(['01', '02'])
  })

  it('is waited for when it is not there yet', async () => {
    open()
    expect(seen).toEqual([])
    expect(lines.join()).toContain('revocation lists cannot be read')
    writeFileSync(path, ca.revoke(['1']))
    await until(() => seen.length === 1)
  })

  it('keeps what it said last when it goes bad or goes away', async () => {
    writeFileSync(path, ca.revoke(['1']))
    open()
    writeFileSync(path, 'nonsense')
    await until(() => lines.some((line) => line.includes('last good ones stay')))
    unlinkSync(path)
    await until(() => lines.some((line) => line.includes('ENOENT')))
    expect(seen).toEqual(['01'])
    writeFileSync(path, ca.revoke(['2']))
    await until(() => seen.length === 2)
  })

  it('is told of when it is past its next update, and counts all the same', () => {
    writeFileSync(path, ca.revoke(['1'], 'signer', { thisUpdateMs: 1_000, nextUpdateMs: 2_000 }))
    open()
    expect(seen).toEqual(['01'])
    expect(lines.join()).toContain('past their next update')
  })

  it('in a folder that is not there is told of, and does not stop the start', () => {
    open(join(folder, 'missing', 'ca.crl'))
    expect(lines.join()).toContain('changes of revocation lists are noticed late')
  })
})
