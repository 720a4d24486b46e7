// npm run bench -- paths [--rounds N] [--seconds S] [--quick] [--paths A,B] [--cases C,D] [--json FILE]
// npm run bench -- api [--rounds N] [--json FILE]
// npm run bench -- l7 [--rounds N] [--seconds S] [--cases A;B] [--json FILE]
// npm run bench -- control [--seconds S] [--cpu-prof DIR] [--json FILE]
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { reasonOf } from '#shared/errors'
import { apiMarkdown, benchApi } from './api/api.ts'
import { benchControl, controlMarkdown } from './control/control.ts'
import { benchL7, CASES as L7_CASES, l7Markdown, missingForL7 } from './l7/l7.ts'
import { CASES } from './paths/cases.ts'
import { benchPaths } from './paths/paths.ts'
import { WAYS } from './paths/ways.ts'
import { pathsMarkdown } from './report/markdown.ts'

const USAGE = `usage: npm run bench -- paths [--rounds 3] [--seconds 3] [--quick] [--json FILE]
         [--paths NAME;NAME…]  of: ${WAYS.map(({ path }) => path).join('; ')}
         [--cases NAME;NAME…]  beginnings of: ${CASES.map(({ name }) => name).join('; ')}
       npm run bench -- api [--rounds 3] [--json FILE]
       npm run bench -- l7 [--rounds 3] [--seconds 2] [--cases NAME;NAME…] [--json FILE]
       npm run bench -- control [--seconds 60] [--cpu-prof DIR] [--json FILE]
`

const { positionals, values } = parsed()
const [bench, ...more] = positionals
const say = (line: string): void => void process.stderr.write(`${line}\n`)
if (values.help) process.stdout.write(USAGE)
else if (more.length > 0) refuse(`one bench at a time: ${JSON.stringify(more[0])} is one too many`)
else if (bench === 'paths') {
  const result = await benchPaths({
    rounds: positive('rounds', values.quick ? 1 : 3),
    seconds: positive('seconds', values.quick ? 1 : 3),
    warmUpSeconds: values.quick ? 1 : 2,
    paths: named('paths', (name) => WAYS.some(({ path }) => path === name)),
    cases: named('cases', (name) => CASES.some((each) => each.name.startsWith(name))),
    rival: process.env.AMBIT_BENCH_ZTUNNEL,
    say,
  })
  report(pathsMarkdown(result), result)
  if (result.rows.some((row) => row.errors > 0)) {
    process.stderr.write('some connections failed: see "errors" in the JSON\n')
    process.exitCode = 1
  }
} else if (bench === 'api') {
  const result = await benchApi(positive('rounds', 3), say)
  report(apiMarkdown(result), result)
} else if (bench === 'l7') {
  const missing = missingForL7()
  if (missing.length > 0) refuse(`this bench compares with ${missing.join(' and ')}, which this machine does not have`)
  const result = await benchL7({
    rounds: positive('rounds', 3),
    seconds: positive('seconds', 2),
    cases: named('cases', (name) => L7_CASES.some((each) => each.name.startsWith(name))),
    say,
  })
  report(l7Markdown(result), result)
  if (result.rows.some((row) => row.errors > 0)) process.exitCode = 1
} else if (bench === 'control') {
  const result = await benchControl({ seconds: positive('seconds', 60), profileDir: values['cpu-prof'], say })
  report(controlMarkdown(result), result)
  if (result.lost > 0) process.exitCode = 1
} else refuse(bench === undefined ? '' : `no bench is called ${JSON.stringify(bench)}`)

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        paths: { type: 'string', default: '' },
        cases: { type: 'string', default: '' },
        json: { type: 'string' },
        'cpu-prof': { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    // Its text names the flag.
    refuse(reasonOf(error))
  }
}

function report(text: string, result: unknown): void {
  process.stdout.write(`${text}\n`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`)
}

function positive(name: 'rounds' | 'seconds', usual: number): number {
  const value = Number(values[name] ?? usual)
  if (Number.isInteger(value) && value > 0) return value
  refuse(`--${name} must be a whole number above 0, not ${JSON.stringify(values[name])}`)
}

function named(option: 'paths' | 'cases', isKnown: (name: string) => boolean): readonly string[] {
  const names = values[option].split(';').map((name) => name.trim())
  const asked = names.filter((name) => name !== '')
  const unknown = asked.find((name) => !isKnown(name))
  if (unknown !== undefined) refuse(`--${option}: nothing is called ${JSON.stringify(unknown)}`)
  return asked
}

function refuse(reason: string): never {
  process.stderr.write(`${reason}${reason === '' ? '' : '\n'}${USAGE}`)
  process.exit(2)
}
