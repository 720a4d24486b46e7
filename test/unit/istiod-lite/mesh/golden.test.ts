import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join as joinPath } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatProblem, meshConfigKind, meshKinds, readObjects } from '#shared/k8s'
import { type Cidr, formatCidr } from '#shared/net'
import { DerivedMesh } from '../../../support/derived-mesh.ts'

/** Each folder of test/golden: what `in.yaml` becomes is in `out.json`; UPDATE_GOLDEN=1 writes it anew. */
const root = joinPath(import.meta.dirname, '../../../golden')
const inputs = globSync('*/in.yaml', { cwd: root }).sort()

/** Everything that is derived. Absent in the output: empty lists, texts and maps, false, and what is not set. */
const outcomeOf = (yaml: string): string => {
  const read = readObjects(yaml, 'in.yaml', [...meshKinds, meshConfigKind])
  expect(read.problems.map(formatProblem)).toEqual([])
  const { mesh } = DerivedMesh.of(read.objects)
  const outcome = {
    workloads: mesh.workloads.list(),
    services: mesh.services.list(),
    authorizations: mesh.authorizations.list(),
    conditions: mesh.conditions.list(),
    entryAddresses: mesh.entryAddresses.list(),
  }
  return `${JSON.stringify(outcome, (_, value: unknown) => compact(value), 2)}\n`
}

const compact = (value: unknown): unknown => {
  if (value instanceof Map) return Object.fromEntries(value)
  if (isCidr(value)) return formatCidr(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, item]) => !isEmpty(item)))
}

const isCidr = (value: unknown): value is Cidr => typeof value === 'object' && value !== null && 'prefixBits' in value

const isEmpty = (value: unknown): boolean => {
  if (value === undefined || value === '' || value === false) return true
  if (Array.isArray(value)) return value.length === 0
  if (value instanceof Map) return value.size === 0
  return typeof value === 'object' && value !== null && Object.values(value).every((item) => item === '')
}

const titleOf = (input: string): string => {
  const [, title] = /^# (.+)$/m.exec(readFileSync(joinPath(root, input), 'utf8')) ?? []
  return `${dirname(input)}: ${title}`
}

describe('what objects become', () => {
  it.each(inputs.map((input) => [titleOf(input), input]))('%s', (_, input) => {
    const outcome = outcomeOf(readFileSync(joinPath(root, input), 'utf8'))
    const file = joinPath(root, dirname(input), 'out.json')
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, outcome)
    expect(outcome).toBe(readFileSync(file, 'utf8'))
  })
})
