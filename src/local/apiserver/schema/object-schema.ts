import { objectMetaSchema } from './object-meta.ts'
import type { Schema } from './types.ts'

/** A kind's schema with the one `metadata` that all kinds share; schemas seldom spell it out. */
export function objectSchema(schema: Schema): Schema {
  return { ...schema, properties: { ...schema.properties, metadata: objectMetaSchema } }
}
