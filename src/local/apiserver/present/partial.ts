import type { ApiObject } from '../types.ts'

/** The object without everything but its metadata, as metadata informers want it. */
export function partialMetadata(object: ApiObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata }
}
