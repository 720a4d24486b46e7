import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { commandName } from '../../../src/cli/command-name.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-name-'))
  mkdirSync(join(dir, 'bin'))
  writeFileSync(join(dir, 'bin', 'ambit.mjs'), '')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it('the command is called ambit only where PATH leads to this very script', () => {
  const script = join(dir, 'bin', 'ambit.mjs')
  expect(commandName(script, '/nowhere:relative', dir)).toBe('./bin/ambit.mjs')
  symlinkSync(script, join(dir, 'ambit'))
  expect(commandName(script, `/nowhere:${dir}`, dir)).toBe('ambit')
  expect(commandName(join(dir, 'other.mjs'), dir, dir)).toBe('./other.mjs')
})

it('the command is named as seen from here, unless it lies far away', () => {
  const script = join(dir, 'bin', 'ambit.mjs')
  expect(commandName(script, '', join(dir, 'bin'))).toBe('./ambit.mjs')
  expect(commandName(script, '', join(dir, 'other'))).toBe('../bin/ambit.mjs')
  expect(commandName(script, '', join(dir, 'a', 'b', 'c'))).toBe(script)
})
