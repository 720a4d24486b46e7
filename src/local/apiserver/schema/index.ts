export { objectMetaSchema } from './object-meta.ts'
export { objectSchema } from './object-schema.ts'
export type * from './types.ts'
