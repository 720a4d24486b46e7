import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { AMBIT_VERSION } from '#shared/control'

it('the version is that of package.json', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../../package.json'), 'utf8')
  expect(AMBIT_VERSION).toBe((JSON.parse(text) as { version: string }).version)
})
