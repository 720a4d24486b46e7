import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { identify, newRunRecord, writeRunRecord } from '#shared/control'
import {
  claimFolder,
  keepApiPort,
  lastApiPort,
  purgeState,
  removePassing,
  runningProcesses,
  stateIn,
} from '../../../../src/cli/client/index.ts'

const AT = '2026-01-02T03:04:05.000Z'
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-state-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('the folder of a mesh', () => {
  it("is made for its owner only, and this process is the mesh's from then on", () => {
    const state = join(dir, 'deep', 'state')
    claimFolder(state, AT)
    expect(statSync(state).mode & 0o777).toBe(0o700)
    expect(runningProcesses(state).map(({ pid }) => pid)).toEqual([process.pid])
  })

  it('is claimed by one start only', () => {
    claimFolder(join(dir, 'state'), AT)
    expect(() => claimFolder(join(dir, 'state'), AT)).toThrow('another mesh is being started')
  })

  it("is refused when somebody else's files are in it", () => {
    writeFileSync(join(dir, 'thesis.txt'), '')
    expect(() => claimFolder(dir, AT)).toThrow(/holds files that are not a mesh's \(thesis.txt\)/)
    expect(readdirSync(dir)).toEqual(['thesis.txt'])
  })

  it('loses on the way down all but objects and keys, and with them only when it is purged', () => {
    const state = join(dir, 'state')
    claimFolder(state, AT)
    for (const name of ['logs', 'store', 'pki', 'istiod', 'pods']) {
      mkdirSync(join(state, name))
      writeFileSync(join(state, name, 'file'), '')
    }
    expect(stateIn(state)).toBe('passing')
    removePassing(state)
    expect([readdirSync(state), stateIn(state)]).toEqual([['istiod', 'pki', 'store'], 'kept'])
    purgeState(state)
    expect([existsSync(state), stateIn(state)]).toEqual([false, 'nothing'])
  })

  it("keeps somebody else's files whatever is removed, and goes when a mesh ended before it had anything to keep", () => {
    const state = join(dir, 'state')
    claimFolder(state, AT)
    mkdirSync(join(state, 'store'))
    writeFileSync(join(state, 'mine'), '')
    purgeState(state)
    expect(readdirSync(state)).toEqual(['mine'])
    rmSync(join(state, 'mine'))
    mkdirSync(join(state, 'store'))
    removePassing(state)
    expect(existsSync(state)).toBe(false)
  })

  it('remembers the port of the API beside its authority', () => {
    expect(lastApiPort(dir)).toBeUndefined()
    keepApiPort(dir, 6443)
    removePassing(dir)
    expect(lastApiPort(dir)).toBe(6443)
    for (const torn of ['', '0', '70000', 'x']) {
      writeFileSync(join(dir, 'pki', 'api-port'), torn)
      expect(lastApiPort(dir)).toBeUndefined()
    }
  })

  it('has no running mesh when the pid was given to another process, or the machine has been started anew', () => {
    const own = identify(process.pid)
    if (own === undefined) throw new Error('this process runs')
    writeRunRecord(dir, newRunRecord(AT, [{ ...own, startTicks: own.startTicks - 1 }]))
    expect(runningProcesses(dir)).toEqual([])
    writeRunRecord(dir, { ...newRunRecord(AT, [own]), bootId: 'another boot' })
    expect(runningProcesses(dir)).toEqual([])
  })
})
