import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { identify, newRunRecord, writeRunRecord } from '#shared/control'
import { claimFolder, hasState, removeState, runningProcesses } from '../../../../src/cli/client/index.ts'

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

  it('loses only what a mesh keeps in it, and goes when nothing else is there', () => {
    claimFolder(join(dir, 'state'), AT)
    mkdirSync(join(dir, 'state', 'logs'))
    writeFileSync(join(dir, 'state', 'mine'), '')
    removeState(join(dir, 'state'))
    expect(readdirSync(join(dir, 'state'))).toEqual(['mine'])
    rmSync(join(dir, 'state', 'mine'))
    removeState(join(dir, 'state'))
    expect([existsSync(join(dir, 'state')), hasState(join(dir, 'state'))]).toEqual([false, false])
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
