import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { formatProblem } from '#shared/k8s'
import { DEFAULT_RETRY, DEFAULT_TRAFFIC_POLICY } from '#shared/l7'
import { type Cidr, formatCidr } from '#shared/net'
import { configure, type Told } from '../../../support/waypoint-configuration.ts'

/** Each folder: what `in.yaml` beside the objects of base.yaml tells a waypoint is in `out.json`; UPDATE_GOLDEN=1 writes it anew. */
const root = join(import.meta.dirname, '../../../golden/waypoint-configuration')
const base = readFileSync(join(root, 'base.yaml'), 'utf8')
const inputs = globSync('*/in.yaml', { cwd: root }).sort()

const outcomeOf = (yaml: string): string => {
  const { problems, told } = configure(`${base}---\n${yaml}`)
  if (problems.length > 0)
    return `${JSON.stringify({ problems: problems.map((each) => formatProblem({ ...each, line: undefined })) }, null, 2)}\n`
  return `${JSON.stringify(told, (key, value: unknown) => compact(key, value), 1)}\n`
}

/** Left out: what is empty, false or not set, and what is as the defaults say. */
const compact = (key: string, value: unknown): unknown => {
  if (isDeepStrictEqual(value, DEFAULT_RETRY)) return 'default'
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  if (isCidr(value)) return formatCidr(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const defaults: Readonly<Record<string, unknown>> =
    key === 'policy' ? { ...DEFAULT_TRAFFIC_POLICY } : key === 'pool' ? { ...DEFAULT_TRAFFIC_POLICY.pool } : {}
  return Object.fromEntries(
    Object.entries(value).filter(
      ([name, item]) => !isEmpty(item) && !(name in defaults && isDeepStrictEqual(defaults[name], item)),
    ),
  )
}

const isCidr = (value: unknown): value is Cidr => typeof value === 'object' && value !== null && 'prefixBits' in value

const isEmpty = (value: unknown): boolean => {
  if (value === undefined || value === '' || value === false) return true
  if (value instanceof Uint8Array) return value.length === 0
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && value !== null && Object.values(value).every(isEmpty)
}

const titleOf = (input: string): string => {
  const [, title] = /^# (.+)$/m.exec(readFileSync(join(root, input), 'utf8')) ?? []
  return `${dirname(input)}: ${title}`
}

describe('what waypoints are told', () => {
  it.each(inputs.map((input) => [titleOf(input), input]))('%s', (_, input) => {
    const outcome = outcomeOf(readFileSync(join(root, input), 'utf8'))
    const file = join(root, dirname(input), 'out.json')
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, outcome)
    expect(outcome).toBe(readFileSync(file, 'utf8'))
  })

  it('is nothing where nobody says anything', () => {
    const { told } = configure(base)
    const empty: Told = {
      routes: {},
      clusters: {},
      labels: {},
      requestPolicies: {},
      tokenPolicies: {},
      rateLimits: {},
      telemetry: {},
      ofRoutes: [],
      ofObjects: [],
    }
    expect(told).toEqual(empty)
  })
})
