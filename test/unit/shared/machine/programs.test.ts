import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findProgram, withSystemFolders } from '#shared/machine'

describe('a program of the machine', () => {
  let folder = ''

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ambit-programs-'))
    writeFileSync(join(folder, 'sh'), '')
    chmodSync(join(folder, 'sh'), 0o755)
    writeFileSync(join(folder, 'text'), '')
    chmodSync(join(folder, 'text'), 0o644)
    mkdirSync(join(folder, 'folder'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it.each([
    [
      'is taken from the PATH before the folders of the system',
      'sh',
      () => `/nowhere:${folder}`,
      () => join(folder, 'sh'),
    ],
    ['is found in the folders of the system when the PATH has none', 'sh', () => '', () => '/usr/bin/sh'],
    ['is not taken from a folder that depends on where one is', 'sh', () => 'bin:.:', () => '/usr/bin/sh'],
    ['is no file that cannot be run', 'text', () => folder, () => undefined],
    ['is no folder', 'folder', () => folder, () => undefined],
  ])('%s', (_what, name, path, found) => {
    expect(findProgram(name, withSystemFolders(path()))).toBe(found())
  })
})
