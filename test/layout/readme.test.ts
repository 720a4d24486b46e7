import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import type { PathsResult } from '../../bench/paths/paths.ts'
import { pathsMarkdown } from '../../bench/report/markdown.ts'

const root = resolve(import.meta.dirname, '../..')
const BEGIN = '<!-- bench/baselines/paths.json, by test/layout/readme.test.ts -->\n'
const END = '\n<!-- end -->'

it('shows in the README exactly what the committed run of the bench measured', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const result = JSON.parse(readFileSync(join(root, 'bench/baselines/paths.json'), 'utf8')) as PathsResult
  expect(readme.split(BEGIN)[1]?.split(END)[0]).toBe(pathsMarkdown(result))
  expect(result.rows.filter((row) => row.errors > 0)).toEqual([])
})
