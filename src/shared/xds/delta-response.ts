import { schema } from './schema.ts'
import type { EncodedResource } from './types.ts'
import type { Delta } from './watch.ts'

/** By resource: what it is in every response, however many clients it goes to. Resources are replaced, never changed. */
const entries = new WeakMap<EncodedResource, Buffer>()

/**
 * A response of delta xDS. Its resources are encoded once for all clients and put in front of the rest: parts of a message
 * may be written one after the other (protobuf's "last one wins" for fields, and order for lists).
 */
export function encodeDeltaResponse(typeUrl: string, nonce: string, { changed, removed }: Delta): Buffer {
  const parts: Buffer[] = changed.map((resource) => entryOf(typeUrl, resource))
  parts.push(schema().deltaResponse.encode({ typeUrl, nonce, removedResources: removed }))
  return Buffer.concat(parts)
}

function entryOf(typeUrl: string, resource: EncodedResource): Buffer {
  const known = entries.get(resource)
  if (known !== undefined) return known
  const { name, version, aliases, body } = resource
  // A response with nothing else in it is exactly that field.
  const entry = schema().deltaResponse.encode({
    resources: [{ name, version, aliases, resource: { type_url: typeUrl, value: body } }],
  })
  entries.set(resource, entry)
  return entry
}
