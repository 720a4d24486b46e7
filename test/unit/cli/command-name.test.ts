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

it('the command is called npx ambit where npm finds it: in its own package, and in folders that npm adds to PATH', () => {
  const script = join(dir, 'bin', 'ambit.mjs')
  const added = join(dir, 'node_modules', '.bin')
  mkdirSync(added, { recursive: true })
  symlinkSync(script, join(added, 'ambit'))
  expect(commandName(script, `/nowhere:${added}`, '/')).toBe('npx ambit')
  writeFileSync(join(dir, 'package.json'), '{}')
  expect(commandName(script, '/nowhere', dir)).toBe('npx ambit')
  expect(commandName(script, '/nowhere', join(dir, 'bin'))).toBe('./ambit.mjs')
})

it('the command is named as seen from here, unless it lies far away', () => {
  const script = join(dir, 'bin', 'ambit.mjs')
  expect(commandName(script, '', join(dir, 'bin'))).toBe('./ambit.mjs')
  expect(commandName(script, '', join(dir, 'other'))).toBe('../bin/ambit.mjs')
  expect(commandName(script, '', join(dir, 'a', 'b', 'c'))).toBe(script)
})
