import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LiveFolder } from '../../../../src/local/objects/index.ts'
import { objectsOf } from './samples.ts'

let dir = ''
let folder = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-live-'))
  folder = join(dir, 'objects')
  mkdirSync(join(dir, 'beside'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const namespaces = (...names: readonly string[]): ReturnType<typeof objectsOf> =>
  objectsOf(names.map((name) => `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }`).join('\n---\n'))

describe('the folder of live objects', () => {
  it('holds one file for each object, and none for those that left', () => {
    const live = new LiveFolder(folder, join(dir, 'beside'))
    live.write(namespaces('a', 'b'))
    live.write(namespaces('b', 'c'))
    expect(readdirSync(folder).sort()).toEqual(['namespace_b.yaml', 'namespace_c.yaml'])
    expect(readFileSync(join(folder, 'namespace_c.yaml'), 'utf8')).toContain('name: c')
  })

  it('does not touch what stays the same', () => {
    const live = new LiveFolder(folder, join(dir, 'beside'))
    live.write(namespaces('a'))
    const before = statSync(join(folder, 'namespace_a.yaml')).ino
    live.write(namespaces('a', 'b'))
    expect(statSync(join(folder, 'namespace_a.yaml')).ino).toBe(before)
  })
})
