export { objectMetaSchema } from './object-meta.ts'
export type * from './types.ts'
