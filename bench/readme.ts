// node --conditions=source bench/readme.ts: writes the table of bench/baselines/paths.json into the README.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { PathsResult } from './paths/paths.ts'
import { pathsMarkdown } from './report/markdown.ts'

const root = resolve(import.meta.dirname, '..')
const readme = join(root, 'README.md')
const result = JSON.parse(readFileSync(join(root, 'bench/baselines/paths.json'), 'utf8')) as PathsResult
const [before = '', rest = ''] = readFileSync(readme, 'utf8').split(
  /(?<=<!-- bench\/baselines\/paths\.json[^\n]*-->\n)/,
)
const after = rest.slice(rest.indexOf('\n<!-- end -->'))
writeFileSync(readme, before + pathsMarkdown(result) + after)
