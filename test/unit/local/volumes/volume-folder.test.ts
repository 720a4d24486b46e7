import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { VolumeFiles } from '../../../../src/local/volumes/files-of-volume.ts'
import { makeEmptyFolder, writeVolume } from '../../../../src/local/volumes/volume-folder.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-volume-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const NOBODY = { group: undefined }
const files = (texts: Readonly<Record<string, string>>, mode = 0o644): VolumeFiles =>
  new Map(Object.entries(texts).map(([path, text]) => [path, { content: Buffer.from(text), mode }]))
const shown = (): readonly string[] =>
  readdirSync(dir)
    .filter((name) => !name.startsWith('..'))
    .sort()
const modeOf = (path: string): string => (statSync(join(dir, path)).mode & 0o7777).toString(8)

describe('a volume on disk', () => {
  it('shows its files through one link that turns at once', () => {
    writeVolume(dir, files({ a: '1', 'deep/b': '2' }), NOBODY)
    const before = readlinkSync(join(dir, '..data'))
    expect(shown()).toEqual(['a', 'deep'])
    expect(readlinkSync(join(dir, 'a'))).toBe('..data/a')
    expect(readFileSync(join(dir, 'deep/b'), 'utf8')).toBe('2')
    writeVolume(dir, files({ a: '3', c: '4' }), NOBODY)
    expect(readlinkSync(join(dir, '..data'))).not.toBe(before)
    expect(shown()).toEqual(['a', 'c'])
    expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('3')
    expect(readdirSync(dir).filter((name) => name.startsWith('..'))).toHaveLength(2)
  })

  it('has the modes that are asked for, whatever the umask', () => {
    const old = process.umask(0o077)
    try {
      writeVolume(dir, files({ a: '', 'deep/b': '' }, 0o640), NOBODY)
      makeEmptyFolder(join(dir, 'empty'), NOBODY)
    } finally {
      process.umask(old)
    }
    expect(['', 'a', 'deep', 'deep/b', 'empty'].map(modeOf)).toEqual(['755', '640', '755', '640', '777'])
  })

  it('lets its group read, and write what can be written', () => {
    const group = process.getgid?.() ?? 0
    writeVolume(dir, files({ a: '' }, 0o400), { group })
    makeEmptyFolder(join(dir, 'empty'), { group })
    expect([modeOf('a'), modeOf('empty')]).toEqual(['440', '2777'])
    expect(statSync(join(dir, 'a')).gid).toBe(group)
  })

  it('shows exactly what was written last, after any changes', () => {
    const names = fc.constantFrom('a', 'b', 'c/d', 'c/e', 'f')
    fc.assert(
      fc.property(fc.array(fc.dictionary(names, fc.string()), { minLength: 1, maxLength: 4 }), (steps) => {
        for (const step of steps) writeVolume(dir, files(step), NOBODY)
        const last = steps.at(-1) ?? {}
        for (const [path, text] of Object.entries(last)) expect(readFileSync(join(dir, path), 'utf8')).toBe(text)
        expect(shown()).toEqual([...new Set(Object.keys(last).map((path) => path.split('/')[0]))].sort())
      }),
      { numRuns: 30 },
    )
  })
})
