import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeFeatures } from '../../support/waypoint-features.ts'
import { readFeatures } from '../../support/waypoint-rows.ts'

describeFeatures(
  readFeatures(join(import.meta.dirname, 'features')),
  readFileSync(join(import.meta.dirname, '../gateway-api/base.yaml'), 'utf8'),
)
