import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ANALYSED_KINDS, analyse, CHECKS } from '#shared/analysis'
import { analysed } from '../../../support/analysed.ts'

const DOCS = join(import.meta.dirname, '../../../../docs/analyze.md')
const [BEGIN, END] = [
  '<!-- checks: written by UPDATE_GOLDEN=1 npx vitest run test/unit/shared/analysis -->\n',
  '\n<!-- end of checks -->',
]
const SET = `
kind: Service
metadata: {name: web, annotations: {a: b}}
spec: {ports: [{port: 80}]}
---
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: gone}}]}, {}]}
---
kind: AuthorizationPolicy
metadata: {name: deny}
spec: {action: DENY}
`

describe('an analysis', () => {
  it('tells the worst first, then by object', () => {
    expect(analyse(analysed(SET)).map(({ code, object }) => `${code} ${object.name}`)).toEqual([
      'IST0101 web',
      'AMB0204 deny',
      'IST0130 web',
      'IST0118 web',
    ])
  })

  it.each([
    ['IST0118', 3],
    ['*', 3],
    ['IST0001, IST0118', 3],
    ['IST0101', 4],
  ])('does not tell what an object does not want to hear: %s', (codes, count) => {
    expect(analyse(analysed(SET.replace('a: b', `galley.istio.io/analyze-suppress: "${codes}"`)))).toHaveLength(count)
  })

  it('does the same in any order of the objects', () => {
    const objects = analysed(SET)
    expect(analyse(objects.toReversed())).toEqual(analyse(objects))
  })

  it('gets along with objects of any form', () => {
    const words = [
      'spec',
      'http',
      'route',
      'destination',
      'host',
      'hosts',
      'rules',
      'from',
      'source',
      'ports',
      'metadata',
      'labels',
      'subsets',
      'targetRefs',
      'listeners',
      'status',
      'conditions',
      'addresses',
      'selector',
      'matchLabels',
      'tls',
      'regex',
      'retries',
      'parentRefs',
      'backendRefs',
    ]
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 6, depthSize: 'large' },
        fc.constantFrom(null, '', 'web', '*', '10.0.0.1', 0, 80, true),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...words), tie('value'), { maxKeys: 5 }),
      ),
    }))
    const object = fc.record({
      kind: fc.constantFrom(...ANALYSED_KINDS),
      name: fc.constantFrom('a', 'b'),
      namespace: fc.constantFrom('', 'shop', 'istio-system'),
      document: fc.record({ metadata: value, spec: value, status: value }),
    })
    fc.assert(fc.property(fc.array(object, { maxLength: 6 }), (objects) => void analyse(objects)))
  })
})

it('is described in docs/analyze.md, check by check', () => {
  const rows = Object.entries(CHECKS).map(
    ([code, { name, severity, summary, advice }]) => `| ${code} ${name} | ${severity} | ${summary} | ${advice} |`,
  )
  const table = ['| code | level | what | what to do |', '| --- | --- | --- | --- |', ...rows].join('\n')
  const text = readFileSync(DOCS, 'utf8')
  const [before, rest] = text.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`${DOCS} has no place for the checks`)
  const wanted = `${before}${BEGIN}${table}${END}${after}`
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(DOCS, wanted)
  else expect(text).toBe(wanted)
})

it('has a test for each check', () => {
  const files = [
    'deprecations',
    'destination-rules',
    'enrolment',
    'gateways',
    'not-honoured',
    'policies',
    'retries',
    'service-entries',
    'services',
    'status-conditions',
    'virtual-services',
    'waypoints',
  ]
  const tests = files.map((file) => readFileSync(join(import.meta.dirname, `${file}.test.ts`), 'utf8')).join('')
  expect(Object.keys(CHECKS).filter((code) => !tests.includes(code))).toEqual([])
})
