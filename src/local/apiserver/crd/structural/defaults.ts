import type { Schema } from '../../schema/types.ts'
import { isObject, member } from './json.ts'
import { fieldSchema } from './prune.ts'

/**
 * A value with the defaults of its schema, the very same value when nothing is missing. A null where the schema does
 * not allow one counts as not written: the default takes its place, or the field goes (as Kubernetes does it).
 */
export function withDefaults(value: unknown, schema: Schema): unknown {
  if (Array.isArray(value)) {
    const { items } = schema
    if (items === undefined) return value
    const now = value.map((each) => withDefaults(each, items))
    return now.some((each, i) => each !== value[i]) ? now : value
  }
  if (!isObject(value)) return value

  const fields: [string, unknown][] = []
  let isSame = true
  for (const [name, was] of Object.entries(value)) {
    const known = fieldSchema(schema, name)
    if (known === undefined || known === 'anything') fields.push([name, was])
    else if (was === null && known.nullable !== true) isSame = false
    else {
      const now = withDefaults(was, known)
      if (now !== was) isSame = false
      fields.push([name, now])
    }
  }
  for (const [name, known] of Object.entries(schema.properties ?? {})) {
    if (known.default === undefined || (member(value, name) ?? null) !== null) continue
    if (known.nullable === true && Object.hasOwn(value, name)) continue
    // Nobody changes an object in place, so the schema's own value may be shared.
    fields.push([name, withDefaults(known.default, known)])
    isSame = false
  }
  return isSame ? value : Object.fromEntries(fields)
}
