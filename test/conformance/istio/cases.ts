import type { ApiObject } from '../../../src/local/apiserver/index.ts'
import { entryCases } from './entry-cases.ts'
import { policyCases } from './policy-cases.ts'
import { serviceCases } from './service-cases.ts'
import { workloadCases } from './workload-cases.ts'

/** What is written beside the enrolled namespace `shop`; the title says what it shows. */
export type Cases = Readonly<Record<string, readonly ApiObject[]>>

export const cases: Cases = { ...workloadCases, ...serviceCases, ...policyCases, ...entryCases }
