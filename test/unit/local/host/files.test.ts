import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BoundedLog, findTools, replaceFile } from '../../../../src/local/host/index.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-host-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('files', () => {
  it('that are replaced are new ones, with their mode from the start', () => {
    const path = join(dir, 'key')
    replaceFile(path, 'old')
    const before = statSync(path).ino
    replaceFile(path, 'new')
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777, statSync(path).ino === before]).toEqual([
      'new',
      0o600,
      false,
    ])
  })
})

describe('a bounded log', () => {
  it('keeps one older part when it has grown too long, and writers go on at the start', () => {
    const log = new BoundedLog(join(dir, 'deep', 'a.log'))
    writeSync(log.fd, Buffer.alloc((8 << 20) + 1, 'x'))
    log.trim()
    writeSync(log.fd, 'next\n')
    log.trim()
    expect(readFileSync(log.path, 'utf8')).toBe('next\n')
    expect(statSync(`${log.path}.1`).size).toBe((8 << 20) + 1)
    log.close()
    log.close()
  })
})

describe('tools', () => {
  it('are looked up in PATH, then where administrators have them', () => {
    expect(findTools('').ip).toMatch(/^\/.*\/ip$/)
  })

  it('are programs, not folders or other files, and never relative', () => {
    mkdirSync(join(dir, 'ip'))
    writeFileSync(join(dir, 'unshare'), '')
    chmodSync(join(dir, 'unshare'), 0o644)
    const tools = findTools(`${dir}:relative`)
    expect([tools.ip.startsWith(dir), tools.unshare.startsWith(dir)]).toEqual([false, false])
  })
})
