import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Authority, openAuthority } from '../../../../src/istiod-lite/ca/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const DAY_MS = 86_400_000

let parent: string
let stateDir: string
let clock: FakeClock
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'ambit-ca-'))
  stateDir = join(parent, 'state')
  clock = new FakeClock()
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

const open = (): Authority => openAuthority({ stateDir, trustDomain: 'cluster.local', rootLifeMs: 10 * DAY_MS }, clock)
const at = (name: string): string => join(stateDir, name)
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('the CA in its state folder', () => {
  it('is made once, closed to others, and is the same ever after', () => {
    const first = open()
    expect([stateDir, at('ca-key.pem'), at('root-cert.pem')].map(modeOf)).toEqual(['700', '600', '644'])
    expect(first.notAfterMs - first.notBeforeMs).toBe(10 * DAY_MS + 120_000)
    const second = open()
    expect(second.rootPem).toBe(first.rootPem)
    expect(second.signer.privateKey.equals(first.signer.privateKey)).toBe(true)
    expect(readFileSync(at('root-cert.pem'), 'utf8')).toBe(first.rootPem)
  })

  it('gets a root for a key that a crash left alone', () => {
    const first = open()
    rmSync(at('root-cert.pem'))
    writeFileSync(at('root-cert.pem.new'), 'half of a certific')
    const second = open()
    expect(second.signer.privateKey.equals(first.signer.privateKey)).toBe(true)
    expect(second.rootPem).not.toBe(first.rootPem)
  })

  const rows: readonly [shows: string, spoil: () => void, reason: string][] = [
    [
      'a key that others may read',
      () => chmodSync(at('ca-key.pem'), 0o640),
      'may be read by others: set its mode to 0600',
    ],
    [
      'a folder that others may write',
      () => chmodSync(stateDir, 0o770),
      'may be written by others: set its mode to 0700',
    ],
    ['a root without its key', () => rmSync(at('ca-key.pem')), 'is there without its key'],
    ['a key that is none', () => writeFileSync(at('ca-key.pem'), 'x'), 'the private key cannot be read'],
    ['a root that is none', () => writeFileSync(at('root-cert.pem'), 'x'), 'does not hold one certificate'],
    [
      'a root of another key',
      () => {
        const mine = readFileSync(at('root-cert.pem'))
        rmSync(at('root-cert.pem'))
        rmSync(at('ca-key.pem'))
        open()
        writeFileSync(at('root-cert.pem'), mine)
      },
      'is no root of the key beside it',
    ],
    [
      'a key behind a link',
      () => {
        renameSync(at('ca-key.pem'), join(parent, 'key'))
        symlinkSync(join(parent, 'key'), at('ca-key.pem'))
      },
      'is a link',
    ],
    ['a root that has expired', () => void clock.advance(11 * DAY_MS), 'has expired'],
  ]
  it.each(rows)('refuses %s, and changes nothing', async (_, spoil, reason) => {
    open()
    spoil()
    const before = ['ca-key.pem', 'root-cert.pem'].map((name) => readIf(at(name)))
    expect(open).toThrow(reason)
    expect(['ca-key.pem', 'root-cert.pem'].map((name) => readIf(at(name)))).toEqual(before)
  })

  it('is made in a folder that is there and closed', () => {
    mkdirSync(stateDir, { mode: 0o755 })
    open()
    expect(modeOf(at('ca-key.pem'))).toBe('600')
  })
})

const readIf = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
