// node --conditions=source bench/micro/route.ts
import type { HttpMatch, HttpRule } from '#shared/l7'
import { compileRules } from '../../src/waypoint/route/compile.ts'
import { matchHttp } from '../../src/waypoint/route/match-http.ts'
import { Subject } from '../../src/waypoint/route/subject.ts'
import { meshOf } from '../../test/support/mesh-builder.ts'
import { httpMatch, httpRule, innerConnection, requestHead } from '../../test/support/waypoint-requests.ts'
import { type Measured, measure, measureOnce, print } from './measure.ts'

const ROUTES = 100
const view = { mesh: meshOf([]), network: '', labelsOf: () => ({}) }
const connection = innerConnection()
const nobody = { peer: undefined, token: undefined }

const routes = (matchOf: (n: number) => Partial<HttpMatch>): readonly HttpRule[] =>
  Array.from({ length: ROUTES }, (_, n) => httpRule(`r${n}`, { matches: [httpMatch(matchOf(n))] }))

const TABLES: Readonly<Record<string, readonly HttpRule[]>> = {
  exact: routes((n) => ({ path: { kind: 'exact', value: `/api/v1/area-${n}/things/${n}` } })),
  segments: routes((n) => ({ path: { kind: 'segments', value: `/api/v1/area-${n}/things` } })),
  prefix: routes((n) => ({ path: { kind: 'prefix', value: `/api/v1/area-${n}/th` } })),
  'regex with a literal': routes((n) => ({ path: { kind: 'regex', value: `/api/v1/area-${n}/th[a-z]+/\\d+` } })),
  'regex without one': routes((n) => ({ path: { kind: 'regex', value: `.*/area-${n}/things/\\d+` } })),
  'one header each': routes((n) => ({ headers: [{ name: 'x-area', match: { kind: 'exact', value: `${n}` } }] })),
}

const headers = Object.fromEntries(Array.from({ length: 15 }, (_, n) => [`x-header-${n}`, `value ${n}`]))
const lines: Measured[] = []
for (const [name, rules] of Object.entries(TABLES)) {
  const compiled = compileRules(rules)
  const run = (n: number): (() => unknown) => {
    const request = requestHead({
      target: `/api/v1/area-${n}/things/${n}?q=1`,
      headers: { ...headers, 'x-area': `${n}` },
    })
    return () => matchHttp(compiled, new Subject(request, nobody, connection, view, compiled.asked), () => 0)
  }
  lines.push(measureOnce(`${ROUTES} routes by ${name}: made ready`, () => compileRules(rules)))
  lines.push(measure(`${ROUTES} routes by ${name}: the middle one`, run(ROUTES / 2)))
  lines.push(measure(`${ROUTES} routes by ${name}: 404`, run(ROUTES)))
}
print(lines)
