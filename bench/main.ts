// npm run bench -- paths [--rounds N] [--seconds S] [--json FILE]
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { benchPaths } from './paths/paths.ts'
import { pathsMarkdown } from './report/markdown.ts'

const USAGE = 'usage: npm run bench -- paths [--rounds 3] [--seconds 3] [--json FILE]\n'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
})

if (positionals[0] !== 'paths' || positionals.length > 1) {
  process.stderr.write(USAGE)
  process.exit(2)
}
const result = await benchPaths(positive('rounds'), positive('seconds'), (line) => process.stderr.write(`${line}\n`))
process.stdout.write(`${pathsMarkdown(result)}\n`)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`)
if (result.rows.some((row) => row.errors > 0)) {
  process.stderr.write('some connections failed: see "errors" in the JSON\n')
  process.exitCode = 1
}

function positive(name: 'rounds' | 'seconds'): number {
  const value = Number(values[name])
  if (Number.isInteger(value) && value > 0) return value
  process.stderr.write(`--${name} must be a whole number above 0, not ${JSON.stringify(values[name])}\n${USAGE}`)
  process.exit(2)
}
