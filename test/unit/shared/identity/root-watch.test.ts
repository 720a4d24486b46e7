import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { RootWatch } from '#shared/identity'
import { FakeClock } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const pem = (name: string): string => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`

describe('the file of the roots', () => {
  let dir: string
  let path: string
  let changes: number
  let watch: RootWatch | undefined
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-roots-'))
    path = join(dir, 'root-cert.pem')
    changes = 0
  })
  afterEach(async () => {
    await watch?.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const follow = (clock = systemClock): void => {
    watch = new RootWatch({ path, clock, log: quietLogger, onChanged: () => void changes++ })
  }

  it('is noticed at once when it changes, also where a mounted folder is exchanged above it', async () => {
    const mount = (name: string, text: string): void => {
      mkdirSync(join(dir, name))
      writeFileSync(join(dir, name, 'root-cert.pem'), text)
      symlinkSync(name, join(dir, '..data.new'))
      renameSync(join(dir, '..data.new'), join(dir, '..data'))
    }
    mount('one', pem('a'))
    symlinkSync('..data/root-cert.pem', path)
    follow()
    mount('two', pem('b'))
    await expect.poll(() => changes, { timeout: 5_000 }).toBe(1)
  })

  const rows: readonly [shows: string, texts: readonly string[], wanted: number][] = [
    ['is the same when it is written again', [pem('a')], 0],
    ['counts by each change', [pem('b'), pem('a')], 2],
    ['changes nothing while it is empty or half written', ['', '-----BEGIN', pem('a')], 0],
  ]
  it.each(rows)('%s', async (_, texts, wanted) => {
    const clock = new FakeClock()
    writeFileSync(path, pem('a'))
    follow(clock)
    for (const text of texts) {
      writeFileSync(path, text)
      await clock.advance(10_000)
    }
    expect(changes).toBe(wanted)
  })

  it('is nothing new when it comes only after the start: nobody could ask for a certificate before', async () => {
    const clock = new FakeClock()
    follow(clock)
    writeFileSync(path, pem('a'))
    await clock.advance(10_000)
    rmSync(path)
    await clock.advance(10_000)
    expect(changes).toBe(0)
  })
})
