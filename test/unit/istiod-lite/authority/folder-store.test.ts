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
import {
  type Authority,
  AuthorityKeeper,
  FolderStore,
  keepTrustFiles,
} from '../../../../src/istiod-lite/authority/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const DAY_MS = 86_400_000

let parent: string
let stateDir: string
let clock: FakeClock
let keepers: AuthorityKeeper[]
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'ambit-ca-'))
  stateDir = join(parent, 'state')
  clock = new FakeClock()
  keepers = []
})
afterEach(async () => {
  await Promise.all(keepers.map((keeper) => keeper.close()))
  rmSync(parent, { recursive: true, force: true })
})

const open = async (): Promise<Authority> => {
  const settings = {
    trustDomain: 'cluster.local',
    rootLifeMs: 10 * DAY_MS,
    usualLifeMs: DAY_MS,
    refreshMs: 5_000,
    propagationMs: 5_000,
  }
  const store = new FolderStore(stateDir)
  const keeper = new AuthorityKeeper(settings, {
    store,
    pluggedIn: [],
    isLeader: () => true,
    clock,
    logger: quietLogger,
  })
  keepers.push(keeper)
  await keeper.start()
  keepTrustFiles(stateDir, keeper, quietLogger)
  await keeper.ready
  return keeper.current
}
const at = (name: string): string => join(stateDir, name)
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('the CA in a folder', () => {
  it('is made once, closed to others, and is the same ever after', async () => {
    const first = await open()
    expect([stateDir, at('ca.json'), at('root-cert.pem')].map(modeOf)).toEqual(['700', '600', '644'])
    expect(first.notAfterMs).toBe(clock.nowMs() + 10 * DAY_MS)
    const second = await open()
    expect(second.rootsPem).toBe(first.rootsPem)
    expect(second.signer.privateKey.equals(first.signer.privateKey)).toBe(true)
    expect(readFileSync(at('root-cert.pem'), 'utf8')).toBe(first.rootsPem)
  })

  it('takes no notice of half of a change that a crash left', async () => {
    const first = await open()
    writeFileSync(at('ca.json.new'), '{"ca-cert.pem": "half of a certific')
    expect((await open()).rootsPem).toBe(first.rootsPem)
  })

  const change = (edit: (texts: Record<string, string>) => void): void => {
    const texts = JSON.parse(readFileSync(at('ca.json'), 'utf8')) as Record<string, string>
    edit(texts)
    writeFileSync(at('ca.json'), JSON.stringify(texts))
  }
  const rows: readonly [shows: string, spoil: () => void, reason: string][] = [
    [
      'a file that others may read',
      () => chmodSync(at('ca.json'), 0o640),
      'may be read by others: set its mode to 0600',
    ],
    [
      'a folder that others may write',
      () => chmodSync(stateDir, 0o770),
      'may be written by others: set its mode to 0700',
    ],
    ['a file that is no JSON', () => writeFileSync(at('ca.json'), '{'), 'is no JSON'],
    ['a file of something else', () => writeFileSync(at('ca.json'), '[1]'), 'is no file of a CA'],
    ['a CA without its key', () => change((texts) => delete texts['ca-key.pem']), 'ca-key.pem is missing'],
    ['a key that is none', () => change((texts) => (texts['ca-key.pem'] = 'x')), 'the private key cannot be read'],
    [
      'a phase that is not known',
      () => change((texts) => (texts['ambit-state.json'] = '{"revision":1,"sinceMs":0}')),
      'no phase',
    ],
    ['a state that is none', () => change((texts) => (texts['ambit-state.json'] = 'x')), 'is no JSON object'],
    [
      'a certificate of another key',
      () => {
        const mine = readFileSync(at('ca.json'), 'utf8')
        change((texts) => (texts['ca-cert.pem'] = otherCertificate))
        expect(readFileSync(at('ca.json'), 'utf8')).not.toBe(mine)
      },
      'is for another key',
    ],
    [
      'a file behind a link',
      () => {
        renameSync(at('ca.json'), join(parent, 'ca.json'))
        symlinkSync(join(parent, 'ca.json'), at('ca.json'))
      },
      'is a link',
    ],
  ]
  let otherCertificate = ''
  it.each(rows)('refuses %s, and changes nothing', async (_, spoil, reason) => {
    otherCertificate = await open().then(({ rootsPem }) => rootsPem)
    await keepers.pop()?.close()
    rmSync(at('ca.json'))
    await open()
    await keepers.pop()?.close()
    spoil()
    const before = readFileSync(at('ca.json'), 'utf8')
    await expect(open()).rejects.toThrow(reason)
    keepers = []
    expect(readFileSync(at('ca.json'), 'utf8')).toBe(before)
  })

  it('is made in a folder that is there and closed', async () => {
    mkdirSync(stateDir, { mode: 0o755 })
    await open()
    expect(modeOf(at('ca.json'))).toBe('600')
  })
})
