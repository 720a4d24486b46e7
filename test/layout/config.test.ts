import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type ConfigSpec, refusedTable, settingsTable } from '#shared/config'

const src = resolve(import.meta.dirname, '../../src')
const programs = readdirSync(src).filter((name) => existsSync(resolve(src, name, 'config.ts')))

const BEGIN = '<!-- settings: written by UPDATE_GOLDEN=1 npx vitest run --project layout -->\n'
const END = '\n<!-- end of settings -->'

async function tablesOf(program: string): Promise<string> {
  const exported = Object.values((await import(resolve(src, program, 'config.ts'))) as Record<string, unknown>)
  const spec = exported.find(
    (one): one is ConfigSpec<object> => typeof one === 'object' && one !== null && 'settings' in one,
  )
  if (spec === undefined) throw new Error(`src/${program}/config.ts exports no ConfigSpec`)
  const refused = spec.refused === undefined ? '' : `\n\nRead only to be refused:\n\n${refusedTable(spec)}`
  return `\n${settingsTable(spec)}${refused}\n`
}

describe('the settings of each program', () => {
  it.each(programs)('src/%s/README.md shows those that config.ts reads', async (program) => {
    const readme = resolve(src, program, 'README.md')
    const text = readFileSync(readme, 'utf8')
    const [before, rest] = text.split(BEGIN)
    const after = rest?.split(END)[1]
    if (before === undefined || after === undefined)
      throw new Error(`${readme} has no place for settings: ${BEGIN}${END}`)
    const wanted = `${before}${BEGIN}${await tablesOf(program)}${END}${after}`
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(readme, wanted)
    else expect(text).toBe(wanted)
  })
})
