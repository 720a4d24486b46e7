import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeFeatures } from '../../support/waypoint-features.ts'
import { readFeatures } from '../../support/waypoint-rows.ts'

const features = readFeatures(join(import.meta.dirname, 'features'))
describeFeatures(features, readFileSync(join(import.meta.dirname, 'base.yaml'), 'utf8'))

describe('docs/conformance.md', () => {
  it('claims what the rows show, no more and no less', () => {
    const text = readFileSync(join(import.meta.dirname, '../../../docs/conformance.md'), 'utf8')
    const claims = [...text.matchAll(/^\| `(\w+)` \| (core|extended) \| (\d+) \|/gm)].map(([, name, level, rows]) => [
      name,
      level,
      Number(rows),
    ])
    expect(claims).toEqual(features.map(({ name, level, rows }) => [name, level, rows.length]))
  })

  it('stands on at least eighty rows', () => {
    expect(features.reduce((sum, { rows }) => sum + rows.length, 0)).toBeGreaterThanOrEqual(80)
  })
})
