export type { Closer } from './closer.ts'
export type { Drainable, DrainOrder } from './drain.ts'
export { Readiness } from './readiness.ts'
