// npm run bench -- paths [--rounds N] [--seconds S] [--json FILE]
// npm run bench -- api [--rounds N] [--json FILE]
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { apiMarkdown, benchApi } from './api/api.ts'
import { benchPaths } from './paths/paths.ts'
import { pathsMarkdown } from './report/markdown.ts'

const USAGE = `usage: npm run bench -- paths [--rounds 3] [--seconds 3] [--json FILE]
       npm run bench -- api [--rounds 3] [--json FILE]
`

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
})

const [bench, ...more] = positionals
const say = (line: string): void => void process.stderr.write(`${line}\n`)
if (more.length === 0 && bench === 'paths') {
  const result = await benchPaths(positive('rounds'), positive('seconds'), say)
  report(pathsMarkdown(result), result)
  if (result.rows.some((row) => row.errors > 0)) {
    process.stderr.write('some connections failed: see "errors" in the JSON\n')
    process.exitCode = 1
  }
} else if (more.length === 0 && bench === 'api') {
  const result = await benchApi(positive('rounds'), say)
  report(apiMarkdown(result), result)
} else {
  process.stderr.write(USAGE)
  process.exitCode = 2
}

function report(text: string, result: unknown): void {
  process.stdout.write(`${text}\n`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`)
}

function positive(name: 'rounds' | 'seconds'): number {
  const value = Number(values[name])
  if (Number.isInteger(value) && value > 0) return value
  process.stderr.write(`--${name} must be a whole number above 0, not ${JSON.stringify(values[name])}\n${USAGE}`)
  process.exit(2)
}
